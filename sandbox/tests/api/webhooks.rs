//! Signed events, received by a server in the test.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, StatusCode};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::{RunningSandbox, at, minimal_customer, minimal_update, start, with};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

type Delivery = (HeaderMap, Bytes);

/// Sets the webhook to a new server that collects deliveries and responds to the first `refused` of them with 500.
async fn receiver(sandbox: &RunningSandbox, refused: usize) -> mpsc::Receiver<Delivery> {
    let (sender, receiver) = mpsc::channel(64);
    let remaining = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(refused));
    let receive = move |State(sender): State<mpsc::Sender<Delivery>>, headers: HeaderMap, body: Bytes| async move {
        use std::sync::atomic::Ordering::SeqCst;
        sender.send((headers, body)).await.unwrap();
        let refuse = remaining.fetch_update(SeqCst, SeqCst, |count| count.checked_sub(1)).is_ok();
        if refuse { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::NO_CONTENT }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hooks", listener.local_addr().unwrap());
    let router = Router::new().route("/hooks", post(receive)).with_state(sender);
    tokio::spawn(async move { axum::serve(listener, router).await });
    let got = sandbox.put("/_sandbox/webhook", json!({"url": url, "secret": SECRET})).await;
    assert_eq!(got.status, 200, "{}", got.text);
    receiver
}

async fn next(deliveries: &mut mpsc::Receiver<Delivery>) -> Delivery {
    tokio::time::timeout(Duration::from_secs(30), deliveries.recv()).await.expect("a delivery").unwrap()
}

async fn event(deliveries: &mut mpsc::Receiver<Delivery>) -> Value {
    serde_json::from_slice(&next(deliveries).await.1).unwrap()
}

#[tokio::test]
async fn a_create_sends_two_signed_events_without_config() {
    let sandbox = start().await;
    let mut deliveries = receiver(&sandbox, 0).await;
    let profile = json!({"compliance_profile": {"dob": "1980-01-01", "ssn": null}});
    let created = sandbox.post("/v1/customers", with(minimal_customer("h@example.test"), profile)).await.data();
    let (headers, body) = next(&mut deliveries).await;
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&STANDARD.decode(&SECRET[6..]).unwrap()).unwrap();
    mac.update(format!("{}.{}.", header("webhook-id"), header("webhook-timestamp")).as_bytes());
    mac.update(&body);
    assert_eq!(header("webhook-signature"), format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())));
    let first: Value = serde_json::from_slice(&body).unwrap();
    let second = event(&mut deliveries).await;
    assert_eq!([&first["event_type"], &second["event_type"]], ["customer.created.v1", "customer.event.v1"]);
    assert_ne!(first["event_id"], second["event_id"]);
    assert_eq!(first["account_id"], "0190b000-0000-7000-8000-000000000001");
    let data = &first["data"];
    assert_eq!(data["id"], created["id"]);
    assert_eq!(data["updated_at"], created["updated_at"]);
    assert_eq!(data["device"]["ip_address"], "**.**.**.**");
    assert_eq!(data["compliance_profile"], json!({"dob": "****-**-**"}));
    assert!(data.get("config").is_none());
}

#[tokio::test]
async fn every_change_but_a_delete_is_an_event() {
    let sandbox = start().await;
    let mut deliveries = receiver(&sandbox, 0).await;
    let id = customers_sandbox::seed::ADA;
    sandbox.patch(&format!("{}/review", at(id)), json!({"status": "verified"})).await;
    sandbox.put(&at(id), minimal_update("ada@example.test", "inactive")).await;
    sandbox.send(Method::PUT, &format!("{}/refresh_review", at(id)), None).await;
    sandbox.delete(&at(id)).await;
    sandbox.person("after@example.test", "verified").await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let event = event(&mut deliveries).await;
        statuses.push((event["event_type"].as_str().unwrap().to_owned(), event["data"]["status"].clone()));
    }
    let names: Vec<_> = statuses.iter().map(|(name, status)| (name.as_str(), status.as_str().unwrap())).collect();
    let changed = "customer.event.v1";
    assert_eq!(
        names,
        [(changed, "verified"), (changed, "inactive"), (changed, "inactive"), ("customer.created.v1", "verified")]
    );
}

#[tokio::test]
async fn a_finished_background_screening_is_an_event() {
    let sandbox = start().await;
    let mut deliveries = receiver(&sandbox, 0).await;
    let config = json!({"config": {"processing_method": "background", "sandbox_outcome": "rejected"}});
    sandbox.post("/v1/customers", with(minimal_customer("bg@example.test"), config)).await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(event(&mut deliveries).await["data"]["status"].clone());
    }
    assert_eq!(statuses, ["pending", "pending", "rejected"]);
}

#[tokio::test]
async fn a_failed_delivery_is_retried_with_its_id() {
    let sandbox = start().await;
    let mut deliveries = receiver(&sandbox, 1).await;
    let id = customers_sandbox::seed::ADA;
    sandbox.put(&at(id), minimal_update("ada@example.test", "verified")).await;
    let (first, again) = (next(&mut deliveries).await, next(&mut deliveries).await);
    assert_eq!(first.0["webhook-id"], again.0["webhook-id"]);
    assert_eq!(first.1, again.1);
}

#[tokio::test]
async fn a_removed_webhook_receives_no_events() {
    let sandbox = start().await;
    let mut removed = receiver(&sandbox, 0).await;
    let id = customers_sandbox::seed::ADA;
    sandbox.delete("/_sandbox/webhook").await;
    sandbox.put(&at(id), minimal_update("ada@example.test", "verified")).await;
    let mut current = receiver(&sandbox, 0).await;
    sandbox.put(&at(id), minimal_update("ada@example.test", "inactive")).await;
    // One task sends all events in order, so an event of the first update would be delivered by now.
    assert_eq!(event(&mut current).await["data"]["status"], "inactive");
    assert!(removed.try_recv().is_err());
}
