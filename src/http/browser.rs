//! What protects people at browsers: other sites cannot make a browser write here, read answers, or frame them.
//!
//! Requests of other origins are refused unless the settings list the origin, by Fetch metadata and `Origin`. That comes
//! on top of taking JSON only, which a form cannot send. Origins are compared to the letter; there are no wildcards, and
//! no cookies or other credentials of the browser's own are ever asked for.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::csrf::ProtectionError;

use super::answer;
use super::middleware::RequestId;
use super::patience;
use crate::auth::Origins;
use crate::error::{Code, Failure};

/// Routes with what protects browsers around them.
pub fn protected(routes: Router, origins: &Origins) -> Router {
    let refuse = origins.layer().clone().with_rejection_response(|_: ProtectionError| refusal());
    let routes = routes.layer(refuse);
    if origins.allowed().is_empty() {
        return routes;
    }
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins.allowed().iter().cloned()))
        .allow_methods([Method::GET, Method::POST, Method::QUERY])
        .allow_headers([
            header::ACCEPT,
            header::AUTHORIZATION,
            header::CACHE_CONTROL,
            header::CONTENT_TYPE,
            HeaderName::from_static("gateway-report-upstream"),
            HeaderName::from_static(patience::REQUEST_TIMEOUT),
            HeaderName::from_static("straddle-account-id"),
        ])
        .expose_headers([
            header::AGE,
            header::RETRY_AFTER,
            header::WARNING,
            HeaderName::from_static("request-id"),
            HeaderName::from_static("server-timing"),
        ])
        .max_age(Duration::from_secs(600));
    routes.layer(cors)
}

/// What a request of another site is told.
pub fn foreign() -> Failure {
    let message = "Requests from another site are refused: list its origin in `http.allowed_origins`.";
    Failure::new(Code::Forbidden, message).with_status(StatusCode::FORBIDDEN)
}

fn refusal() -> Response<Body> {
    answer::failure(&foreign(), &RequestId::new())
}

/// Headers that every answer has: it is not sniffed, framed, or told to the next site.
pub async fn headers(request: Request, next: Next) -> Response {
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
