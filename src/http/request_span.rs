//! What is seen of one GraphQL request while it runs, and its span.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use http::StatusCode;
use tracing::field::Empty;
use tracing::{Span, info_span};

use super::request_log::{RequestId, RequestSummary, unanswered_outcome};
use crate::app::App;
use crate::error::RequestOutcome;
use crate::telemetry::busy_time::BusyTime;
use crate::telemetry::traces;

/// The span of a request: what the log's line holds, and nothing of the document.
pub fn start(id: &RequestId) -> Span {
    info_span!(
        "graphql request",
        otel.name = "graphql",
        otel.kind = "server",
        otel.status_code = Empty,
        request_id = id.as_str(),
        status = Empty,
        outcome = Empty,
        codes = Empty,
        operation_type = Empty,
        operation_name = Empty,
        document = Empty,
        planned_calls = Empty,
        upstream_calls = Empty,
        cache_hits = Empty,
        shared_calls = Empty,
    )
}

/// The span of a request that is not answered yet. Where it never is, it says why.
pub struct SpanGuard<'a> {
    app: &'a App,
    span: &'a Span,
    is_finished: bool,
}

impl<'a> SpanGuard<'a> {
    /// Of a span that has just begun.
    pub fn new(app: &'a App, span: &'a Span) -> Self {
        Self { app, span, is_finished: false }
    }

    /// Says on the span how the request ended.
    pub fn finish(mut self, summary: &RequestSummary, status: StatusCode) {
        self.is_finished = true;
        record_outcome(self.span, summary, status);
    }
}

impl Drop for SpanGuard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.span.record("outcome", RequestOutcome::InternalError.name());
            self.span.record("otel.status_code", "ERROR");
        } else if !self.is_finished {
            self.span.record("outcome", unanswered_outcome(self.app));
        }
    }
}

fn record_outcome(span: &Span, summary: &RequestSummary, status: StatusCode) {
    if span.is_disabled() {
        return;
    }
    let (label, verdict) = (summary.operation.as_ref(), summary.outcome());
    let codes: Vec<&str> = summary.codes.iter().map(|code| code.name()).collect();
    // Spans are found by their names, which have to be few: an operation's own only where the team wrote it.
    if let Some(kind) = summary.kind {
        let name = label.and_then(|label| label.name.as_deref());
        traces::rename(span, name.map_or_else(|| kind.to_owned(), |name| format!("{kind} {name}")));
    }
    if verdict >= RequestOutcome::Upstream {
        span.record("otel.status_code", "ERROR");
    }
    // As numbers with a sign: OpenTelemetry has no others, and would get texts.
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    span.record("status", i64::from(status.as_u16()));
    span.record("outcome", verdict.name());
    span.record("codes", Some(codes.join(",")).filter(|codes| !codes.is_empty()));
    span.record("operation_type", summary.kind);
    span.record("operation_name", label.and_then(|label| label.name.as_deref()));
    span.record("document", label.map(|label| &*label.document));
    span.record("planned_calls", summary.planned_calls.map(|planned| number(planned as u64)));
    span.record("upstream_calls", number(summary.upstream_calls.load(Ordering::Relaxed)));
    span.record("cache_hits", number(summary.cache_hits));
    span.record("shared_calls", number(summary.shared_calls));
}

/// What is seen of an exchange while it runs, also where it fails.
#[derive(Default)]
pub struct RequestStats {
    /// Calls that were made for it, and for how long it waited for them.
    pub upstream_calls: Arc<AtomicU64>,
    pub upstream_time: Arc<BusyTime>,
    /// When it was clear what is to be run.
    pub prepared_at: OnceLock<std::time::Instant>,
}
