//! How a fault looks on the wire.

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, StatusCode, header};
use tokio::time::sleep;

use super::answer::{Answer, JSON, Refusal};
use super::fault::Kind;
use super::server::Connection;
use super::state::Sandbox;

/// How many drops a slow body comes in.
const DROPS: u32 = 20;

/// How long the first half of a body has to reach the caller before the reset, which may overtake it.
const HEAD_START: Duration = Duration::from_millis(20);

/// Spoils the answer, or gives one that is spoilt where the work was not done.
pub async fn inflict(
    sandbox: &Sandbox,
    connection: Option<Connection>,
    kind: Kind,
    answer: Option<Answer>,
) -> Response {
    match kind {
        Kind::Status(status, retry_after) => {
            // A 401 has no body here either; see `Answer`.
            let refusal = match status {
                StatusCode::UNAUTHORIZED => Refusal::Unauthenticated,
                StatusCode::FORBIDDEN => Refusal::Forbidden,
                StatusCode::NOT_FOUND => Refusal::NotFound,
                status => Refusal::Fault(status),
            };
            Answer { retry_after, ..Answer::from(refusal) }.into_response()
        }
        Kind::Hang => {
            sandbox.shutdown.cancelled().await;
            Answer::from(Refusal::Fault(StatusCode::SERVICE_UNAVAILABLE)).into_response()
        }
        Kind::Garbage => {
            let mut response = Response::new(Body::from("<<<{\"data\": [nothing that\0 parses"));
            response.headers_mut().insert(header::CONTENT_TYPE, JSON);
            response
        }
        Kind::Nothing => match answer {
            Some(answer) => answer.into_response(),
            None => reset(connection).await,
        },
        Kind::ResetBeforeHeaders => reset(connection).await,
        Kind::ResetMidBody => match answer {
            Some(answer) => cut(connection, answer),
            None => reset(connection).await,
        },
        Kind::SlowBody(time) => match answer {
            Some(answer) => slow(time, answer),
            None => reset(connection).await,
        },
    }
}

/// Resets the connection; its task drops this future with it.
async fn reset<T>(connection: Option<Connection>) -> T {
    if let Some(connection) = connection {
        connection.cut();
    }
    pending().await
}

/// The headers promise the whole body, half of it comes, then the connection is reset.
fn cut(connection: Option<Connection>, answer: Answer) -> Response {
    let whole = answer.body.clone();
    let half = whole.slice(..whole.len() / 2);
    let state = (Some(half), connection);
    let body = stream::unfold(state, |(half, connection)| async {
        match half {
            Some(half) => Some((Ok::<_, Infallible>(half), (None, connection))),
            None => {
                sleep(HEAD_START).await;
                reset(connection).await
            }
        }
    });
    promise(answer, whole.len(), Body::from_stream(body))
}

/// The body in drops over about the time.
fn slow(time: Duration, answer: Answer) -> Response {
    let whole = answer.body.clone();
    let length = whole.len();
    let drop_size = length.div_ceil(DROPS as usize).max(1);
    let body = stream::unfold(whole, move |mut rest: Bytes| async move {
        if rest.is_empty() {
            return None;
        }
        sleep(time / DROPS).await;
        let drop = rest.split_to(drop_size.min(rest.len()));
        Some((Ok::<_, Infallible>(drop), rest))
    });
    promise(answer, length, Body::from_stream(body))
}

fn promise(answer: Answer, length: usize, body: Body) -> Response {
    let mut response = answer.into_response_with(body);
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    response
}
