//! What protects people at browsers: other sites cannot make a browser write here, read answers, or frame them.
//!
//! Requests of other origins are refused unless the settings list the origin, by Fetch metadata and `Origin`. That comes
//! on top of taking JSON only, which a form cannot send. There are no wildcards, and no cookies or other credentials of
//! the browser's own are ever asked for. A preflight that cannot pass is refused with the setting that would let it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use tower::ServiceExt;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::csrf::ProtectionError;

use super::request_id::RequestId;
use super::request_timeout;
use super::response;
use crate::auth::AllowedOrigins;
use crate::error::{ErrorCode, PublicError};

/// The request headers that pages of listed origins may send: what the gateway reads, and what GraphQL clients and tracing
/// add by themselves. `http.allowed_headers` adds more.
const ALLOWED_HEADERS: [&str; 27] = [
    "accept",
    "authorization",
    "cache-control",
    "content-encoding",
    "content-type",
    "gateway-report-upstream",
    "pragma",
    request_timeout::REQUEST_TIMEOUT,
    "straddle-account-id",
    // Apollo's clients.
    "apollo-require-preflight",
    "apollographql-client-name",
    "apollographql-client-version",
    "x-apollo-operation-id",
    "x-apollo-operation-name",
    // W3C Trace Context and Baggage, and the headers of those that had their own before.
    "baggage",
    "b3",
    "sentry-trace",
    "traceparent",
    "tracestate",
    "x-correlation-id",
    "x-request-id",
    "newrelic",
    "x-datadog-origin",
    "x-datadog-parent-id",
    "x-datadog-sampling-priority",
    "x-datadog-tags",
    "x-datadog-trace-id",
];

/// Which pages may ask, and with which headers.
#[derive(Clone, Debug)]
pub struct CrossOrigin {
    origins: Arc<AllowedOrigins>,
    headers: Arc<[HeaderName]>,
}

impl CrossOrigin {
    /// The origins of the settings, and the headers that they allow besides those that are always allowed.
    pub fn new(origins: &AllowedOrigins, headers: &[HeaderName]) -> Self {
        let always = ALLOWED_HEADERS.into_iter().map(HeaderName::from_static);
        Self { origins: Arc::new(origins.clone()), headers: always.chain(headers.iter().cloned()).collect() }
    }

    /// Whether the settings list no origin.
    pub fn allows_no_origin(&self) -> bool {
        self.origins.is_empty()
    }

    /// The layer that adds the CORS headers to responses.
    pub fn cors_layer(&self) -> CorsLayer {
        let origins = Arc::clone(&self.origins);
        CorsLayer::new()
            .allow_origin(AllowOrigin::predicate(move |origin, _| origins.allows(origin)))
            .allow_methods([Method::GET, Method::POST, Method::QUERY])
            .allow_headers(self.headers.to_vec())
            .expose_headers([
                header::AGE,
                header::RETRY_AFTER,
                header::WARNING,
                HeaderName::from_static("request-id"),
                HeaderName::from_static("server-timing"),
            ])
            .max_age(Duration::from_secs(600))
    }

    fn allows_origin(&self, headers: &HeaderMap) -> bool {
        headers.get(header::ORIGIN).is_some_and(|origin| self.origins.allows(origin))
    }

    /// Why a preflight cannot pass.
    fn preflight_error(&self, headers: &HeaderMap) -> Option<PublicError> {
        if !self.allows_origin(headers) {
            return Some(cross_site_rejected());
        }
        let asked = headers.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS).iter();
        let asked = asked.filter_map(|names| names.to_str().ok()).flat_map(|names| names.split(',')).map(str::trim);
        let allowed = |name: &str| self.headers.iter().any(|allowed| name.eq_ignore_ascii_case(allowed.as_str()));
        let refused = asked.filter(|name| !name.is_empty()).any(|name| !allowed(name));
        refused.then(|| {
            let message = "The page asks for a header that is not allowed: list it in `http.allowed_headers`.";
            PublicError::new(ErrorCode::Forbidden, message).with_status(StatusCode::FORBIDDEN)
        })
    }
}

/// A page of a listed origin counts as one of our own, for the layer that refuses all others.
pub async fn mark_allowed_origin(State(allowed): State<CrossOrigin>, mut request: Request, next: Next) -> Response {
    if allowed.allows_origin(request.headers()) {
        request.headers_mut().insert("sec-fetch-site", HeaderValue::from_static("same-origin"));
    }
    next.run(request).await
}

/// The layer for cross-origin requests takes every OPTIONS for a preflight that passes. One that does not is refused, and
/// one that is none goes to the routes.
pub async fn check_options(
    State((allowed, bare)): State<(CrossOrigin, Router)>,
    request: Request,
    next: Next,
) -> Response {
    if request.method() != Method::OPTIONS {
        return next.run(request).await;
    }
    if !request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
        let Ok(answered) = bare.oneshot(request).await;
        return answered;
    }
    match allowed.preflight_error(request.headers()) {
        Some(failure) => error_response(&failure),
        None => next.run(request).await,
    }
}

/// What a request of another site is told.
pub fn cross_site_rejected() -> PublicError {
    let message = "Requests from another site are refused: list its origin in `http.allowed_origins`.";
    PublicError::new(ErrorCode::Forbidden, message).with_status(StatusCode::FORBIDDEN)
}

/// The response to a request that the CSRF layer rejects.
pub fn rejection(_: ProtectionError) -> Response {
    error_response(&cross_site_rejected())
}

fn error_response(failure: &PublicError) -> Response {
    response::error(failure, &RequestId::new())
}

/// Headers that every answer has: it is not sniffed, framed, or told to the next site.
pub async fn security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        // For JSON; a page brings one of its own.
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
