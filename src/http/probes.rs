//! Probes for the platform: liveness and readiness.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::response;
use crate::app::App;

/// Liveness: 200 as long as the process responds.
pub async fn live() -> Response {
    response::json(StatusCode::OK, &serde_json::json!({ "status": "ok" }))
}

/// Readiness: 200, or 503 once the process is draining. The upstream's health does not count: an upstream failure would
/// take all instances out of service at once, including their cached responses.
pub async fn ready(State(app): State<Arc<App>>) -> Response {
    let (status, word) = readiness(&app);
    response::json(status, &serde_json::json!({ "status": word }))
}

/// Readiness with the state of the upstream, the keys and the audit, for operators on the admin listener.
pub async fn ready_detailed(State(app): State<Arc<App>>) -> Response {
    let (status, word) = readiness(&app);
    let health = &app.services.upstream.health;
    let (failures, breaker) = (health.consecutive_failures(), health.breaker_state());
    let upstream = serde_json::json!({
        "status": if failures < FAILING_AFTER_CALLS && breaker == "closed" { "ok" } else { "failing" },
        "failuresInARow": failures,
        "breaker": breaker,
    });
    let keys = app.authenticator.key_age().map(|age| serde_json::json!({ "ageSeconds": age.as_secs() }));
    let audit = serde_json::json!({ "missingRecords": app.services.audit.missing_records() });
    let body = serde_json::json!({ "status": word, "upstream": upstream, "keys": keys, "audit": audit });
    response::json(status, &body)
}

/// So many failed calls in a row are a failing upstream. A single call can fail by chance.
const FAILING_AFTER_CALLS: u32 = 3;

fn readiness(app: &App) -> (StatusCode, &'static str) {
    if app.is_draining() { (StatusCode::SERVICE_UNAVAILABLE, "draining") } else { (StatusCode::OK, "ok") }
}
