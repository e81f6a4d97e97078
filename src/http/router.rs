//! Every route in one table.

use std::sync::Arc;

use axum::Router;
use axum::extract::Extension;
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use http::{HeaderValue, Method, StatusCode, Uri, header};
use tower_http::catch_panic::CatchPanicLayer;

use super::middleware::RequestId;
use super::{answer, graphql, middleware, probes};
use crate::app::App;
use crate::error::{Code, Failure};

/// What callers reach.
pub fn public(app: Arc<App>) -> Router {
    let routes = Router::new().route("/", get(front_door)).route("/graphql", any(graphql::serve)).merge(probe_routes());
    finished(routes, app)
}

/// What the platform reaches.
pub fn admin(app: Arc<App>) -> Router {
    finished(probe_routes(), app)
}

fn probe_routes() -> Router<Arc<App>> {
    Router::new().route("/livez", get(probes::live)).route("/readyz", get(probes::ready))
}

fn finished(routes: Router<Arc<App>>, app: Arc<App>) -> Router {
    routes
        .fallback(unknown_route)
        .method_not_allowed_fallback(wrong_method)
        .with_state(app)
        // Inside the request's frame, so that a panic is answered with its request id and its line in the log.
        .layer(CatchPanicLayer::custom(middleware::answer_panic))
        .layer(from_fn(middleware::frame))
}

/// Says where things are.
async fn front_door() -> Response {
    let places = serde_json::json!({
        "service": "customers-gateway",
        "graphql": "/graphql",
        "try": "POST /graphql {\"query\": \"{ viewer { permissions } }\"}",
    });
    answer::json(StatusCode::OK, &places)
}

async fn unknown_route(Extension(id): Extension<RequestId>, _uri: Uri) -> Response {
    let failure = Failure::new(Code::BadRequest, "There is nothing here. GraphQL is at /graphql.");
    answer::failure(&failure.with_status(StatusCode::NOT_FOUND), &id)
}

async fn wrong_method(Extension(id): Extension<RequestId>, _method: Method) -> Response {
    let failure = Failure::new(Code::BadRequest, "This address takes GET only.");
    let mut response = answer::failure(&failure.with_status(StatusCode::METHOD_NOT_ALLOWED), &id).into_response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}
