//! Probes for the platform: does the process live, and should it get requests.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::response;
use crate::app::App;

/// 200 as long as the process answers at all.
pub async fn live() -> Response {
    response::json(StatusCode::OK, &serde_json::json!({ "status": "ok" }))
}

/// 200, or 503 once the process is going down. The upstream's health does not count: it would take every instance out
/// of service at once, and with them the answers that the cache still has.
pub async fn ready(State(app): State<Arc<App>>) -> Response {
    let (status, word) = readiness(&app);
    response::json(status, &serde_json::json!({ "status": word }))
}

/// The same, and how what the gateway needs is doing: for whoever is on call, and not for callers.
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

/// One call can fail; so many one after the other do not by chance.
const FAILING_AFTER_CALLS: u32 = 3;

fn readiness(app: &App) -> (StatusCode, &'static str) {
    if app.is_draining() { (StatusCode::SERVICE_UNAVAILABLE, "draining") } else { (StatusCode::OK, "ok") }
}
