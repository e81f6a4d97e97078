//! One call of the API from arrival to response: count, caller, fault, key, work, latency.
//!
//! Latency: a read looks first and waits then, so that its response carries the state from before the wait
//! (what tests of stale caches need); a write waits half, takes result, and waits the other half. A write runs in a
//! task of its own: a caller that hangs up meanwhile does not stop it, as with the real service.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::time::sleep;
use uuid::Uuid;

use super::enums::ProcessingMethod;
use super::fault::TriggeredFault;
use super::fault_injection;
use super::idempotency::{self, Claim};
use super::operation::{Change, EventKind, Operation, OperationInput, OperationResult, settle};
use super::response::{ApiError, ApiResponse, FieldProblem};
use super::server::Connection;
use super::state::{LoggedWrite, Sandbox, SharedStore, lock};
use super::tenant::{self, Caller};

/// The most bytes of a body that are read.
const MAX_BODY_BYTES: usize = 256 * 1024;

/// How long a `background` screening takes.
const BACKGROUND_SCREENING_TIME: std::time::Duration = std::time::Duration::from_millis(300);

/// A call that was read and found to be in call so far.
struct ValidCall {
    operation: Operation,
    caller: Caller,
    id: Uuid,
    path: String,
    query: String,
    idempotency_key: Option<String>,
    body: Bytes,
}

/// Answers one call.
pub(crate) async fn handle(sandbox: Arc<Sandbox>, operation: Operation, request: Request) -> Response {
    sandbox.count_call(operation);
    let connection = request.extensions().get::<Connection>().cloned();
    let id = path_id(request.uri().path());
    let caller = match tenant::caller(request.headers()) {
        Ok(caller) => caller,
        Err(error) => return error_response(&sandbox, error).await,
    };
    // After the key was looked at, so that a call without one uses no fault up.
    let fault = sandbox.faults.trigger(operation, id.unwrap_or_default());
    if let Some(fault) = fault.filter(|fault| fault.replaces_call) {
        sleep(sandbox.latency()).await;
        set_status(&sandbox, caller, id, fault);
        return fault_injection::apply(&sandbox, connection, fault.kind, None).await;
    }
    let call = match read_call(operation, caller, id, request).await {
        Ok(call) => call,
        Err(error) => return error_response(&sandbox, error).await,
    };
    let response = if operation.is_write() {
        // Its own task: see above. It ends by itself, since nothing in it waits for anybody.
        match tokio::spawn(write(Arc::clone(&sandbox), call)).await {
            Ok(response) => response,
            Err(_) => ApiResponse::from(ApiError::InjectedFault(StatusCode::INTERNAL_SERVER_ERROR)),
        }
    } else {
        let store = sandbox.store(caller.tenant);
        let OperationResult { response, .. } = perform(&call, &store, |_| {});
        sleep(sandbox.latency()).await;
        response
    };
    match fault {
        Some(fault) => {
            set_status(&sandbox, caller, id, fault);
            fault_injection::apply(&sandbox, connection, fault.kind, Some(response)).await
        }
        None => response.into_response(),
    }
}

/// Sets the status of the customer that a call named, where its fault says so: as somebody else would.
fn set_status(sandbox: &Sandbox, caller: Caller, id: Option<Uuid>, fault: TriggeredFault) {
    if let (Some(id), Some(status)) = (id, fault.set_status) {
        // Who is not there has no status.
        let _changed = lock(&sandbox.store(caller.tenant)).update(id, |customer| customer.status = status);
    }
}

async fn error_response(sandbox: &Sandbox, error: ApiError) -> Response {
    sleep(sandbox.latency()).await;
    ApiResponse::from(error).into_response()
}

/// The id in `/v1/customers/{id}…`; nil where there is none, `None` where it is no UUID.
fn path_id(path: &str) -> Option<Uuid> {
    match path.split('/').nth(3) {
        Some(segment) => Uuid::parse_str(segment).ok(),
        None => Some(Uuid::nil()),
    }
}

