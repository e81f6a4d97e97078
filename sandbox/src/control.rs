//! The control API, `/_sandbox/…`, with which tests and demos control the sandbox.
//!
//! It is a public contract (`sandbox/README.md`) and not part of the vendor's API. A call acts on the data of its
//! bearer token and account; without a token it acts on the data of the default key. Counts, faults and latency belong
//! to the whole sandbox. An invalid call is a 400 whose error names the accepted input.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::enums::CustomerStatus;
use super::fault::known_members;
use super::state::{Sandbox, lock};
use super::store::MAX_CUSTOMERS;
use super::tenant::{self, Tenant, TokenDigest};
use super::webhook::WebhookEndpoint;

const MAX_LATENCY_MS: u64 = 60_000;

/// The result of a handler: JSON, or a 400.
type ControlResult = Result<Json<Value>, BadRequest>;

/// A 400 with its error text.
pub(crate) struct BadRequest(String);

impl axum::response::IntoResponse for BadRequest {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, Json(json!({"error": self.0}))).into_response()
    }
}

impl From<String> for BadRequest {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for BadRequest {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// The 404 of an unknown control route.
pub(crate) fn unknown_route() -> Response {
    let error = "unknown route; the control API has /_sandbox/calls, writes, latency, faults, customers, \
                 customers/{id}, webhook, reset";
    (StatusCode::NOT_FOUND, Json(json!({"error": error}))).into_response()
}

/// `GET /_sandbox/calls`
pub(crate) async fn calls(State(sandbox): State<Arc<Sandbox>>) -> Json<Value> {
    Json(sandbox.calls())
}

/// `DELETE /_sandbox/calls`
pub(crate) async fn reset_calls(State(sandbox): State<Arc<Sandbox>>) -> Json<Value> {
    sandbox.reset_calls();
    Json(sandbox.calls())
}

/// `GET /_sandbox/writes`: the writes of the token, over all accounts.
pub(crate) async fn writes(State(sandbox): State<Arc<Sandbox>>, headers: HeaderMap) -> Json<Value> {
    Json(json!(sandbox.writes(token(&sandbox, &headers))))
}

/// `PUT /_sandbox/latency`
pub(crate) async fn set_latency(State(sandbox): State<Arc<Sandbox>>, body: Bytes) -> ControlResult {
    let object = object(&body, &["ms"])?;
    let ms = object.get("ms").and_then(Value::as_u64).filter(|ms| *ms <= MAX_LATENCY_MS);
    let ms = ms.ok_or_else(|| format!(r#"expected {{"ms": 0..{MAX_LATENCY_MS}}}"#))?;
    sandbox.set_latency(Duration::from_millis(ms));
    Ok(Json(json!({"ms": ms})))
}

/// `GET /_sandbox/faults`
pub(crate) async fn faults(State(sandbox): State<Arc<Sandbox>>) -> Json<Value> {
    Json(json!({"faults": sandbox.faults.list()}))
}

/// `POST /_sandbox/faults`
pub(crate) async fn add_fault(State(sandbox): State<Arc<Sandbox>>, body: Bytes) -> ControlResult {
    sandbox.faults.add(&parse(&body)?)?;
    Ok(Json(json!({"faults": sandbox.faults.list()})))
}

/// `DELETE /_sandbox/faults`
pub(crate) async fn clear_faults(State(sandbox): State<Arc<Sandbox>>) -> Json<Value> {
    sandbox.faults.clear();
    Json(json!({"faults": sandbox.faults.list()}))
}

/// `POST /_sandbox/customers`
pub(crate) async fn add_customers(
    State(sandbox): State<Arc<Sandbox>>,
    headers: HeaderMap,
    body: Bytes,
) -> ControlResult {
    let object = object(&body, &["count"])?;
    let count = object.get("count").and_then(Value::as_u64).and_then(|count| u32::try_from(count).ok());
    let count = count.ok_or(r#"expected {"count": 2500}"#)?;
    let account = tenant::account(&headers).map_err(|()| "the Straddle-Account-Id header must be a UUID")?;
    let store = sandbox.store(Tenant { token: token(&sandbox, &headers), account });
    let mut store = lock(&store);
    let before = store.len();
    if before.saturating_add(count as usize) > MAX_CUSTOMERS {
        return Err(format!("a tenant holds at most {MAX_CUSTOMERS} customers; this tenant has {before}").into());
    }
    store.add_seeded(count);
    Ok(Json(json!({"created": store.len() - before, "total": store.len()})))
}

/// `PUT /_sandbox/customers/{id}`: changes a customer outside the API, without an event.
pub(crate) async fn change_customer(
    State(sandbox): State<Arc<Sandbox>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> ControlResult {
    const EXPECTED: &str =
        r#"expected {"status": "rejected", "members": {"nickname": "Ada"}}, with at least one of the two members"#;
    let object = object(&body, &["status", "members"])?;
    let status = object
        .get("status")
        .map(|status| status.as_str().and_then(CustomerStatus::parse).ok_or(EXPECTED))
        .transpose()?;
    let members = object.get("members").map(|members| members.as_object().ok_or(EXPECTED)).transpose()?;
    if object.is_empty() {
        return Err(EXPECTED.into());
    }
    let account = tenant::account(&headers).map_err(|()| "the Straddle-Account-Id header must be a UUID")?;
    let store = sandbox.store(Tenant { token: token(&sandbox, &headers), account });
    let id = Uuid::parse_str(&id).map_err(|_| "the id must be a UUID")?;
    let changed = lock(&store).update(id, |customer| {
        customer.status = status.unwrap_or(customer.status);
        if let Some(members) = members {
            customer.unknown_members.clone_from(members);
        }
    });
    let customer = changed.ok_or("there is no such customer")?;
    Ok(Json(json!({"id": id, "status": customer.status, "members": customer.unknown_members})))
}

/// `PUT /_sandbox/webhook`: for all accounts of the token.
pub(crate) async fn set_webhook(State(sandbox): State<Arc<Sandbox>>, headers: HeaderMap, body: Bytes) -> ControlResult {
    let object = object(&body, &["url", "secret"])?;
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    let (Some(url), Some(secret)) = (text("url"), text("secret")) else {
        return Err(r#"expected {"url": "http://127.0.0.1:4000/webhooks/customers", "secret": "whsec_…"}"#.into());
    };
    sandbox.webhooks.set(token(&sandbox, &headers), WebhookEndpoint::parse(url, secret)?)?;
    Ok(Json(json!({"url": url})))
}

/// `DELETE /_sandbox/webhook`
pub(crate) async fn unset_webhook(State(sandbox): State<Arc<Sandbox>>, headers: HeaderMap) -> Json<Value> {
    sandbox.webhooks.unset(token(&sandbox, &headers));
    Json(json!({"url": null}))
}

/// `POST /_sandbox/reset`
pub(crate) async fn reset(State(sandbox): State<Arc<Sandbox>>, headers: HeaderMap) -> Json<Value> {
    sandbox.reset(token(&sandbox, &headers));
    Json(json!({"reset": true}))
}

fn token(sandbox: &Sandbox, headers: &HeaderMap) -> TokenDigest {
    tenant::bearer(headers).map_or(sandbox.default_token, tenant::digest)
}

fn parse(body: &[u8]) -> Result<Value, BadRequest> {
    serde_json::from_slice(body).map_err(|_| BadRequest::from("the body must be JSON"))
}

fn object(body: &[u8], known: &[&str]) -> Result<Map<String, Value>, BadRequest> {
    Ok(known_members(&parse(body)?, known)?.clone())
}
