//! The route table: the nine operations of the API, and the control API.
//!
//! A method that a route does not have is a 405. An unknown path of the API is an HTML page (seen); an unknown path of
//! the control API is a JSON error.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::Uri;
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, get, on, post, put};
use http::Method;

use super::call::handle;
use super::control;
use super::operation::Operation;
use super::response;
use super::state::Sandbox;

/// All routes of the sandbox.
pub(crate) fn router(sandbox: Arc<Sandbox>) -> Router {
    let control_api = Router::new()
        .route("/_sandbox/calls", get(control::calls).delete(control::reset_calls))
        .route("/_sandbox/writes", get(control::writes))
        .route("/_sandbox/latency", put(control::set_latency))
        .route("/_sandbox/faults", get(control::faults).post(control::add_fault).delete(control::clear_faults))
        .route("/_sandbox/customers", post(control::add_customers))
        .route("/_sandbox/customers/{id}", put(control::change_customer))
        .route("/_sandbox/webhook", put(control::set_webhook).delete(control::unset_webhook))
        .route("/_sandbox/reset", post(control::reset))
        .layer(DefaultBodyLimit::max(64 * 1024));
    let api = Operation::ALL.into_iter().fold(Router::new(), |router, operation| {
        // axum merges the methods of one path.
        router.route(operation.path(), method_router(operation))
    });
    api.merge(control_api).fallback(unknown_path).with_state(sandbox)
}

fn method_router(operation: Operation) -> MethodRouter<Arc<Sandbox>> {
    let handler = move |State(sandbox): State<Arc<Sandbox>>, request: Request| handle(sandbox, operation, request);
    let filter = match operation.method() {
        Method::POST => MethodFilter::POST,
        Method::PUT => MethodFilter::PUT,
        Method::PATCH => MethodFilter::PATCH,
        Method::DELETE => MethodFilter::DELETE,
        _ => MethodFilter::GET,
    };
    on(filter, handler)
}

async fn unknown_path(uri: Uri) -> Response {
    if uri.path().starts_with("/_sandbox") {
        return control::unknown_route();
    }
    response::unknown_route()
}
