//! The metrics in the text format of Prometheus. Only the admin listener serves them.

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use super::request_id::RequestId;
use super::response::{self, bad_request};
use crate::app::App;
use crate::error::{ErrorCode, PublicError};

/// The text format of Prometheus.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// `GET /metrics`.
pub async fn serve(State(app): State<Arc<App>>, Extension(id): Extension<RequestId>) -> Response {
    let Some(metrics) = app.metrics.clone() else {
        let failure = bad_request("This process records no metrics.");
        return response::error(&failure.with_status(StatusCode::NOT_FOUND), &id);
    };
    app.record_metrics().await;
    // Rendering reads files of `/proc` and formats some hundred kilobytes.
    match tokio::task::spawn_blocking(move || metrics.render()).await {
        Ok(text) => ([(header::CONTENT_TYPE, TEXT)], text).into_response(),
        Err(_panic) => {
            let failure = PublicError::new(ErrorCode::InternalServerError, "The metrics could not be written.");
            response::error(&failure, &id)
        }
    }
}