async fn read_call(
    operation: Operation,
    caller: Caller,
    id: Option<Uuid>,
    request: Request,
) -> Result<ValidCall, ApiError> {
    // Assumed: what is no UUID is malformed, not unknown.
    let id = id.ok_or_else(|| ApiError::Malformed(vec![FieldProblem::at("id", "Must be a UUID.")]))?;
    let (parts, body) = request.into_parts();
    let idempotency_key = if operation.is_write() { idempotency_key(&parts.headers)? } else { None };
    if operation.takes_body() && !is_json(&parts.headers) {
        return Err(ApiError::UnsupportedMediaType);
    }
    let body = if operation.is_write() { read_body(body).await? } else { Bytes::new() };
    let path = parts.uri.path().to_owned();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    Ok(ValidCall { operation, caller, id, path, query, idempotency_key, body })
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    // A key that is no text is refused like one of the wrong length.
    let key = value.to_str().unwrap_or_default();
    idempotency::check(key)?;
    Ok(Some(key.to_owned()))
}

/// The three media types of the contract: `application/json`, `text/json`, `application/*+json`.
fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let suffixed = essence.starts_with("application/") && essence.ends_with("+json");
    suffixed || essence == "application/json" || essence == "text/json"
}

async fn read_body(body: Body) -> Result<Bytes, ApiError> {
    match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ApiError::TooLarge),
        Err(_) => Err(ApiError::Malformed(vec![FieldProblem::without_path("The body ended early.")])),
    }
}

/// Does the work under the store's lock; `then` sees what it came to before anybody else can.
fn perform(call: &ValidCall, store: &SharedStore, then: impl FnOnce(&OperationResult)) -> OperationResult {
    let may_unmask = call.caller.may_unmask;
    let input = OperationInput { id: call.id, query: &call.query, body: &call.body, may_unmask };
    let mut store = lock(store);
    let result = call.operation.perform(&mut store, &input);
    if let Some(key) = &call.idempotency_key {
        store.keys.settle(key, &result.response);
    }
    then(&result);
    result
}

async fn write(sandbox: Arc<Sandbox>, call: ValidCall) -> ApiResponse {
    let store = sandbox.store(call.caller.tenant);
    let half = sandbox.latency() / 2;
    if let Some(key) = &call.idempotency_key {
        let fingerprint = idempotency::fingerprint(call.operation.method().as_str(), &call.path, &call.body);
        let claim = lock(&store).keys.claim(key, fingerprint);
        let stored = match claim {
            Claim::First => None,
            Claim::Replay(response) => Some(response),
            Claim::Conflict(error) => Some(error.into()),
        };
        if let Some(response) = stored {
            sleep(half * 2).await;
            return response;
        }
    }
    sleep(half).await;
    let OperationResult { response, change } = perform(&call, &store, |result| {
        if let Some(change) = &result.change {
            sandbox.record_write(call.caller.tenant, change, Some(logged_write(&call, change, result.response.status)));
        }
    });
    if let Some(change) = change.filter(is_background) {
        tokio::spawn(settle_in_background(Arc::clone(&sandbox), call.caller, store, change.customer.id));
    }
    sleep(half).await;
    response
}

fn logged_write(call: &ValidCall, change: &Change, status: StatusCode) -> LoggedWrite {
    LoggedWrite {
        method: call.operation.method().to_string(),
        route: call.operation.path(),
        customer_id: change.customer.id,
        idempotency_key: call.idempotency_key.clone(),
        status: status.as_u16(),
    }
}

fn is_background(change: &Change) -> bool {
    let method = change.customer.configuration.processing_method;
    change.event == EventKind::Created && method == ProcessingMethod::Background
}

async fn settle_in_background(sandbox: Arc<Sandbox>, caller: Caller, store: SharedStore, id: Uuid) {
    let shutdown = sandbox.shutdown.clone();
    if shutdown.run_until_cancelled(sleep(BACKGROUND_SCREENING_TIME)).await.is_none() {
        return;
    }
    let mut store = lock(&store);
    if let Some(change) = settle(&mut store, id) {
        sandbox.record_write(caller.tenant, &change, None);
    }
}
