//! Responses that are not GraphQL results. All are JSON; errors have the shape that GraphQL clients read.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use super::request_id::RequestId;
use crate::error::{ErrorCode, PublicError};
use crate::operation::GraphqlResponse;

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// A JSON response.
pub fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => with_body(status, JSON, body),
        Err(_) => {
            tracing::error!("a response could not be serialized as JSON");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A response with a JSON body and its media type.
pub fn with_body(status: StatusCode, media_type: HeaderValue, body: Vec<u8>) -> Response {
    let mut response = (status, body).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// An error response with the error's status, in the shape of GraphQL errors. Its extensions hold the request id.
pub fn error(failure: &PublicError, id: &RequestId) -> Response {
    let outcome = GraphqlResponse::request_error(&failure.clone().into(), id.as_str());
    let mut response = with_body(failure.http_status(), JSON, outcome.into_json());
    response.extensions_mut().insert(id.clone());
    with_error_headers(response, failure)
}

/// Adds the headers that an error needs: `Retry-After` and `WWW-Authenticate`.
pub fn with_error_headers(mut response: Response, failure: &PublicError) -> Response {
    if let Some(seconds) = failure.retry_after_seconds() {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    if response.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// A request that does not follow the rules of the protocol.
pub fn bad_request(message: &'static str) -> PublicError {
    PublicError::new(ErrorCode::BadRequest, message)
}

/// The response for an unknown route.
pub fn not_found(id: &RequestId) -> Response {
    error(&bad_request("No such path. GraphQL is served at /graphql.").with_status(StatusCode::NOT_FOUND), id)
}

/// The error after a panic. It does not contain the text of the panic, which could contain personal data.
pub fn internal_error() -> PublicError {
    PublicError::new(ErrorCode::InternalServerError, "Something went wrong in the gateway.")
}
