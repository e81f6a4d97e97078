//! What the gateway records of each request: one log line, the fields of its span, and its metrics.
//!
//! The handler fills a [`RequestSummary`] while it runs. [`LogOnDrop`] writes it once, when the request ends. This
//! includes requests that get no response, because the client disconnected or the process stopped.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::FutureExt;
use http::{HeaderName, HeaderValue, StatusCode, header};
use tracing::{Span, info};

use super::request_id::RequestId;
use super::{request_span, response, server_timing};
use crate::app::App;
use crate::error::{ErrorCode, RequestOutcome};
use crate::operation::OperationLabel;
use crate::telemetry::busy_time::BusyTime;
use crate::telemetry::metrics::BoundedLabelValues;
use crate::telemetry::{names, traces};

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// The summary of a request that is still running. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct SharedSummary(Arc<Mutex<RequestSummary>>);

impl SharedSummary {
    /// Changes the summary, or reads from it.
    pub fn update<T>(&self, change: impl FnOnce(&mut RequestSummary) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What the handler knows of its request, for the log line, the span and the metrics.
#[derive(Debug, Default)]
pub struct RequestSummary {
    /// The span of a GraphQL request. Other requests have no span, and no metrics.
    pub span: Option<Span>,
    /// `query`, `mutation` or `subscription`; `None` until the document is parsed.
    pub kind: Option<&'static str>,
    /// The name and document of the operation; `None` until the operation is selected.
    pub operation: Option<OperationLabel>,
    /// A digest of the caller's identity.
    pub caller: Option<String>,
    /// The codes of the errors in the response.
    pub codes: Vec<ErrorCode>,
    /// The upstream calls that the operation needs when nothing is cached.
    pub planned_calls: Option<usize>,
    /// The upstream calls that were made for the request.
    pub upstream_calls: Arc<AtomicU64>,
    /// The time during which at least one upstream call was in flight.
    pub upstream_time: Arc<BusyTime>,
    /// Fresh cache entries that the request used.
    pub cache_hits: u64,
    /// Upstream calls of other requests that the request shared.
    pub shared_calls: u64,
    /// When the operation was ready to run.
    pub prepared_at: Option<Instant>,
}

impl RequestSummary {
    /// The gravest outcome of the error codes.
    pub fn outcome(&self) -> RequestOutcome {
        self.codes.iter().map(|code| code.outcome()).max().unwrap_or_default()
    }

    /// The error codes, separated by commas; `None` without errors.
    pub fn code_list(&self) -> Option<String> {
        let codes: Vec<&str> = self.codes.iter().map(|code| code.name()).collect();
        Some(codes.join(",")).filter(|codes| !codes.is_empty())
    }

    fn record_metrics(&self, names: &BoundedLabelValues, outcome: &'static str, took: Duration) {
        let kind = self.kind.unwrap_or("unknown");
        let name = self.operation.as_ref().and_then(|operation| operation.name.as_ref()).map(|name| names.value(name));
        // Prometheus treats an empty label as an absent one.
        let name = name.map_or_else(String::new, |name| name.to_string());
        metrics::histogram!(names::REQUEST_DURATION, "type" => kind, "outcome" => outcome, "operation" => name)
            .record(took);
        for code in &self.codes {
            metrics::counter!(names::ERRORS, "code" => code.name()).increment(1);
        }
    }
}

/// The outcome of a request that was still running when the process stopped.
const SHUTDOWN: &str = "shutdown";
/// The outcome of a request whose client disconnected.
const ABANDONED: &str = "abandoned";

/// Writes the log line, the span's fields and the metrics of a request when it is dropped.
struct LogOnDrop<'a> {
    app: &'a App,
    id: RequestId,
    method: &'a str,
    route: &'a str,
    started: Instant,
    summary: &'a SharedSummary,
    /// The status of the response; `None` if the request got no response.
    status: Option<StatusCode>,
}

impl Drop for LogOnDrop<'_> {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        let summary = self.summary.update(std::mem::take);
        let outcome = match self.status {
            Some(_) => summary.outcome().name(),
            None if self.app.services.force_stop.is_cancelled() => SHUTDOWN,
            None => ABANDONED,
        };
        if outcome == ABANDONED {
            metrics::counter!(names::REQUESTS_ABANDONED).increment(1);
        }
        if let Some(span) = &summary.span {
            request_span::record(span, &summary, self.status, outcome);
            summary.record_metrics(&self.app.operation_names, outcome, took);
        }
        if !PROBE_ROUTES.contains(&self.route) || self.status.is_none_or(|status| status.is_server_error()) {
            self.log(&summary, outcome, took);
        }
    }
}

impl LogOnDrop<'_> {
    /// Writes the log line. `telemetry::names` describes its fields.
    fn log(&self, summary: &RequestSummary, outcome: &str, took: Duration) {
        let label = summary.operation.as_ref();
        let trace_id = summary.span.as_ref().and_then(traces::trace_id);
        info!(
            request_id = self.id.as_str(),
            trace_id = trace_id.as_deref(),
            method = self.method,
            route = self.route,
            status = self.status.map(|status| status.as_u16()),
            outcome,
            codes = summary.code_list(),
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

/// Routes that platforms call every few seconds. They are logged only if they fail, so that they do not hide other lines.
const PROBE_ROUTES: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// Gives the request an id and the response its common headers, and records the request.
pub async fn log_requests(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = RequestId::new();
    let method = request.method().clone();
    // The route, not the path: a path or a query can contain personal data.
    let route = request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str).to_owned();
    let summary = SharedSummary::default();
    request.extensions_mut().insert(id.clone());
    request.extensions_mut().insert(summary.clone());
    let method = method_name(&method);
    let mut record =
        LogOnDrop { app: &app, id: id.clone(), method, route: &route, started, summary: &summary, status: None };
    // Panics are caught here, so that the response has its request id and the request its log line. The state that the
    // panicked code shared stays valid: atomics, caches, and locks that are never held across other code.
    let ran = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let mut response = ran.unwrap_or_else(|_panic| {
        summary.update(|summary| summary.codes = vec![ErrorCode::InternalServerError]);
        response::error(&response::internal_error(), &id)
    });
    // A layer that does not see the request puts an id of its own into its response.
    if let Some(id) = response.extensions().get::<RequestId>() {
        record.id = id.clone();
    }
    record.status = Some(response.status());
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(record.id.as_str()) {
        headers.insert(REQUEST_ID, value);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if app.edge.http.server_timing {
        let timing = summary.update(|summary| server_timing::header(summary, started));
        headers.extend(timing.map(|value| (SERVER_TIMING, value)));
    }
    response
}

/// The name of a standard method; `other` for a method that the caller made up.
fn method_name(method: &http::Method) -> &str {
    match method.as_str() {
        name @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS" | "TRACE" | "CONNECT" | "QUERY") => {
            name
        }
        _ => "other",
    }
}
