//! Protects users of browsers: pages of other sites cannot write, read responses, or put responses into frames.
//!
//! Requests of origins that the settings do not list are rejected by Fetch metadata and `Origin`. In addition the gateway
//! accepts JSON bodies only, which HTML forms cannot send. Wildcards are not supported, and browsers never send cookies or
//! other credentials of their own. A preflight that cannot pass is rejected with the setting that would allow it.

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

/// The request headers that pages of allowed origins may send: the ones that the gateway reads, and the ones that GraphQL
/// clients and tracing libraries add. `http.allowed_headers` adds more.
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
    // Apollo Client.
    "apollo-require-preflight",
    "apollographql-client-name",
    "apollographql-client-version",
    "x-apollo-operation-id",
    "x-apollo-operation-name",
    // W3C Trace Context and Baggage, and headers of tracing products.
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

/// The origins whose pages may send requests, and the headers that they may send.
#[derive(Clone, Debug)]
pub struct CrossOrigin {
    origins: Arc<AllowedOrigins>,
    headers: Arc<[HeaderName]>,
}

impl CrossOrigin {
    /// The allowed origins and the additional allowed headers of the settings.
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

    /// The error of a preflight that cannot pass.
    fn preflight_error(&self, headers: &HeaderMap) -> Option<PublicError> {
        if !self.allows_origin(headers) {
            return Some(cross_site_rejected());
        }
        let requested = headers.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS).iter();
        let requested =
            requested.filter_map(|names| names.to_str().ok()).flat_map(|names| names.split(',')).map(str::trim);
        let allowed = |name: &str| self.headers.iter().any(|allowed| name.eq_ignore_ascii_case(allowed.as_str()));
        let is_refused = requested.filter(|name| !name.is_empty()).any(|name| !allowed(name));
        is_refused.then(|| {
            let message = "The request uses a header that is not allowed. Add it to `http.allowed_headers`.";
            PublicError::new(ErrorCode::Forbidden, message).with_status(StatusCode::FORBIDDEN)
        })
    }
}

/// Marks requests of allowed origins as same-origin, so that the CSRF layer accepts them.
pub async fn mark_allowed_origin(State(rules): State<CrossOrigin>, mut request: Request, next: Next) -> Response {
    if rules.allows_origin(request.headers()) {
        request.headers_mut().insert("sec-fetch-site", HeaderValue::from_static("same-origin"));
    }
    next.run(request).await
}

/// Rejects preflights that cannot pass, and passes an OPTIONS that is not a preflight to the routes without CORS. The CORS
/// layer would accept both.
pub async fn check_options(
    State((rules, without_cors)): State<(CrossOrigin, Router)>,
    request: Request,
    next: Next,
) -> Response {
    if request.method() != Method::OPTIONS {
        return next.run(request).await;
    }
    if !request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
        let Ok(response) = without_cors.oneshot(request).await;
        return response;
    }
    match rules.preflight_error(request.headers()) {
        Some(failure) => error_response(&failure),
        None => next.run(request).await,
    }
}

/// The error of a request from another site.
pub fn cross_site_rejected() -> PublicError {
    let message = "Requests from other sites are rejected. Add the origin to `http.allowed_origins`.";
    PublicError::new(ErrorCode::Forbidden, message).with_status(StatusCode::FORBIDDEN)
}

/// The response to a request that the CSRF layer rejects.
pub fn rejection(_: ProtectionError) -> Response {
    error_response(&cross_site_rejected())
}

fn error_response(failure: &PublicError) -> Response {
    response::error(failure, &RequestId::new())
}

/// Adds the security headers of every response: no content sniffing, no frames, no referrer.
pub async fn security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        // For JSON. The playground has its own policy.
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
