//! All routes, and the layers around them with their order.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, State};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{any, get};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use tower_http::csrf::CsrfLayer;

use super::cross_origin::CrossOrigin;
use super::request_id::RequestId;
use super::response::bad_request;
use super::{cross_origin, graphql, head_limits, metrics, playground, probes, request_log, response};
use crate::app::App;

/// The routes for callers.
pub fn public(app: Arc<App>) -> Router {
    let routes = Router::new()
        .route("/", get(index))
        .route("/graphql", any(graphql::handle))
        .route("/livez", get(probes::live))
        .route("/readyz", get(probes::ready));
    let routes = match &app.playground {
        Some(playground) => routes.merge(playground::routes(playground)),
        None => routes,
    };
    let cross_origin = CrossOrigin::new(&app.origins, &app.allowed_headers);
    with_layers(routes, app, Some(cross_origin))
}

/// The routes for the platform and for operators. None of them changes anything.
pub fn admin(app: Arc<App>) -> Router {
    let routes = Router::new()
        .route("/livez", get(probes::live))
        .route("/readyz", get(probes::ready_detailed))
        .route("/metrics", get(metrics::serve));
    with_layers(routes, app, None)
}

/// Adds the fallbacks and all layers. The last layer is the outermost one: a request passes the layers from the last to
/// the first, its response passes them from the first to the last.
fn with_layers(routes: Router<Arc<App>>, app: Arc<App>, cross_origin: Option<CrossOrigin>) -> Router {
    let routes =
        routes.fallback(not_found).method_not_allowed_fallback(method_not_allowed).with_state(Arc::clone(&app));
    let routes = match cross_origin {
        // No page calls the admin routes.
        None => routes,
        Some(rules) => {
            let routes = routes
                // Rejects requests of other sites by `Sec-Fetch-Site` and `Origin`, except safe methods.
                .layer(CsrfLayer::new().with_rejection_response(cross_origin::rejection))
                // Around the CSRF layer, which does not know the settings: marks requests of allowed origins as same-origin.
                .layer(from_fn_with_state(rules.clone(), cross_origin::mark_allowed_origin));
            let without_cors = routes.clone();
            // Adds the CORS headers for allowed origins. It treats each OPTIONS as a preflight and accepts it.
            let routes = if rules.allows_no_origin() { routes } else { routes.layer(rules.cors_layer()) };
            // Around CORS: rejects preflights that cannot pass, with the setting that would allow them. An OPTIONS that is
            // not a preflight skips CORS.
            routes.layer(from_fn_with_state((rules, without_cors), cross_origin::check_options))
        }
    };
    routes
        // Around all layers that read headers, so that they read small ones only.
        .layer(from_fn_with_state(Arc::clone(&app), head_limits::check_head))
        // Around all layers that reject requests, so that rejections have these headers, too.
        .layer(from_fn(cross_origin::security_headers))
        // Outermost: the layers inside use the request id, and each of their responses and panics is logged.
        .layer(from_fn_with_state(app, request_log::log_requests))
}

/// Lists the paths, and redirects browsers to the playground.
async fn index(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let playground = app.playground.map(|_| playground::PATH);
    let mut response = if playground.is_some() && playground::is_browser(&headers) {
        Redirect::to(playground::PATH).into_response()
    } else {
        let paths = serde_json::json!({
            "service": "customers-gateway",
            "graphql": "/graphql",
            "playground": playground,
            "try": "POST /graphql {\"query\": \"{ viewer { permissions } }\"}",
        });
        response::json(StatusCode::OK, &paths)
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    response
}

async fn not_found(Extension(id): Extension<RequestId>) -> Response {
    response::not_found(&id)
}

async fn method_not_allowed(Extension(id): Extension<RequestId>, _method: Method) -> Response {
    let failure = bad_request("This path accepts GET only.");
    let mut response = response::error(&failure.with_status(StatusCode::METHOD_NOT_ALLOWED), &id).into_response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}
