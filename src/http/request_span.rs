//! The span of a GraphQL request. It has the fields of the log line, and nothing of the document.

use std::sync::atomic::Ordering;

use http::StatusCode;
use tracing::field::Empty;
use tracing::{Span, info_span};

use super::request_id::RequestId;
use super::request_log::RequestSummary;
use crate::error::RequestOutcome;
use crate::telemetry::traces;

/// A span without its results.
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

/// Records the results of a request that ended. `status` is `None` if the request got no response.
pub fn record(span: &Span, summary: &RequestSummary, status: Option<StatusCode>, outcome: &str) {
    if span.is_disabled() {
        return;
    }
    let label = summary.operation.as_ref();
    // Backends group spans by name, so there must be few names: only trusted documents add the name of the operation.
    if let Some(kind) = summary.kind {
        let name = label.and_then(|label| label.name.as_deref());
        traces::rename(span, name.map_or_else(|| kind.to_owned(), |name| format!("{kind} {name}")));
    }
    if summary.outcome() >= RequestOutcome::Upstream {
        span.record("otel.status_code", "ERROR");
    }
    // OpenTelemetry has signed integers only. An unsigned one would be sent as text.
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    span.record("status", status.map(|status| i64::from(status.as_u16())));
    span.record("outcome", outcome);
    span.record("codes", summary.code_list());
    span.record("operation_type", summary.kind);
    span.record("operation_name", label.and_then(|label| label.name.as_deref()));
    span.record("document", label.map(|label| &*label.document));
    span.record("planned_calls", summary.planned_calls.map(|planned| number(planned as u64)));
    span.record("upstream_calls", number(summary.upstream_calls.load(Ordering::Relaxed)));
    span.record("cache_hits", number(summary.cache_hits));
    span.record("shared_calls", number(summary.shared_calls));
}
