//! What frames every request: an id, headers that are always there, one line in the log.

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::FutureExt;
use http::{HeaderName, HeaderValue, StatusCode, header};
use tracing::info;

use super::request_id::RequestId;
use super::response;
use crate::app::App;
use crate::error::{ErrorCode, RequestOutcome};
use crate::operation::OperationLabel;
use crate::telemetry::metrics::BoundedLabelValues;
use crate::telemetry::names;

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// What is known of a request so far, for the log's line and the metrics: also where its caller hangs up before it is
/// answered, or handling it breaks. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct SharedSummary(Arc<Mutex<RequestSummary>>);

impl SharedSummary {
    /// Notes something.
    pub fn update(&self, something: impl FnOnce(&mut RequestSummary)) {
        something(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What was noted so far.
    pub fn summary(&self) -> RequestSummary {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What a handler knows of its request that belongs into the log's line and the metrics.
#[derive(Clone, Debug, Default)]
pub struct RequestSummary {
    /// Whether it is GraphQL: of anything else the metrics know nothing.
    pub is_graphql: bool,
    /// `query`, `mutation` or `subscription`; none where that is not known.
    pub kind: Option<&'static str>,
    /// What the operation is called, once it is known which one it is.
    pub operation: Option<OperationLabel>,
    /// A digest of who asks.
    pub caller: Option<String>,
    /// The codes of the answer's errors.
    pub codes: Vec<ErrorCode>,
    /// How many calls to the upstream it was going to cost.
    pub planned_calls: Option<usize>,
    /// Counts those that are made for it.
    pub upstream_calls: Arc<AtomicU64>,
    /// What it got without one.
    pub cache_hits: u64,
    pub shared_calls: u64,
    pub trace_id: Option<Cow<'static, str>>,
}

impl RequestSummary {
    /// Whose doing it is that the request was not served in full.
    pub fn outcome(&self) -> RequestOutcome {
        self.codes.iter().map(|code| code.outcome()).max().unwrap_or_default()
    }

    /// Tells the metrics of a GraphQL request.
    fn record_metrics(&self, names: &BoundedLabelValues, outcome: &'static str, took: Duration) {
        if !self.is_graphql {
            return;
        }
        let kind = self.kind.unwrap_or("unknown");
        let name = self.operation.as_ref().and_then(|operation| operation.name.as_ref()).map(|name| names.value(name));
        // A label that is empty is one that is not there.
        let name = name.map_or_else(String::new, |name| name.to_string());
        metrics::histogram!(names::REQUEST_DURATION, "type" => kind, "outcome" => outcome, "operation" => name)
            .record(took);
        for code in &self.codes {
            metrics::counter!(names::ERRORS, "code" => code.name()).increment(1);
        }
    }
}

/// What becomes of a request that is never answered, since its caller hung up or the process goes down: nothing below
/// `frame` gets to say so.
struct LogOnDrop<'a> {
    app: &'a App,
    line: RequestLine<'a>,
    summary: &'a SharedSummary,
    started: Instant,
    is_answered: bool,
}

/// It was cut when the time for going down was up.
const SHUTDOWN: &str = "cut";
/// Its caller hung up. There is no status that says either.
const ABANDONED: &str = "abandoned";

/// Why a request that ends now is never answered.
pub fn unanswered_outcome(app: &App) -> &'static str {
    if app.services.force_stop.is_cancelled() { SHUTDOWN } else { ABANDONED }
}

impl Drop for LogOnDrop<'_> {
    fn drop(&mut self) {
        if self.is_answered {
            return;
        }
        let outcome = unanswered_outcome(self.app);
        if outcome == ABANDONED {
            metrics::counter!(names::REQUESTS_ABANDONED).increment(1);
        }
        let (summary, took) = (self.summary.summary(), self.started.elapsed());
        summary.record_metrics(&self.app.operation_names, outcome, took);
        self.line.log(&summary, None, outcome, took);
    }
}

/// Routes that platforms ask every few seconds: their lines would bury all others.
const PROBE_ROUTES: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// Gives a request its id, its answer the headers that are always there, the log its line, and the metrics their numbers.
pub async fn log_requests(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = RequestId::new();
    let method = request.method().clone();
    // The route and not the path: a path or query can hold anything.
    let route = request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str).to_owned();
    let notes = SharedSummary::default();
    request.extensions_mut().insert(id.clone());
    request.extensions_mut().insert(notes.clone());
    // A panic is answered here, so that it has its request's id and its line in the log. Nothing is shared with what
    // broke but what is whole at any time: atomics, caches, locks that are not held across code of ours.
    let place = RequestLine { id: &id, method: method_name(&method), route: &route };
    let mut watched = LogOnDrop { app: &app, line: place, summary: &notes, started, is_answered: false };
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    watched.is_answered = true;
    let mut response = answered.unwrap_or_else(|_panic| {
        notes.update(|summary| summary.codes = vec![ErrorCode::InternalServerError]);
        response::error(&response::internal_error(), &id)
    });
    // What is answered where the request cannot be seen any more has made an id of its own.
    let told = response.extensions().get::<RequestId>().cloned().unwrap_or_else(|| id.clone());
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(told.as_str()) {
        headers.insert(REQUEST_ID, value);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    let (summary, took) = (notes.summary(), started.elapsed());
    let outcome = summary.outcome().name();
    summary.record_metrics(&app.operation_names, outcome, took);
    if !PROBE_ROUTES.contains(&route.as_str()) || response.status().is_server_error() {
        RequestLine { id: &told, ..place }.log(&summary, Some(response.status()), outcome, took);
    }
    response
}

/// What the log's line says of a request whatever it was.
#[derive(Clone, Copy)]
struct RequestLine<'a> {
    id: &'a RequestId,
    method: &'a str,
    route: &'a str,
}

impl RequestLine<'_> {
    /// The request's line; its fields are those of `telemetry::names`.
    fn log(&self, summary: &RequestSummary, status: Option<StatusCode>, outcome: &str, took: Duration) {
        let codes: Vec<&str> = summary.codes.iter().map(|code| code.name()).collect();
        let label = summary.operation.as_ref();
        info!(
            request_id = self.id.as_str(),
            trace_id = summary.trace_id.as_deref(),
            method = self.method,
            route = self.route,
            status = status.map(|status| status.as_u16()),
            outcome,
            codes = Some(codes.join(",")).filter(|codes| !codes.is_empty()),
            duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            operation_type = summary.kind,
            operation_name = label.and_then(|label| label.name.as_deref()),
            document = label.map(|label| &*label.document),
            planned_calls = summary.planned_calls,
            upstream_calls = summary.upstream_calls.load(Ordering::Relaxed),
            cache_hits = summary.cache_hits,
            shared_calls = summary.shared_calls,
            caller = summary.caller.as_deref(),
            "request"
        );
    }
}

/// A method's name where it is one of HTTP's own; a caller can make up any other.
fn method_name(method: &http::Method) -> &str {
    match method.as_str() {
        name @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS" | "TRACE" | "CONNECT" | "QUERY") => {
            name
        }
        _ => "other",
    }
}
