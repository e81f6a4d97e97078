//! GraphQL over HTTP: GET, POST and QUERY, media types, statuses, bounded bodies.
//!
//! By the GraphQL-over-HTTP specification, and stricter where it leaves room: JSON bodies only, no mutation by GET or
//! QUERY, no batches. QUERY (RFC 10008) is a safe read with the body of a POST.

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
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::compression;
use super::content_coding::{self, ContentCoding, DecodeError, Received};
use super::negotiation::{ResponseMediaType, is_json};
use super::parameters::{from_body, from_query};
use super::request_log::{RequestId, SharedSummary, internal_error};
use super::request_span::{self, RequestStats};
use super::response::{self, with_error_headers};
use super::server_timing::ServerTiming;
use crate::admission::ClientKey;
use crate::app::{App, RequestContext};
use crate::auth::Principal;
use crate::error::{ErrorCode, PublicError};
use crate::http::{body, cross_origin, request_timeout};
use crate::operation::response::UpstreamReport;
use crate::operation::{GraphqlResponse, RequestError};
use crate::telemetry::metrics::GaugeGuard;
use crate::telemetry::{names, traces};

/// `/graphql`, any method.
pub async fn handle(
    State(app): State<Arc<App>>,
    Extension(id): Extension<RequestId>,
    Extension(notes): Extension<SharedSummary>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let (Parts { method, uri, headers, .. }, mut body) = request.into_parts();
    let Some(media) = ResponseMediaType::negotiate(&headers) else {
        let message = "Accept `application/graphql-response+json` or `application/json`.";
        return response::error(&bad_request(message).with_status(StatusCode::NOT_ACCEPTABLE), &id);
    };
    let started = std::time::Instant::now();
    let _in_flight = GaugeGuard::new(metrics::gauge!(names::REQUESTS_IN_FLIGHT));
    let stats = RequestStats::default();
    let exchange =
        RequestHandler { app: &app, id: &id, method: &method, headers: &headers, peer, stats: &stats, summary: &notes };
    let span = request_span::start(&id);
    let unanswered = request_span::SpanGuard::new(&app, &span);
    if app.edge.continue_traces {
        traces::continue_trace(&span, &headers);
    }
    notes.update(|summary| {
        summary.is_graphql = true;
        summary.upstream_calls = Arc::clone(&stats.upstream_calls);
        summary.trace_id = traces::trace_id(&span);
    });
    let mut compress = app.edge.http.compression;
    let run = exchange.run(&uri, &mut body).instrument(span.clone());
    let Some(ran) = until_force_stop(&app.services.force_stop, run).await else {
        // It is never answered: its connection is about to be closed. An answer would come to some callers and not to others,
        // by chance, and could tell none of them more: the outcome of a write that was cut is unknown.
        return pending().await;
    };
    let mut response = match ran {
        Ok(Success { response: outcome, cache_control, stale_for: age, is_unmasked: in_clear }) => {
            compress &= !in_clear;
            notes.update(|summary| summary.codes = outcome.codes());
            let status = match (media, outcome.is_request_error()) {
                (ResponseMediaType::GraphqlResponse, true) => ErrorCode::GraphqlValidationFailed.status(),
                (ResponseMediaType::GraphqlResponse, false) | (ResponseMediaType::Json, _) => StatusCode::OK,
            };
            let mut response = response::with_body(status, media.content_type(), outcome.into_json());
            response.headers_mut().insert(header::CACHE_CONTROL, cache_control);
            if let Some(age) = age {
                response.headers_mut().insert(header::AGE, age.as_secs().into());
                response.headers_mut().insert(header::WARNING, STALE);
            }
            response
        }
        Err(reason) => {
            notes.update(|summary| summary.codes = vec![reason.code()]);
            // A client that waits to be asked for its body is not.
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
    let summary = notes.summary();
    unanswered.finish(&summary, response.status());
    if app.edge.http.server_timing {
        let timing = ServerTiming {
            total: started.elapsed(),
            prepare: stats.prepared_at.get().map(|prepared| prepared.duration_since(started)),
            upstream: stats.upstream_time.total(),
            upstream_calls: summary.upstream_calls.load(Ordering::Relaxed),
            cache_hits: summary.cache_hits,
            shared_calls: summary.shared_calls,
        };
        response.headers_mut().extend(timing.header().map(|value| (SERVER_TIMING, value)));
    }
    response
}

/// What `run` comes to, unless the process cuts what is still under way before. What ends at the same time is cut: a write
/// that was cut ends then too, with an error.
async fn until_force_stop<T>(cut: &CancellationToken, run: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = cut.cancelled() => None,
        ran = run => Some(ran),
    }
}

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// What an answer depends on besides the address: its form, and whose it is.
const VARY: HeaderValue = HeaderValue::from_static("accept, authorization, straddle-account-id");

/// One exchange, as far as its head is known.
struct RequestHandler<'a> {
    app: &'a App,
    id: &'a RequestId,
    method: &'a Method,
    headers: &'a HeaderMap,
    peer: SocketAddr,
    stats: &'a RequestStats,
    summary: &'a SharedSummary,
}

