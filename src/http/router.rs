//! Every route in one table.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, State};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{any, get};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::browser::CrossOrigin;
use super::middleware::RequestId;
use super::{answer, browser, graphql, head_limits, metrics, middleware, playground, probes};
use crate::app::App;
use crate::error::{Code, Failure};

/// What callers reach.
pub fn public(app: Arc<App>) -> Router {
    let routes = Router::new().route("/", get(front_door)).route("/graphql", any(graphql::serve)).merge(probe_routes());
    let routes = match &app.playground {
        Some(playground) => routes.merge(playground::routes(playground)),
        None => routes,
    };
    let routes = answering_everything(routes).with_state(Arc::clone(&app));
    framed(browser::protected(routes, CrossOrigin::new(&app.origins, &app.allowed_headers)), app)
}

/// What the platform and the people on call reach: to look, never to change.
pub fn admin(app: Arc<App>) -> Router {
    let routes = Router::new()
        .route("/livez", get(probes::live))
        .route("/readyz", get(probes::ready_in_full))
        .route("/metrics", get(metrics::show));
    framed(answering_everything(routes).with_state(Arc::clone(&app)), app)
}

fn probe_routes() -> Router<Arc<App>> {
    Router::new().route("/livez", get(probes::live)).route("/readyz", get(probes::ready))
}

fn answering_everything(routes: Router<Arc<App>>) -> Router<Arc<App>> {
    routes.fallback(unknown_route).method_not_allowed_fallback(wrong_method)
}

fn framed(routes: Router, app: Arc<App>) -> Router {
    routes
        .layer(from_fn_with_state(Arc::clone(&app), head_limits::check))
        .layer(from_fn(browser::headers))
        .layer(from_fn_with_state(app, middleware::frame))
}

/// Says where things are; a browser is led to the playground.
async fn front_door(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
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
        answer::json(StatusCode::OK, &places)
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    response
}

/// Says that there is nothing.
pub async fn unknown_route(Extension(id): Extension<RequestId>) -> Response {
    let failure = Failure::new(Code::BadRequest, "There is nothing here. GraphQL is at /graphql.");
    answer::failure(&failure.with_status(StatusCode::NOT_FOUND), &id)
}

async fn wrong_method(Extension(id): Extension<RequestId>, _method: Method) -> Response {
    let failure = Failure::new(Code::BadRequest, "This address takes GET only.");
    let mut response = answer::failure(&failure.with_status(StatusCode::METHOD_NOT_ALLOWED), &id).into_response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}
