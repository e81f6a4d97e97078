//! GraphQL over HTTP: GET, POST and QUERY, media types, statuses, and the limit on bodies.
//!
//! It follows the GraphQL-over-HTTP specification, and is stricter where the specification allows it: JSON bodies only, no
//! mutations by GET or QUERY, no batches. QUERY (RFC 10008) is a safe read with the body of a POST.

use std::future::pending;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_graphql::parser::types::OperationType;
use axum::body::Body;
use axum::extract::{ConnectInfo, Extension, Request, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::FutureExt;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::compression;
use super::content_coding::{self, ContentCoding, DecodeError, Received};
use super::negotiation::{ResponseMediaType, is_json};
use super::parameters::{from_body, from_query};
use super::request_id::RequestId;
use super::request_log::SharedSummary;
use super::request_span;
use super::response::{self, bad_request, internal_error, with_error_headers};
use crate::admission::ClientKey;
use crate::app::{App, RequestContext};
use crate::auth::Principal;
use crate::error::{ErrorCode, PublicError};
use crate::http::{body, cross_origin, request_timeout};
use crate::operation::response::UpstreamReport;
use crate::operation::{GraphqlResponse, RequestError};
use crate::telemetry::metrics::GaugeGuard;
use crate::telemetry::{names, traces};

/// The handler of `/graphql` for all methods.
pub async fn handle(
    State(app): State<Arc<App>>,
    Extension(id): Extension<RequestId>,
    Extension(summary): Extension<SharedSummary>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let (Parts { method, uri, headers, .. }, mut body) = request.into_parts();
    let Some(media) = ResponseMediaType::negotiate(&headers) else {
        let message = "Accept `application/graphql-response+json` or `application/json`.";
        return response::error(&bad_request(message).with_status(StatusCode::NOT_ACCEPTABLE), &id);
    };
    let _in_flight = GaugeGuard::new(metrics::gauge!(names::REQUESTS_IN_FLIGHT));
    let handler = RequestHandler { app: &app, id: &id, method: &method, headers: &headers, peer, summary: &summary };
    let span = request_span::start(&id);
    if app.edge.continue_traces {
        traces::continue_trace(&span, &headers);
    }
    summary.update(|summary| summary.span = Some(span.clone()));
    let mut compress = app.edge.http.compression;
    let run = handler.run(&uri, &mut body).instrument(span);
    let Some(ran) = until_force_stop(&app.services.force_stop, run).await else {
        // The request gets no response, because its connection is about to be closed. A response would reach some callers
        // by chance, and could not tell them more: the outcome of a stopped write is unknown.
        return pending().await;
    };
    let mut response = match ran {
        Ok(Success { response: result, cache_control, stale_for, is_unmasked }) => {
            compress &= !is_unmasked;
            summary.update(|summary| summary.codes = result.codes());
            let status = match (media, result.is_request_error()) {
                (ResponseMediaType::GraphqlResponse, true) => ErrorCode::GraphqlValidationFailed.status(),
                (ResponseMediaType::GraphqlResponse, false) | (ResponseMediaType::Json, _) => StatusCode::OK,
            };
            let mut response = response::with_body(status, media.content_type(), result.into_json());
            response.headers_mut().insert(header::CACHE_CONTROL, cache_control);
            if let Some(age) = stale_for {
                response.headers_mut().insert(header::AGE, age.as_secs().into());
                response.headers_mut().insert(header::WARNING, STALE);
            }
            response
        }
        Err(reason) => {
            summary.update(|summary| summary.codes = vec![reason.code()]);
            // A client that sends `Expect: 100-continue` has not sent its body yet, and need not send it.
            if !headers.contains_key(header::EXPECT) {
                tokio::spawn(body::drain(body, Instant::now() + app.edge.server.deadline));
            }
            request_error_response(&reason, media, &id)
        }
    };
    response.headers_mut().insert(header::VARY, VARY);
    if compress {
        response = compression::compress(response, &headers).await;
    }
    response
}

/// The result of `run`; `None` if the process force-stops first. A result at the moment of the force stop is discarded,
/// because it can be the error of a write that the force stop interrupted.
async fn until_force_stop<T>(force_stop: &CancellationToken, run: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = force_stop.cancelled() => None,
        ran = run => Some(ran),
    }
}

