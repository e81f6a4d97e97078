//! How large a request's head may be: the same over HTTP/1.1 and HTTP/2, with an answer and a line in the log.
//!
//! The server below takes twice as much, so that what is over the limit is refused here. What is over that as well is
//! refused by the server itself, without a body ([`crate::server`] counts it).

use std::sync::Arc;

use axum::extract::{Extension, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{StatusCode, header};
use tokio::time::Instant;

use super::request_log::{RequestId, SharedSummary};
use super::{body, response};
use crate::app::App;
use crate::error::{ErrorCode, PublicError};
use crate::telemetry::names;

/// How many headers a request may have.
pub const MAX_HEADERS: usize = 100;

/// Refuses a request whose head is over the limit.
pub async fn check_head(
    State(app): State<Arc<App>>,
    Extension(id): Extension<RequestId>,
    Extension(notes): Extension<SharedSummary>,
    request: Request,
    next: Next,
) -> Response {
    let limit = app.edge.server.max_header_bytes;
    let message = if request.headers().len() > MAX_HEADERS {
        format!("The request has more than {MAX_HEADERS} headers.")
    } else if head_bytes(&request) > limit {
        format!("The request's address and headers are over the limit `max_header_bytes` of {limit}.")
    } else {
        return next.run(request).await;
    };
    metrics::counter!(names::LIMITS_REACHED, "bound" => "max_header_bytes").increment(1);
    let failure = PublicError::new(ErrorCode::OperationTooLarge, message)
        .with_status(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    notes.update(|summary| summary.codes = vec![failure.code]);
    if !request.headers().contains_key(header::EXPECT) {
        tokio::spawn(body::drain(request.into_body(), Instant::now() + app.edge.server.deadline));
    }
    response::error(&failure, &id)
}

/// The bytes of the address, and of each header's name and value with what stands between them in HTTP/1.1.
fn head_bytes(request: &Request) -> usize {
    let address = request.uri().path_and_query().map_or(0, |address| address.as_str().len());
    let headers = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    address + headers.sum::<usize>()
}
