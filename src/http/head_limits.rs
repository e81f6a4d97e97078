//! Limits the size of a request's head, equally for HTTP/1.1 and HTTP/2. A rejected request gets a response and a log line.
//!
//! The HTTP server accepts heads of twice the limit, so that this module can reject most of the larger ones. The server
//! rejects even larger heads itself, without a body ([`crate::server`] counts them).

use std::sync::Arc;

use axum::extract::{Extension, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{StatusCode, header};
use tokio::time::Instant;

use super::request_id::RequestId;
use super::request_log::SharedSummary;
use super::{body, response};
use crate::app::App;
use crate::error::{ErrorCode, PublicError};
use crate::telemetry::names;

/// The most headers of a request.
pub const MAX_HEADERS: usize = 100;

/// Rejects a request whose head exceeds a limit.
pub async fn check_head(
    State(app): State<Arc<App>>,
    Extension(id): Extension<RequestId>,
    Extension(summary): Extension<SharedSummary>,
    request: Request,
    next: Next,
) -> Response {
    let limit = app.edge.server.max_header_bytes;
    let message = if request.headers().len() > MAX_HEADERS {
        format!("The request has more than {MAX_HEADERS} headers.")
    } else if head_bytes(&request) > limit {
        format!("The request's path and headers exceed the limit `max_header_bytes` of {limit}.")
    } else {
        return next.run(request).await;
    };
    metrics::counter!(names::LIMITS_REACHED, "limit" => "max_header_bytes").increment(1);
    let failure = PublicError::new(ErrorCode::OperationTooLarge, message)
        .with_status(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    summary.update(|summary| summary.codes = vec![failure.code]);
    if !request.headers().contains_key(header::EXPECT) {
        tokio::spawn(body::drain(request.into_body(), Instant::now() + app.edge.server.deadline));
    }
    response::error(&failure, &id)
}

/// The bytes of the path, the query and the header lines, as HTTP/1.1 writes them.
fn head_bytes(request: &Request) -> usize {
    let address = request.uri().path_and_query().map_or(0, |address| address.as_str().len());
    let headers = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    address + headers.sum::<usize>()
}
