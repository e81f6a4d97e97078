//! What frames every request: an id, headers that are always there, one line in the log.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::FutureExt;
use http::{HeaderName, HeaderValue, header};
use tracing::info;
use uuid::Uuid;

use super::answer;
use crate::error::{Code, Failure};

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// The id of a request. It is always ours: what a caller sends as one could be anything, and it goes into logs.
#[derive(Clone, Debug)]
pub struct RequestId(String);

impl RequestId {
    /// A new one.
    #[expect(clippy::new_without_default, reason = "each is another one")]
    pub fn new() -> Self {
        Self(Uuid::now_v7().to_string())
    }

    /// As it stands in headers, errors and logs.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a handler knows of its request that belongs into the log's line. It rides on the response.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// `query` or `mutation`.
    pub operation: Option<&'static str>,
    /// The codes of the answer's errors.
    pub codes: String,
    /// How many calls to the upstream were made for it.
    pub upstream_calls: u64,
}

/// Gives a request its id, its answer the headers that are always there, and the log its line.
pub async fn frame(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = RequestId::new();
    let method = request.method().clone();
    // The route and not the path: a path or query can hold anything.
    let route = request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str).to_owned();
    request.extensions_mut().insert(id.clone());
    // A panic is answered here, so that it has its request's id and its line in the log. Nothing is shared with what
    // broke but what is whole at any time: atomics, caches, locks that are not held across code of ours.
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let mut response = answered.unwrap_or_else(|_panic| answer::failure(&broken(), &id));
    // What is answered where the request cannot be seen any more has made an id of its own.
    let id = response.extensions().get::<RequestId>().cloned().unwrap_or(id);
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        headers.insert(REQUEST_ID, value);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    let summary = response.extensions().get::<Summary>().cloned().unwrap_or_default();
    info!(
        request_id = id.as_str(),
        method = known(&method),
        route,
        status = response.status().as_u16(),
        operation = summary.operation,
        codes = Some(summary.codes).filter(|codes| !codes.is_empty()),
        upstream_calls = summary.upstream_calls,
        duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        "request"
    );
    response
}

/// A method's name where it is one of HTTP's own; a caller can make up any other.
fn known(method: &http::Method) -> &str {
    match method.as_str() {
        name @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS" | "TRACE" | "CONNECT") => name,
        _ => "other",
    }
}

/// What is told where handling a request broke. The panic's own text is not looked at: it could hold anything.
fn broken() -> Failure {
    Failure::new(Code::InternalServerError, "Something went wrong in the gateway.")
}
