//! One API call from arrival to response: count, authenticate, match a fault, parse, perform, delay.
//!
//! A read takes its data first and then waits for the latency, so its response has the state from before the wait.
//! Tests of stale caches need this. A write waits half of the latency, takes effect, and waits the other half. A write
//! runs in its own task, so it completes even if the caller disconnects, as on the real service.

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

/// The maximum size of a request body.
const MAX_BODY_BYTES: usize = 256 * 1024;

/// How long a `background` screening takes.
const BACKGROUND_SCREENING_TIME: std::time::Duration = std::time::Duration::from_millis(300);

/// An API call whose headers and size are valid.
struct ValidCall {
    operation: Operation,
    caller: Caller,
    id: Uuid,
    path: String,
    query: String,
    idempotency_key: Option<String>,
    body: Bytes,
}

/// Handles one API call.
pub(crate) async fn handle(sandbox: Arc<Sandbox>, operation: Operation, request: Request) -> Response {
    sandbox.count_call(operation);
    let connection = request.extensions().get::<Connection>().cloned();
    let id = path_id(request.uri().path());
    let caller = match tenant::caller(request.headers()) {
        Ok(caller) => caller,
        Err(error) => return error_response(&sandbox, error).await,
    };
    // After authentication, so that a call without a key does not use up a fault.
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
        // Its own task: see the module's documentation. It always ends, because it waits only for the latency.
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

/// Sets the status of the call's customer when the fault has a `set_status`.
fn set_status(sandbox: &Sandbox, caller: Caller, id: Option<Uuid>, fault: TriggeredFault) {
    if let (Some(id), Some(status)) = (id, fault.set_status) {
        // A customer that does not exist is ignored.
        let _changed = lock(&sandbox.store(caller.tenant)).update(id, |customer| customer.status = status);
    }
}

async fn error_response(sandbox: &Sandbox, error: ApiError) -> Response {
    sleep(sandbox.latency()).await;
    ApiResponse::from(error).into_response()
}

/// The id in `/v1/customers/{id}…`; nil for a path without an id, `None` for an id that is not a UUID.
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
    // Assumed: an id that is not a UUID is malformed (400), not unknown (404).
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
    // A key that is not text gets the same error as a key of the wrong length.
    let key = value.to_str().unwrap_or_default();
    idempotency::check(key)?;
    Ok(Some(key.to_owned()))
}

/// The media types of the contract: `application/json`, `text/json`, `application/*+json`.
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

/// Performs the operation under the store's lock. `then` sees the result before the lock is released.
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