/// The request headers that a response depends on.
const VARY: HeaderValue = HeaderValue::from_static("accept, authorization, straddle-account-id");

/// A GraphQL request without its body.
struct RequestHandler<'a> {
    app: &'a App,
    id: &'a RequestId,
    method: &'a Method,
    headers: &'a HeaderMap,
    peer: SocketAddr,
    summary: &'a SharedSummary,
}

/// A request with this header, whatever its value, gets `extensions.upstream` if its caller is allowed to see that.
const REPORT_UPSTREAM: &str = "gateway-report-upstream";

struct Success {
    response: GraphqlResponse,
    cache_control: HeaderValue,
    /// How long the oldest stale part of the response is past its time to live; `None` if all parts are fresh.
    stale_for: Option<Duration>,
    /// Whether the operation unmasks customers.
    is_unmasked: bool,
}

/// The `Warning` of a stale response (RFC 7234, section 5.5.1).
const STALE: HeaderValue = HeaderValue::from_static("110 - \"Response is Stale\"");

impl RequestHandler<'_> {
    async fn run(self, uri: &Uri, body: &mut Body) -> Result<Success, RequestError> {
        let deadline = Instant::now() + request_timeout::from_headers(self.headers, self.app.edge.server.deadline)?;
        let by_get = match *self.method {
            Method::GET if self.app.origins.rejects_cross_site_read(self.headers) => {
                return Err(cross_origin::cross_site_rejected().into());
            }
            Method::GET => true,
            Method::POST | Method::QUERY => false,
            _ => return Err(method_not_allowed("Send a GET, a POST or a QUERY.").into()),
        };
        let principal = self.principal(deadline).await?;
        let caller = self.app.admission.identify(&principal, self.peer.ip());
        self.summary.update(|summary| summary.caller.clone_from(&caller.log_digest));
        let client_key = caller.client_key;
        // Before the body is read, so that requests with unfinished bodies are charged as well.
        self.app.admission.charge_request(client_key)?;
        let operation = if by_get {
            from_query(uri.query().unwrap_or_default())?
        } else {
            if !is_json(self.headers) {
                let message = "Send the request as JSON with `Content-Type: application/json`.";
                return Err(bad_request(message).with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE).into());
            }
            let coding = ContentCoding::from_headers(self.headers)
                .ok_or_else(|| bad_request(UNKNOWN_CODING).with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE))?;
            from_body(&self.read_body(body, coding, client_key, deadline).await?)?
        };
        // After the body is read, so that a slow sender holds a connection but no permit of the concurrency limit.
        let permit = self.app.admission.admit_operation(client_key)?;
        let prepared = self.app.executor.prepare(operation, principal.may_introspect).await?;
        let kind = prepared.kind();
        self.summary.update(|summary| {
            summary.operation = Some(prepared.label().clone());
            summary.planned_calls = Some(prepared.planned_calls());
            summary.prepared_at = Some(std::time::Instant::now());
            summary.kind = Some(match kind {
                OperationType::Query => "query",
                OperationType::Mutation => "mutation",
                OperationType::Subscription => "subscription",
            });
        });
        match kind {
            OperationType::Mutation if *self.method != Method::POST => {
                return Err(method_not_allowed(MUTATION_BY_POST_ONLY).into());
            }
            OperationType::Subscription => return Err(bad_request("Subscriptions are not served here.").into()),
            OperationType::Query | OperationType::Mutation => {}
        }
        let (planned, is_unmasked) = (prepared.planned_calls(), prepared.unmaskings() > 0);
        self.app.admission.charge_operation(
            client_key,
            &principal,
            prepared.rate_limit_cost(),
            prepared.unmaskings(),
        )?;
        let freshness = App::freshness_for(kind, bypasses_cache(self.headers));
        let (upstream_calls, upstream_time) =
            self.summary.update(|summary| (Arc::clone(&summary.upstream_calls), Arc::clone(&summary.upstream_time)));
        let context = RequestContext {
            request_id: self.id.as_str(),
            deadline,
            freshness,
            caller: &caller,
            permit,
            upstream_calls,
            upstream_time,
        };
        let session = Arc::new(self.app.session(&principal, context));
        let includes_report = self.includes_report(&principal);
        let run = self.app.executor.run(prepared, principal, Arc::clone(&session), self.id.as_str());
        let response = AssertUnwindSafe(run).catch_unwind().await.map_err(|_panic| internal_error_in(kind))?;
        if let Some(key) = caller.api_key {
            self.update_verified_keys(key, &response).await;
        }
        let usage = session.usage();
        self.summary
            .update(|summary| (summary.cache_hits, summary.shared_calls) = (usage.cache_hits, usage.shared_calls));
        let fresh_until = session.fresh_until().filter(|_| {
            self.app.edge.allow_private_caching && by_get && !response.is_request_error() && !response.has_errors()
        });
        let cache_control = cache_control(fresh_until);
        let stale_for = session.stale_for();
        let response = match stale_for {
            Some(age) => response.with_staleness(age),
            None => response,
        };
        if !includes_report {
            return Ok(Success { response, cache_control, stale_for, is_unmasked });
        }
        let report =
            UpstreamReport { planned, actual: usage.calls, cached: usage.cache_hits, shared: usage.shared_calls };
        Ok(Success { response: response.with_report(report), cache_control, stale_for, is_unmasked })
    }

    /// Whether the response includes the upstream report. The report reveals whether another caller has read the same
    /// customer lately, so it needs a permission.
    fn includes_report(&self, principal: &Principal) -> bool {
        let limits = &self.app.edge;
        let may = limits.may_request_upstream_report || principal.may_request_upstream_report;
        limits.always_report_upstream || (may && self.headers.contains_key(REPORT_UPSTREAM))
    }

    /// Records whether the upstream accepts the caller's key. Only a response without errors proves that it does.
    async fn update_verified_keys(&self, key: u128, response: &GraphqlResponse) {
        if response.codes().contains(&ErrorCode::Unauthenticated) {
            self.app.admission.set_verified(key, false).await;
        } else if self.made_upstream_calls() && !response.has_errors() {
            self.app.admission.set_verified(key, true).await;
        }
    }

    fn made_upstream_calls(&self) -> bool {
        self.summary.update(|summary| summary.upstream_calls.load(Ordering::Relaxed)) > 0
    }

    /// The authenticated caller. A failed authentication charges the rate of the client's IP address, which limits guessing.
    async fn principal(&self, deadline: Instant) -> Result<Principal, PublicError> {
        let principal = self.app.authenticator.principal(self.headers, deadline).await;
        if principal.is_err() {
            self.app.admission.charge_unauthenticated(self.peer.ip())?;
        }
        principal
    }

    /// Reads and decodes the body within the limit and the deadline.
    async fn read_body(
        &self,
        body: &mut Body,
        coding: ContentCoding,
        client_key: ClientKey,
        deadline: Instant,
    ) -> Result<Bytes, PublicError> {
        let limit = self.app.edge.server.max_body_bytes;
        let broken = |error: Box<dyn std::error::Error + Send + Sync>| {
            if error.is::<LengthLimitError>() {
                payload_too_large(limit)
            } else {
                bad_request("The request's body is incomplete.")
            }
        };
        let mut body = Limited::new(body, limit);
        let mut received = Received::new(coding);
        // Reserves memory for the bytes that have arrived, not for `Content-Length`, so that a slow sender holds little.
        let mut room = self.app.admission.reserve_body(client_key);
        loop {
            let frame = timeout_at(deadline, body.frame()).await;
            let Ok(frame) = frame else {
                return Err(
                    bad_request("The request's body did not arrive in time.").with_status(StatusCode::REQUEST_TIMEOUT)
                );
            };
            match frame.map(|frame| frame.map_err(broken)) {
                Some(frame) => {
                    let Ok(data) = frame?.into_data() else { continue };
                    room.reserve(data.len())?;
                    received.extend(&data);
                }
                None => break,
            }
        }
        received.decode(limit, |bytes| room.hold(bytes)).await.map_err(|error| match error {
            DecodeError::TooLarge => payload_too_large(limit),
            DecodeError::Malformed => bad_request("The request's body is not coded as its `Content-Encoding` says."),
            DecodeError::Rejected(failure) => failure,
        })
    }
}