/// A request with this header, whatever its value, gets `extensions.upstream`, where its caller may see that.
const REPORT_UPSTREAM: &str = "gateway-report-upstream";

struct Success {
    response: GraphqlResponse,
    cache_control: HeaderValue,
    /// Of its oldest part that is past its time.
    stale_for: Option<Duration>,
    /// Whether it was to show customers in clear.
    is_unmasked: bool,
}

/// An old answer in the words of RFC 7234, section 5.5.1.
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
        self.summary.update(|summary| summary.caller = self.app.caller_digest(&principal));
        let client_key = self.app.admission.client_key(&principal, self.peer.ip());
        // Before the body is there: who sends many and finishes none pays for each.
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
        // Not before the body is there: who sends one slowly holds a connection, and no place of those who ask.
        let place = self.app.admission.admit_operation(client_key)?;
        let prepared = self.app.executor.prepare(operation, principal.may_introspect).await?;
        let _set_once = self.stats.prepared_at.set(std::time::Instant::now());
        let kind = prepared.kind();
        self.summary.update(|summary| {
            summary.operation = Some(prepared.label().clone());
            summary.planned_calls = Some(prepared.planned_calls());
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
        let (planned, in_clear) = (prepared.planned_calls(), prepared.unmaskings() > 0);
        self.app.admission.charge_operation(
            client_key,
            &principal,
            prepared.rate_limit_cost(),
            prepared.unmaskings(),
        )?;
        let reading = App::freshness_for(kind, bypasses_cache(self.headers));
        let (calls, waiting) = (Arc::clone(&self.stats.upstream_calls), Arc::clone(&self.stats.upstream_time));
        let asking = RequestContext {
            request_id: self.id.as_str(),
            deadline,
            freshness: reading,
            client_key,
            permit: place,
            upstream_calls: calls,
            upstream_time: waiting,
        };
        let session = Arc::new(self.app.session(&principal, asking));
        let key = self.app.admission.api_key(&principal);
        let reports = self.includes_report(&principal);
        let run = self.app.executor.run(prepared, principal, Arc::clone(&session), self.id.as_str());
        let outcome = AssertUnwindSafe(run).catch_unwind().await.map_err(|_panic| internal_error_in(kind))?;
        if let Some(key) = key {
            self.update_verified_keys(key, &outcome).await;
        }
        let usage = session.usage();
        self.summary
            .update(|summary| (summary.cache_hits, summary.shared_calls) = (usage.cache_hits, usage.shared_calls));
        let fresh_until = session.fresh_until().filter(|_| {
            self.app.edge.allow_private_caching && by_get && !outcome.is_request_error() && !outcome.has_errors()
        });
        let cache_control = cache_control(fresh_until);
        let age = session.stale_for();
        let outcome = match age {
            Some(age) => outcome.with_staleness(age),
            None => outcome,
        };
        if !reports {
            return Ok(Success { response: outcome, cache_control, stale_for: age, is_unmasked: in_clear });
        }
        let report =
            UpstreamReport { planned, actual: usage.calls, cached: usage.cache_hits, shared: usage.shared_calls };
        Ok(Success { response: outcome.with_report(report), cache_control, stale_for: age, is_unmasked: in_clear })
    }

    /// Whether the answer is to say what was asked of the upstream. That tells whether somebody else has read the same
    /// customer lately: a caller has to be allowed to know.
    fn includes_report(&self, principal: &Principal) -> bool {
        let limits = &self.app.edge;
        let may = limits.may_request_upstream_report || principal.may_request_upstream_report;
        limits.always_report_upstream || (may && self.headers.contains_key(REPORT_UPSTREAM))
    }

    /// Notes whether the upstream takes the key that the caller brought. Only an answer without errors says that it does.
    async fn update_verified_keys(&self, key: u128, outcome: &GraphqlResponse) {
        if outcome.codes().contains(&ErrorCode::Unauthenticated) {
            self.app.admission.set_verified(key, false).await;
        } else if self.stats.upstream_calls.load(Ordering::Relaxed) > 0 && !outcome.has_errors() {
            self.app.admission.set_verified(key, true).await;
        }
    }

    /// The caller. One that is refused has used up a unit of its address, so that guessing has a rate too.
    async fn principal(&self, deadline: Instant) -> Result<Principal, PublicError> {
        let principal = self.app.authenticator.principal(self.headers, deadline).await;
        if principal.is_err() {
            self.app.admission.charge_unauthenticated(self.peer.ip())?;
        }
        principal
    }

    /// The body, decoded, up to its bound and the deadline.
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
                bad_request("The request's body did not come whole.")
            }
        };
        let mut body = Limited::new(body, limit);
        let mut received = Received::new(coding);
        // Room for what has come and not for what is announced: who sends slowly holds little.
        let mut room = self.app.admission.reserve_body(client_key);
        loop {
            let frame = timeout_at(deadline, body.frame()).await;
            let Ok(frame) = frame else {
                return Err(
                    bad_request("The request's body did not come in time.").with_status(StatusCode::REQUEST_TIMEOUT)
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

/// A body over its bound.
fn payload_too_large(limit: usize) -> PublicError {
    metrics::counter!(names::LIMITS_REACHED, "bound" => "max_body_bytes").increment(1);
    let message = format!("The request's body is over the limit `max_body_bytes` of {limit}.");
    PublicError::new(ErrorCode::OperationTooLarge, message).with_status(StatusCode::PAYLOAD_TOO_LARGE)
}

/// What is told where running an operation broke: of a mutation, that it may have changed something before.
fn internal_error_in(kind: OperationType) -> PublicError {
    PublicError { is_outcome_unknown: kind == OperationType::Mutation, ..internal_error() }
}

pub(super) fn bad_request(message: &'static str) -> PublicError {
    PublicError::new(ErrorCode::BadRequest, message)
}

fn method_not_allowed(message: &'static str) -> PublicError {
    bad_request(message).with_status(StatusCode::METHOD_NOT_ALLOWED)
}

const UNKNOWN_CODING: &str = "Send the body without `Content-Encoding`, or with one of `gzip` and `br`.";

const MUTATION_BY_POST_ONLY: &str = "A mutation goes by POST.";

/// The answer to a request that was not run.
fn request_error_response(reason: &RequestError, media: ResponseMediaType, id: &RequestId) -> Response {
    let code = reason.code();
    // Under plain JSON a well-formed answer to a well-formed request is a 200, whatever it says.
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

/// Whether the caller wants nothing out of a cache (RFC 9111, sections 5.2.1.4 and 5.4).
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
        let cut = CancellationToken::new();
        let (ended, ends) = tokio::sync::oneshot::channel();
        let mut run = std::pin::pin!(until_force_stop(&cut, ends));
        assert!(futures_util::poll!(run.as_mut()).is_pending());
        cut.cancel();
        ended.send(()).expect("it waits");
        assert!(run.await.is_none());
    }

    #[test]
    fn what_breaks_after_a_write_does_not_say_that_nothing_was_changed() {
        assert!(internal_error_in(OperationType::Mutation).is_outcome_unknown);
        assert!(!internal_error_in(OperationType::Query).is_outcome_unknown);
    }
}
