//! The playground: GraphiQL at `/graphiql`, and the files that the page loads. It is built from `playground/`.
//!
//! The page loads nothing from other hosts, and its Content-Security-Policy forbids it.

mod bundle;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use mime::Mime;
use uuid::Uuid;

use super::compression::ResponseCoding;
use super::request_id::RequestId;
use super::response;
use crate::app::PlaygroundInfo;
use crate::error::{ErrorCode, PublicError};
use bundle::Bundle;

/// The path of the page.
pub const PATH: &str = "/graphiql";

/// The state that the routes share.
struct PlaygroundPage {
    /// The HTML document. Each response replaces `{{nonce}}`.
    html: String,
    bundle: Bundle,
}

/// The routes of the page and of its files.
pub fn routes<S: Clone + Send + Sync + 'static>(playground: &PlaygroundInfo) -> Router<S> {
    let bundle = Bundle::embedded();
    let upstream = if playground.real_upstream { "real" } else { "sandbox" };
    let html =
        bundle.html().replace("{{upstream}}", upstream).replace("{{callers}}", &playground.auth_mode.to_string());
    Router::new()
        .route(PATH, get(serve_page))
        .route(&format!("{PATH}/{{*name}}"), get(serve_file))
        .with_state(Arc::new(PlaygroundPage { html, bundle }))
}

/// Whether `Accept` names HTML, as browsers do.
pub fn is_browser(headers: &HeaderMap) -> bool {
    let ranges = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    ranges
        .flat_map(|value| value.split(','))
        .filter_map(|range| range.trim().parse::<Mime>().ok())
        .any(|range| range.essence_str() == mime::TEXT_HTML)
}

/// Serves the page with a new nonce for the style elements that scripts create.
async fn serve_page(State(page): State<Arc<PlaygroundPage>>) -> Response {
    let nonce = Uuid::new_v4().simple().to_string();
    let html = page.html.replace("{{nonce}}", &nonce);
    let Ok(policy) = HeaderValue::from_str(&content_security_policy(&nonce)) else {
        tracing::error!("the playground's Content-Security-Policy is not a valid header");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, policy),
        // The nonce is for this response only.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (OPENER_POLICY, HeaderValue::from_static("same-origin")),
    ];
    (headers, html).into_response()
}

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// The policy of the page. It allows the listed kinds of content only, and only from this origin.
///
/// Style elements need the nonce. Style attributes are allowed, because the editor writes them into the markup of its
/// lines. They have no selectors and cannot load anything from other hosts. `data:` is for the small images in the style
/// sheets.
fn content_security_policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; font-src 'self'; \
         img-src 'self' data:; style-src 'self' 'nonce-{nonce}'; style-src-attr 'unsafe-inline'; \
         frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )
}

/// The policy of scripts that run as workers: they may load their other parts.
const FILE_CONTENT_SECURITY_POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; script-src 'self'; frame-ancestors 'none'");

/// Serves a file of the page.
async fn serve_file(
    State(page): State<Arc<PlaygroundPage>>,
    Extension(id): Extension<RequestId>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some(file) = page.bundle.file(&name) else { return response::not_found(&id) };
    // File names in this folder contain a hash of the content.
    let lifetime = if name.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let about = [
        (header::CACHE_CONTROL, HeaderValue::from_static(lifetime)),
        (header::CONTENT_SECURITY_POLICY, FILE_CONTENT_SECURITY_POLICY),
        (header::ETAG, file.etag.clone()),
        (header::VARY, HeaderValue::from_static("accept-encoding")),
    ];
    if matches_etag(&headers, &file.etag) {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    let Ok((body, encoding)) = file.encoded(ResponseCoding::negotiate(&headers)).await else {
        tracing::error!(file = name, "a playground file cannot be decompressed");
        return response::error(
            &PublicError::new(ErrorCode::InternalServerError, "The file cannot be decompressed."),
            &id,
        );
    };
    let mut response = (about, [(header::CONTENT_TYPE, file.media_type.clone())], body).into_response();
    if let Some(coding) = encoding.header_value() {
        response.headers_mut().insert(header::CONTENT_ENCODING, coding);
    }
    response
}

/// Whether the client already has the file (RFC 9110, section 13.1.2). The tags are weak and compared weakly.
fn matches_etag(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let tag = tag.to_str().map(opaque).unwrap_or_default();
    known.flat_map(|value| value.split(',')).any(|value| value.trim() == "*" || opaque(value) == tag)
}
