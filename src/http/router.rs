//! Every route in one table.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, State};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{any, get};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::cross_origin::CrossOrigin;
use super::request_id::RequestId;
use super::response::bad_request;
use super::{cross_origin, graphql, head_limits, metrics, playground, probes, request_log, response};
use crate::app::App;

/// What callers reach.
pub fn public(app: Arc<App>) -> Router {
    let routes = Router::new().route("/", get(index)).route("/graphql", any(graphql::handle)).merge(probe_routes());
    let routes = match &app.playground {
        Some(playground) => routes.merge(playground::routes(playground)),
        None => routes,
    };
    let routes = with_fallbacks(routes).with_state(Arc::clone(&app));
    with_common_layers(
        cross_origin::with_cross_origin_rules(routes, CrossOrigin::new(&app.origins, &app.allowed_headers)),
        app,
    )
}

/// What the platform and the people on call reach: to look, never to change.
pub fn admin(app: Arc<App>) -> Router {
    let routes = Router::new()
        .route("/livez", get(probes::live))
        .route("/readyz", get(probes::ready_detailed))
        .route("/metrics", get(metrics::serve));
    with_common_layers(with_fallbacks(routes).with_state(Arc::clone(&app)), app)
}

fn probe_routes() -> Router<Arc<App>> {
    Router::new().route("/livez", get(probes::live)).route("/readyz", get(probes::ready))
}

fn with_fallbacks(routes: Router<Arc<App>>) -> Router<Arc<App>> {
    routes.fallback(not_found).method_not_allowed_fallback(method_not_allowed)
}

fn with_common_layers(routes: Router, app: Arc<App>) -> Router {
    routes
        .layer(from_fn_with_state(Arc::clone(&app), head_limits::check_head))
        .layer(from_fn(cross_origin::security_headers))
        .layer(from_fn_with_state(app, request_log::log_requests))
}

/// Says where things are; a browser is led to the playground.
async fn index(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let playground = app.playground.map(|_| playground::PATH);
    let mut response = if playground.is_some() && playground::is_browser(&headers) {
        Redirect::to(playground::PATH).into_response()
    } else {
        let places = serde_json::json!({
            "service": "customers-gateway",
            "graphql": "/graphql",
            "playground": playground,
            "try": "POST /graphql {\"query\": \"{ viewer { permissions } }\"}",
        });
        response::json(StatusCode::OK, &places)
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    response
}

async fn not_found(Extension(id): Extension<RequestId>) -> Response {
    response::not_found(&id)
}

async fn method_not_allowed(Extension(id): Extension<RequestId>, _method: Method) -> Response {
    let failure = bad_request("This address takes GET only.");
    let mut response = response::error(&failure.with_status(StatusCode::METHOD_NOT_ALLOWED), &id).into_response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}
