//! Every metric and every field of a request's line, in two tables: what it is called, what it means, and which values
//! its labels have. docs/operations.md, the dashboard and the alerts are checked against them.
//!
//! Labels have closed sets of values, which no caller can add to: a label without values has those of the team's own
//! manifest (the operations of trusted documents, bounded), or of the build. Units are the last word of a name.

use strum::VariantNames;

use crate::error::ErrorCode;

/// What a metric counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MetricKind {
    /// It only grows; its name ends in `_total`.
    Counter,
    /// How things stand.
    Gauge,
    /// How many there were of which size.
    Histogram,
}

/// A label and its values; none where they are not known here.
pub type MetricLabel = (&'static str, &'static [&'static str]);

/// A metric as the exporter shows it.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    pub name: &'static str,
    pub kind: MetricKind,
    pub labels: &'static [MetricLabel],
    /// One sentence.
    pub help: &'static str,
}

/// A constant for each name, and the table of all of them.
macro_rules! metrics {
    ($($constant:ident: $kind:ident $name:literal $labels:tt $help:literal;)*) => {
        $(#[doc = $help] pub const $constant: &str = $name;)*

        /// Every metric.
        pub const METRICS: &[Metric] =
            &[$(Metric { name: $constant, kind: MetricKind::$kind, labels: &$labels, help: $help }),*];
    };
}

const TYPES: &[&str] = &["query", "mutation", "subscription", "unknown"];
const OUTCOMES: &[&str] = &["ok", "refused", "limited", "upstream", "overloaded", "failed", "abandoned", "cut"];
const CODES: &[&str] = <ErrorCode as VariantNames>::VARIANTS;
const LIMITS: &[&str] = &[
    "max_header_bytes",
    "max_body_bytes",
    "max_buffered_body_bytes",
    "max_tokens",
    "max_nesting",
    "max_name_bytes",
    "max_argument_values",
    "max_depth",
    "max_fields",
    "max_aliases",
    "max_root_fields",
    "max_directives",
    "max_introspection_depth",
    "max_operations",
    "max_upstream_calls",
    "max_representations",
    "max_response_fields",
    "max_response_bytes",
    "max_unmask_per_operation",
    "max_errors",
    "max_validation_errors",
    "max_connections",
    "open_files",
    "burst",
];
const STATES: &[&str] = &["closed", "half_open", "open"];
const LISTENERS: &[&str] = &["public", "admin"];
const ROUTES: &[&str] = &[
    "GET /v1/customers",
    "GET /v1/customers/{id}",
    "GET /v1/customers/{id}/unmasked",
    "GET /v1/customers/{id}/review",
    "POST /v1/customers",
    "PUT /v1/customers/{id}",
    "DELETE /v1/customers/{id}",
    "PATCH /v1/customers/{id}/review",
    "PUT /v1/customers/{id}/refresh_review",
];
const ATTEMPT_OUTCOMES: &[&str] = &[
    "ok",
    "unauthenticated",
    "forbidden",
    "not_found",
    "refused",
    "conflict",
    "running",
    "rate_limited",
    "failed",
    "unreachable",
    "interrupted",
    "timed_out",
    "invalid",
    "given_up",
];
const CALL_OUTCOMES: &[&str] = &[
    "ok",
    "unauthenticated",
    "forbidden",
    "not_found",
    "refused",
    "conflict",
    "running",
    "rate_limited",
    "held_back",
    "failed",
    "unreachable",
    "interrupted",
    "timed_out",
    "busy",
    "too_late",
    "open",
    "superseded",
    "invalid",
    "given_up",
];
const RETRIED_OUTCOMES: &[&str] =
    &["conflict", "running", "rate_limited", "failed", "unreachable", "interrupted", "timed_out", "invalid"];
const STORES: &[&str] = &["customers", "reviews", "pages"];

metrics! {
    REQUEST_DURATION: Histogram "gateway_request_duration_seconds"
        [("type", TYPES), ("outcome", OUTCOMES), ("operation", &[])]
        "How long GraphQL requests took, by operation type and outcome; with the operation's name for trusted documents.";
    REQUESTS_IN_FLIGHT: Gauge "gateway_requests_in_flight" []
        "GraphQL requests that are being answered.";
    OPERATIONS_IN_FLIGHT: Gauge "gateway_operations_in_flight" []
        "Operations that hold a place among those that may run at once.";
    OPERATIONS_REJECTED: Counter "gateway_operations_refused_total" [("why", &["full", "share"])]
        "Operations that found no place: the gateway was full, or the caller had its share.";
    REQUESTS_ABANDONED: Counter "gateway_requests_abandoned_total" []
        "Requests whose callers hung up before the answer.";
    ERRORS: Counter "gateway_errors_total" [("code", CODES)]
        "Answers with an error of this code, each code counted once an answer.";
    LIMITS_REACHED: Counter "gateway_bounds_reached_total" [("bound", LIMITS)]
        "How often a bound of the settings was reached.";
    RATE_LIMITED: Counter "gateway_rate_limited_total" [("limit", &["operations", "refused_callers", "unmask"])]
        "Requests that were over a caller's rate.";
    DOCUMENTS_BY_TRUST: Counter "gateway_documents_total" [("trust", &["trusted", "other"])]
        "Documents that were asked for, by whether the manifest lists them.";
    DOCUMENT_LOOKUPS: Counter "gateway_document_reads_total" [("result", &["kept", "read", "refused"])]
        "Documents that were read before, that were read now, and that are over a bound or no GraphQL.";
    CONNECTIONS: Gauge "gateway_connections" [("listener", LISTENERS)]
        "Connections that are held.";
    WRITE_TIMEOUTS: Counter "gateway_write_timeouts_total" []
        "Answers that were given up since their clients did not read them within `server.write_timeout`.";
    CACHE_LOOKUPS: Counter "gateway_cache_lookups_total"
        [("store", STORES), ("result", &["hit", "miss", "shared", "stale", "old"])]
        "Look-ups by store: kept and fresh, loaded, shared with another request's load, given past its time while a new one is loaded, given past its time since none could be had (also counted as miss or shared).";
    CACHE_BYTES: Gauge "gateway_cache_bytes" [("store", STORES)]
        "Memory that kept answers take, estimated.";
    CACHE_ENTRIES: Gauge "gateway_cache_entries" [("store", STORES)]
        "Answers that are kept.";
    CACHE_EVICTIONS: Counter "gateway_cache_evictions_total" [("store", STORES), ("cause", &["size", "expired"])]
        "Kept answers that had to go for want of room, or whose time was over.";
    CACHE_INVALIDATIONS: Counter "gateway_cache_forgotten_total" [("what", &["customer", "pages"])]
        "How often a customer or all pages of a scope were forgotten, after writes.";
    LOADER_BATCH_SIZE: Histogram "gateway_loader_batch_size" [("loader", &["customers", "pages"])]
        "How many things a loader was asked for at once.";
    UPSTREAM_CALLS: Counter "gateway_upstream_calls_total" [("route", ROUTES), ("outcome", CALL_OUTCOMES)]
        "Calls to the upstream, however many attempts each took, by endpoint and outcome.";
    UPSTREAM_CALL_DURATION: Histogram "gateway_upstream_call_seconds" [("route", ROUTES), ("outcome", CALL_OUTCOMES)]
        "How long calls to the upstream took with all their attempts and waits, by endpoint and outcome.";
    UPSTREAM_ATTEMPTS: Counter "gateway_upstream_attempts_total" [("route", ROUTES), ("outcome", ATTEMPT_OUTCOMES)]
        "Requests that went out to the upstream.";
    UPSTREAM_ATTEMPT_DURATION: Histogram "gateway_upstream_attempt_seconds"
        [("route", ROUTES), ("outcome", ATTEMPT_OUTCOMES)]
        "How long one request to the upstream took, from its first byte out to its last byte in.";
    UPSTREAM_RETRIES: Counter "gateway_upstream_retries_total" [("route", ROUTES), ("why", RETRIED_OUTCOMES)]
        "Attempts after the first one, by the outcome that was not good enough.";
    UPSTREAM_RETRIES_SKIPPED: Counter "gateway_upstream_retries_forgone_total"
        [("route", ROUTES), ("why", &["attempts", "deadline", "budget"])]
        "Attempts that could have helped and were not made: for want of attempts, of time, or of budget.";
    UPSTREAM_BREAKER_STATE: Gauge "gateway_upstream_breaker_state" [("state", STATES)]
        "1 for the state that the circuit breaker is in, 0 for the others.";
    UPSTREAM_BREAKER_CHANGES: Counter "gateway_upstream_breaker_changes_total" [("to", STATES)]
        "How often the circuit breaker changed to a state.";
    UPSTREAM_IN_FLIGHT: Gauge "gateway_upstream_in_flight" []
        "Requests to the upstream that are under way.";
    UPSTREAM_QUEUE_LENGTH: Gauge "gateway_upstream_queued" []
        "Calls that wait for a place among those in flight.";
    UPSTREAM_QUEUE_DURATION: Histogram "gateway_upstream_queue_seconds" []
        "How long calls waited for a place, also those that got none.";
    UPSTREAM_CONSECUTIVE_FAILURES: Gauge "gateway_upstream_failures_in_a_row" []
        "Calls that got no answer from the upstream since the last that got one.";
    UPSTREAM_VALUES_MASKED: Counter "gateway_upstream_values_masked_total" [("field", &["dob", "ssn", "ein", "ip_address"])]
        "Values that the upstream sent in clear where masked ones belong, and that the gateway masked.";
    TOKENS_REJECTED: Counter "gateway_tokens_refused_total"
        [("reason", &["missing", "too_long", "malformed", "algorithm", "type", "unknown_key", "signature", "expired",
            "not_yet_valid", "issuer", "audience", "claims", "no_keys"])]
        "Bearer tokens that were refused, by the reason that callers are not told.";
    KEY_LOADS: Counter "gateway_key_loads_total" [("outcome", &["loaded", "failed"])]
        "Loads of the identity provider's keys.";
    KEY_AGE: Gauge "gateway_key_age_seconds" []
        "How long ago the identity provider's keys were loaded; only with auth.mode = \"jwt\".";
    AUDIT_RECORDS: Counter "gateway_audit_records_total" [("outcome", &["written", "too_slow", "failed"])]
        "Audit records by whether they are known to be written.";
    WRITES_IN_FLIGHT: Gauge "gateway_writes_in_flight" []
        "Writes that were begun and not yet ended.";
    LOG_LINES_DROPPED: Counter "gateway_log_lines_dropped_total" []
        "Log lines that were dropped, since the log's reader is slow, stands still or is gone.";
    TRACE_EXPORTS: Counter "gateway_trace_exports_total" [("outcome", &["sent", "failed"])]
        "Batches of spans that were sent to the collector.";
    RELOADS: Counter "gateway_reloads_total" [("outcome", &["done", "failed"])]
        "Reloads of settings by SIGHUP, and of secrets and certificates whose files changed.";
    PANICS: Counter "gateway_panics_total" []
        "Tasks that panicked: always a defect.";
    DRAINING: Gauge "gateway_draining" []
        "1 once the process is going down.";
    TASKS: Gauge "gateway_tasks" []
        "Tasks that live on the runtime.";
    BUILD_INFO: Gauge "gateway_build_info" [("version", &[]), ("rustc", &[]), ("commit", &[])]
        "Always 1: which build this is.";
    START_TIME: Gauge "process_start_time_seconds" []
        "When the process started, since 1970.";
    MEMORY: Gauge "process_resident_memory_bytes" []
        "Memory that the process holds.";
    OPEN_FILES: Gauge "process_open_fds" []
        "Files and sockets that are open.";
}

/// A field of the line that the log has for each request.
#[derive(Clone, Copy, Debug)]
pub struct LogField {
    pub name: &'static str,
    /// One sentence.
    pub help: &'static str,
}

const fn log_field(name: &'static str, help: &'static str) -> LogField {
    LogField { name, help }
}

/// Every field of a request's line.
pub const REQUEST_FIELDS: &[LogField] = &[
    log_field("request_id", "The request's id: also in the answer's header `Request-Id`, in its errors, and upstream."),
    log_field("trace_id", "The trace's id, where traces are on."),
    log_field("method", "The HTTP method."),
    log_field("route", "The route, never the path."),
    log_field(
        "status",
        "The answer's HTTP status; none where there was none, since the caller hung up or the process went down.",
    ),
    log_field("outcome", "As in the metrics: ok, refused, limited, upstream, overloaded, failed, abandoned or cut."),
    log_field("codes", "The codes of the answer's errors."),
    log_field("duration_ms", "How long it took."),
    log_field("operation_type", "query or mutation."),
    log_field("operation_name", "The operation's name, for trusted documents only: any other is the caller's words."),
    log_field("document", "The document's id in the manifest; of any other a digest under `log.digest_key`."),
    log_field("planned_calls", "What it was going to cost: upstream calls with nothing kept."),
    log_field("upstream_calls", "Upstream calls that went out for it, however many attempts each took."),
    log_field("cache_hits", "Answers that were kept and fresh."),
    log_field("shared_calls", "Answers of calls that were made for another request at the same time."),
    log_field(
        "caller",
        "A digest of the caller's token subject or key, under `log.digest_key`; none for anonymous ones.",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_say_what_they_count_and_are_used_once() {
        let mut seen = HashSet::new();
        for metric in METRICS {
            assert!(seen.insert(metric.name), "{} is there twice", metric.name);
            assert_eq!(metric.name.ends_with("_total"), metric.kind == MetricKind::Counter, "{}", metric.name);
            assert!(metric.help.ends_with('.'), "{}", metric.name);
        }
    }
}
