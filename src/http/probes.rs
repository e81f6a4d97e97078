//! Probes for the platform: does the process live, and should it get requests.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::answer;
use crate::app::App;

/// 200 as long as the process answers at all.
pub async fn live() -> Response {
    answer::json(StatusCode::OK, &serde_json::json!({ "status": "ok" }))
}

/// 200, or 503 once the process is going down. The upstream's health does not count: it would take every instance out
/// of service at once, and with them the answers that the cache still has.
pub async fn ready(State(app): State<Arc<App>>) -> Response {
    if app.is_draining() {
        return answer::json(StatusCode::SERVICE_UNAVAILABLE, &serde_json::json!({ "status": "draining" }));
    }
    answer::json(StatusCode::OK, &serde_json::json!({ "status": "ok" }))
}
