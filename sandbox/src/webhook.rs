//! Signed webhooks to one URL per bearer token, in the Standard Webhooks scheme.
//!
//! One task delivers the events in the order of the writes, with three attempts of 5 seconds each. A redirect is a
//! failure. Only loopback URLs are accepted, so the sandbox cannot send data to another machine. When the queue is
//! full, the event is dropped and a warning is logged.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::Utc;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Serialize;
use sha2::Sha256;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use url::{Host, Url};
use uuid::Uuid;

use super::operation::{Change, EventKind};
use super::state::lock;
use super::tenant::{Tenant, TokenDigest};
use super::view;

/// The made-up `account_id` in events of a tenant without an account.
const DEFAULT_ACCOUNT: Uuid = Uuid::from_u128(0x0190_b000_0000_7000_8000_0000_0000_0001);

const QUEUE: usize = 1024;
const MAX_ENDPOINTS: usize = 64;
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(5);
/// Much shorter than the vendor's (5 s, 5 min, …), so that tests can wait for a retry.
const RETRY_DELAYS: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(1)];

/// The URL and the signing key of a webhook.
#[derive(Clone)]
pub(crate) struct WebhookEndpoint {
    url: Url,
    key: Vec<u8>,
}

#[derive(Serialize)]
struct WebhookEvent<'a> {
    event_type: &'static str,
    event_id: Uuid,
    account_id: Uuid,
    data: view::EventData<'a>,
}

struct Delivery {
    endpoint: WebhookEndpoint,
    id: String,
    body: Bytes,
}

/// Queues events for the delivery task.
pub(crate) struct WebhookSender {
    endpoints: Mutex<HashMap<TokenDigest, WebhookEndpoint>>,
    queue: mpsc::Sender<Delivery>,
}

impl WebhookEndpoint {
    /// Parses the URL and the secret. The error names the accepted input.
    pub(crate) fn parse(url: &str, secret: &str) -> Result<Self, String> {
        let parsed = Url::parse(url).ok().filter(|url| url.scheme() == "http");
        let local = |url: &Url| match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
            Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
            None => false,
        };
        let url =
            parsed.filter(local).ok_or("`url` must be an http address on loopback (127.0.0.1, ::1, localhost)")?;
        let key = secret.strip_prefix("whsec_").and_then(|key| STANDARD.decode(key).ok());
        let key = key.filter(|key| !key.is_empty()).ok_or("`secret` must be `whsec_` followed by a key in base64")?;
        Ok(Self { url, key })
    }
}

impl WebhookSender {
    /// Starts the delivery task, which runs until `shutdown`.
    pub(crate) fn start(shutdown: CancellationToken) -> std::io::Result<Self> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(DELIVERY_TIMEOUT)
            .build()
            .map_err(std::io::Error::other)?;
        let (queue, mut deliveries) = mpsc::channel::<Delivery>(QUEUE);
        tokio::spawn(shutdown.run_until_cancelled_owned(async move {
            while let Some(delivery) = deliveries.recv().await {
                deliver(&client, &delivery).await;
            }
        }));
        Ok(Self { endpoints: Mutex::default(), queue })
    }

    /// Sets the webhook of a token.
    pub(crate) fn set(&self, token: TokenDigest, endpoint: WebhookEndpoint) -> Result<(), String> {
        let mut endpoints = lock(&self.endpoints);
        if endpoints.len() >= MAX_ENDPOINTS && !endpoints.contains_key(&token) {
            return Err(format!("there are {MAX_ENDPOINTS} webhooks already; DELETE /_sandbox/webhook removes one"));
        }
        endpoints.insert(token, endpoint);
        Ok(())
    }

    /// Removes the webhook of a token.
    pub(crate) fn unset(&self, token: TokenDigest) {
        lock(&self.endpoints).remove(&token);
    }

    /// Queues the events of a change.
    pub(crate) fn enqueue(&self, tenant: Tenant, change: &Change) {
        let types: &[&'static str] = match change.event {
            EventKind::Created => &["customer.created.v1", "customer.event.v1"],
            EventKind::Changed => &["customer.event.v1"],
            EventKind::Deleted => &[],
        };
        let Some(endpoint) = lock(&self.endpoints).get(&tenant.token).cloned() else {
            return;
        };
        for &event_type in types {
            let event = WebhookEvent {
                event_type,
                event_id: Uuid::now_v7(),
                account_id: tenant.account.unwrap_or(DEFAULT_ACCOUNT),
                data: view::event_data(&change.customer),
            };
            let body = serde_json::to_vec(&event).expect("maps have string keys, so plain data always serialises");
            let id = format!("msg_{}", Uuid::now_v7().simple());
            if self.queue.try_send(Delivery { endpoint: endpoint.clone(), id, body: body.into() }).is_err() {
                tracing::warn!(event_type, "sandbox webhook queue is full, event dropped");
            }
        }
    }
}

async fn deliver(client: &reqwest::Client, delivery: &Delivery) {
    for delay in RETRY_DELAYS.into_iter().map(Some).chain([None]) {
        let timestamp = Utc::now().timestamp().to_string();
        let sent = client
            .post(delivery.endpoint.url.clone())
            .header("content-type", "application/json; charset=utf-8")
            .header("webhook-id", &delivery.id)
            .header("webhook-signature", signature(&delivery.endpoint.key, &delivery.id, &timestamp, &delivery.body))
            .header("webhook-timestamp", timestamp)
            .body(delivery.body.clone())
            .send()
            .await;
        match (sent, delay) {
            (Ok(response), _) if response.status().is_success() => return,
            (_, Some(delay)) => tokio::time::sleep(delay).await,
            (_, None) => tracing::warn!(attempts = RETRY_DELAYS.len() + 1, "sandbox webhook was not delivered"),
        }
    }
}

/// `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`.
fn signature(key: &[u8], id: &str, timestamp: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks reference libraries.
    #[test]
    fn the_signature_matches_the_published_example() {
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("base64");
        let signed = signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn only_loopback_addresses_are_accepted() {
        for good in ["http://127.0.0.1:4000/hooks", "http://localhost:1/", "http://[::1]:1/"] {
            assert!(WebhookEndpoint::parse(good, "whsec_c2VjcmV0").is_ok(), "{good}");
        }
        for bad in ["http://203.0.113.9/", "https://127.0.0.1/", "http://localhost.example.test/", "hooks"] {
            assert!(WebhookEndpoint::parse(bad, "whsec_c2VjcmV0").is_err(), "{bad}");
        }
        assert!(WebhookEndpoint::parse("http://127.0.0.1/", "secret").is_err());
    }
}