/// The error of a body over the limit.
fn payload_too_large(limit: usize) -> PublicError {
    metrics::counter!(names::LIMITS_REACHED, "limit" => "max_body_bytes").increment(1);
    let message = format!("The request's body is over the limit `max_body_bytes` of {limit}.");
    PublicError::new(ErrorCode::OperationTooLarge, message).with_status(StatusCode::PAYLOAD_TOO_LARGE)
}

/// The error of an operation that panicked. The outcome of a mutation is unknown.
fn internal_error_in(kind: OperationType) -> PublicError {
    PublicError { is_outcome_unknown: kind == OperationType::Mutation, ..internal_error() }
}

fn method_not_allowed(message: &'static str) -> PublicError {
    bad_request(message).with_status(StatusCode::METHOD_NOT_ALLOWED)
}

const UNKNOWN_CODING: &str = "Send the body without `Content-Encoding`, or with one of `gzip` and `br`.";

const MUTATION_BY_POST_ONLY: &str = "Send mutations by POST.";

/// The response to a request that was not executed.
fn request_error_response(reason: &RequestError, media: ResponseMediaType, id: &RequestId) -> Response {
    let code = reason.code();
    // With plain JSON the response to a well-formed request has status 200, even if the document is rejected.
    let about_the_document = matches!(
        code,
        ErrorCode::GraphqlParseFailed
            | ErrorCode::GraphqlValidationFailed
            | ErrorCode::BadUserInput
            | ErrorCode::OperationTooLarge
            | ErrorCode::PersistedQueryNotFound
            | ErrorCode::PersistedQueryNotSupported
    );
    let (status, failure) = match reason {
        RequestError::Public(failure) => (failure.status, Some(failure)),
        RequestError::Document(_) => (None, None),
    };
    let status = match media {
        ResponseMediaType::Json if about_the_document && status.is_none() => StatusCode::OK,
        ResponseMediaType::Json | ResponseMediaType::GraphqlResponse => status.unwrap_or_else(|| code.status()),
    };
    let outcome = GraphqlResponse::request_error(reason, id.as_str());
    let mut response = response::with_body(status, media.content_type(), outcome.into_json());
    if let Some(failure) = failure {
        response = with_error_headers(response, failure);
        if status == StatusCode::METHOD_NOT_ALLOWED {
            let allowed = if failure.message == MUTATION_BY_POST_ONLY { "POST" } else { "GET, POST, QUERY" };
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
        }
        if failure.message == UNKNOWN_CODING {
            response.headers_mut().insert(header::ACCEPT_ENCODING, content_coding::ACCEPTED);
        }
    }
    response
}

