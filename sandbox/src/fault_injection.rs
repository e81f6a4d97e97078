//! Applies a fault to a response on the wire.

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, StatusCode, header};
use tokio::time::sleep;

use super::fault::FaultKind;
use super::response::{ApiError, ApiResponse, JSON};
use super::server::Connection;
use super::state::Sandbox;

/// The number of chunks of a slow body.
const CHUNKS: u32 = 20;

/// The delay between the first half of a body and the reset, which could otherwise overtake it.
const RESET_DELAY: Duration = Duration::from_millis(20);

/// Returns the faulty response. `response` is `None` where the fault replaced the operation.
pub(crate) async fn apply(
    sandbox: &Sandbox,
    connection: Option<Connection>,
    kind: FaultKind,
    response: Option<ApiResponse>,
) -> Response {
    match kind {
        FaultKind::Status(status, retry_after) => {
            // An injected 401 has no body either; see `ApiResponse`.
            let error = match status {
                StatusCode::UNAUTHORIZED => ApiError::Unauthenticated,
                StatusCode::FORBIDDEN => ApiError::Forbidden,
                StatusCode::NOT_FOUND => ApiError::NotFound,
                status => ApiError::InjectedFault(status),
            };
            ApiResponse { retry_after, ..ApiResponse::from(error) }.into_response()
        }
        FaultKind::Hang => {
            sandbox.shutdown.cancelled().await;
            ApiResponse::from(ApiError::InjectedFault(StatusCode::SERVICE_UNAVAILABLE)).into_response()
        }
        FaultKind::Garbage => {
            let mut response = Response::new(Body::from("<<<{\"data\": [nothing that\0 parses"));
            response.headers_mut().insert(header::CONTENT_TYPE, JSON);
            response
        }
        FaultKind::NoFault => match response {
            Some(response) => response.into_response(),
            None => reset(connection).await,
        },
        FaultKind::ResetBeforeHeaders => reset(connection).await,
        FaultKind::ResetMidBody => match response {
            Some(response) => reset_mid_body(connection, response),
            None => reset(connection).await,
        },
        FaultKind::SlowBody(time) => match response {
            Some(response) => slow_body(time, response),
            None => reset(connection).await,
        },
    }
}

/// Resets the connection and never returns: the connection's task drops this future.
async fn reset<T>(connection: Option<Connection>) -> T {
    if let Some(connection) = connection {
        connection.reset();
    }
    pending().await
}

/// Announces the full length, sends half of the body, then resets the connection.
fn reset_mid_body(connection: Option<Connection>, response: ApiResponse) -> Response {
    let full = response.body.clone();
    let half = full.slice(..full.len() / 2);
    let state = (Some(half), connection);
    let body = stream::unfold(state, |(half, connection)| async {
        match half {
            Some(half) => Some((Ok::<_, Infallible>(half), (None, connection))),
            None => {
                sleep(RESET_DELAY).await;
                reset(connection).await
            }
        }
    });
    with_content_length(response, full.len(), Body::from_stream(body))
}

/// Sends the body in equal chunks over about `time`.
fn slow_body(time: Duration, response: ApiResponse) -> Response {
    let full = response.body.clone();
    let length = full.len();
    let chunk_size = length.div_ceil(CHUNKS as usize).max(1);
    let body = stream::unfold(full, move |mut rest: Bytes| async move {
        if rest.is_empty() {
            return None;
        }
        sleep(time / CHUNKS).await;
        let chunk = rest.split_to(chunk_size.min(rest.len()));
        Some((Ok::<_, Infallible>(chunk), rest))
    });
    with_content_length(response, length, Body::from_stream(body))
}

fn with_content_length(response: ApiResponse, length: usize, body: Body) -> Response {
    let mut response = response.into_response_with(body);
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    response
}