/// Whether the caller bypasses the cache (RFC 9111, sections 5.2.1.4 and 5.4).
fn bypasses_cache(headers: &HeaderMap) -> bool {
    let says = |name: header::HeaderName| {
        let values = headers.get_all(name);
        values
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.split(',').any(|directive| directive.trim().eq_ignore_ascii_case("no-cache")))
    };
    says(header::CACHE_CONTROL) || (!headers.contains_key(header::CACHE_CONTROL) && says(header::PRAGMA))
}

fn cache_control(fresh_until: Option<Instant>) -> HeaderValue {
    let left = fresh_until.map(|until| until.saturating_duration_since(Instant::now()).as_secs());
    left.filter(|seconds| *seconds > 0)
        .and_then(|seconds| HeaderValue::from_str(&format!("private, max-age={seconds}")).ok())
        .unwrap_or(HeaderValue::from_static("no-store"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_result_at_the_moment_of_force_stop_is_discarded() {
        let force_stop = CancellationToken::new();
        let (ended, ends) = tokio::sync::oneshot::channel();
        let mut run = std::pin::pin!(until_force_stop(&force_stop, ends));
        assert!(futures_util::poll!(run.as_mut()).is_pending());
        force_stop.cancel();
        ended.send(()).expect("it waits");
        assert!(run.await.is_none());
    }

    #[test]
    fn the_outcome_of_a_panicked_mutation_is_unknown() {
        assert!(internal_error_in(OperationType::Mutation).is_outcome_unknown);
        assert!(!internal_error_in(OperationType::Query).is_outcome_unknown);
    }
}
