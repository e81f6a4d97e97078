//! Two tables: all metrics, with their meaning and the values of their labels, and all fields of the request log. Tests
//! compare docs/operations.md, the dashboard and the alerts with them.
//!
//! The values of labels are closed sets. Callers cannot add values. A label without values in the table has the names of
//! trusted documents (a limited number), or values of the build. The last word of a name is the unit.

use strum::VariantNames;

use crate::error::ErrorCode;

/// The type of a metric.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MetricKind {
    /// A number that only grows. Its name ends in `_total`.
    Counter,
    /// A current value.
    Gauge,
    /// A distribution.
    Histogram,
}

/// A label and its values; no values if the table does not know them.
pub type MetricLabel = (&'static str, &'static [&'static str]);

/// A metric of `/metrics`.
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
const OUTCOMES: &[&str] =
    &["ok", "rejected", "rate_limited", "upstream_error", "overloaded", "internal_error", "abandoned", "shutdown"];
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
    "rejected",
    "conflict",
    "in_progress",
    "rate_limited",
    "server_error",
    "unreachable",
    "connection_lost",
    "timed_out",
    "invalid_response",
    "cancelled",
];
const CALL_OUTCOMES: &[&str] = &[
    "ok",
    "unauthenticated",
    "forbidden",
    "not_found",
    "rejected",
    "conflict",
    "in_progress",
    "rate_limited",
    "throttled",
    "server_error",
    "unreachable",
    "connection_lost",
    "timed_out",
    "queue_full",
    "deadline_exceeded",
    "breaker_open",
    "superseded",
    "invalid_response",
    "cancelled",
];
const RETRIED_OUTCOMES: &[&str] = &[
    "conflict",
    "in_progress",
    "rate_limited",
    "server_error",
    "unreachable",
    "connection_lost",
    "timed_out",
    "invalid_response",
];
const STORES: &[&str] = &["customers", "reviews", "pages"];

metrics! {
    REQUEST_DURATION: Histogram "gateway_request_duration_seconds"
        [("type", TYPES), ("outcome", OUTCOMES), ("operation", &[])]
        "Duration of GraphQL requests by operation type and outcome, for trusted documents also by operation name.";
    REQUESTS_IN_FLIGHT: Gauge "gateway_requests_in_flight" []
        "GraphQL requests in progress.";
    OPERATIONS_IN_FLIGHT: Gauge "gateway_operations_in_flight" []
        "Operations that hold a permit of the concurrency limit.";
    OPERATIONS_REJECTED: Counter "gateway_operations_rejected_total" [("reason", &["full", "over_share"])]
        "Operations that got no permit: the gateway was full, or the caller had its share.";
    REQUESTS_ABANDONED: Counter "gateway_requests_abandoned_total" []
        "Requests whose clients disconnected before the response.";
    ERRORS: Counter "gateway_errors_total" [("code", CODES)]
        "Responses with an error of this code. Each code counts once per response.";
    LIMITS_REACHED: Counter "gateway_limits_reached_total" [("limit", LIMITS)]
        "How often a limit was reached.";
    RATE_LIMITED: Counter "gateway_rate_limited_total" [("limit", &["requests", "unauthenticated", "unmask"])]
        "Requests that exceeded the rate limit of a caller.";
    DOCUMENTS_BY_TRUST: Counter "gateway_documents_total" [("trust", &["trusted", "other"])]
        "Requested documents, by whether the manifest lists them.";
    DOCUMENT_LOOKUPS: Counter "gateway_document_lookups_total" [("outcome", &["hit", "miss", "rejected"])]
        "Look-ups of documents: cached, parsed now, or rejected because they exceed a limit or are invalid.";
    CONNECTIONS: Gauge "gateway_connections" [("listener", LISTENERS)]
        "Open connections.";
    WRITE_TIMEOUTS: Counter "gateway_write_timeouts_total" []
        "Responses that were abandoned because their clients did not read them within `server.write_timeout`.";
    CACHE_LOOKUPS: Counter "gateway_cache_lookups_total"
        [("store", STORES), ("outcome", &["hit", "miss", "shared", "stale", "stale_if_error"])]
        "Look-ups by store: cached and fresh, loaded, shared with the load of another request, stale while a new entry is loaded, stale because the load failed (also counted as miss or shared).";
    CACHE_BYTES: Gauge "gateway_cache_bytes" [("store", STORES)]
        "Estimated memory of the cached responses.";
    CACHE_ENTRIES: Gauge "gateway_cache_entries" [("store", STORES)]
        "Cached responses.";
    CACHE_EVICTIONS: Counter "gateway_cache_evictions_total" [("store", STORES), ("reason", &["size", "expired"])]
        "Cached responses that were evicted to free memory, or that expired.";
    CACHE_INVALIDATIONS: Counter "gateway_cache_invalidations_total" [("scope", &["customer", "pages"])]
        "Invalidations of a customer or of all pages of a scope, after writes.";
    LOADER_BATCH_SIZE: Histogram "gateway_loader_batch_size" [("loader", &["customers", "pages"])]
        "Keys in one batch of a loader.";
    UPSTREAM_CALLS: Counter "gateway_upstream_calls_total" [("route", ROUTES), ("outcome", CALL_OUTCOMES)]
        "Upstream calls by endpoint and outcome. A call counts once, whatever its number of attempts.";
    UPSTREAM_CALL_DURATION: Histogram "gateway_upstream_call_duration_seconds"
        [("route", ROUTES), ("outcome", CALL_OUTCOMES)]
        "Duration of upstream calls with all attempts and waits, by endpoint and outcome.";
    UPSTREAM_ATTEMPTS: Counter "gateway_upstream_attempts_total" [("route", ROUTES), ("outcome", ATTEMPT_OUTCOMES)]
        "HTTP requests to the upstream.";
    UPSTREAM_ATTEMPT_DURATION: Histogram "gateway_upstream_attempt_duration_seconds"
        [("route", ROUTES), ("outcome", ATTEMPT_OUTCOMES)]
        "Duration of HTTP requests to the upstream, from the first byte sent to the last byte received.";
    UPSTREAM_RETRIES: Counter "gateway_upstream_retries_total" [("route", ROUTES), ("reason", RETRIED_OUTCOMES)]
        "Attempts after the first one, by the outcome of the attempt before.";
    UPSTREAM_RETRIES_SKIPPED: Counter "gateway_upstream_retries_skipped_total"
        [("route", ROUTES), ("reason", &["max_attempts", "deadline", "budget"])]
        "Retries that were not made because of the limit on attempts, the deadline, or the retry budget.";
    UPSTREAM_BREAKER_STATE: Gauge "gateway_upstream_breaker_state" [("state", STATES)]
        "1 for the current state of the circuit breaker, 0 for the other states.";
    UPSTREAM_BREAKER_TRANSITIONS: Counter "gateway_upstream_breaker_transitions_total" [("state", STATES)]
        "Changes of the circuit breaker to a state.";
    UPSTREAM_IN_FLIGHT: Gauge "gateway_upstream_in_flight" []
        "HTTP requests to the upstream in progress.";
    UPSTREAM_QUEUE_LENGTH: Gauge "gateway_upstream_queued" []
        "Upstream calls that wait for a permit of the concurrency limit.";
    UPSTREAM_QUEUE_DURATION: Histogram "gateway_upstream_queue_duration_seconds" []
        "How long upstream calls waited for a permit, including calls that got none.";
    UPSTREAM_CONSECUTIVE_FAILURES: Gauge "gateway_upstream_consecutive_failures" []
        "Consecutive upstream calls without a response.";
    UPSTREAM_VALUES_MASKED: Counter "gateway_upstream_values_masked_total" [("field", &["dob", "ssn", "ein", "ip_address"])]
        "Values that the upstream sent unmasked although it must mask them, and that the gateway masked.";
    TOKENS_REJECTED: Counter "gateway_tokens_rejected_total"
        [("reason", &["missing", "too_long", "malformed", "algorithm", "type", "unknown_key", "signature", "expired",
            "not_yet_valid", "issuer", "audience", "claims", "no_keys"])]
        "Rejected bearer tokens by reason. Callers do not see the reason.";
    JWKS_LOADS: Counter "gateway_jwks_loads_total" [("outcome", &["ok", "failed"])]
        "Loads of the identity provider's keys.";
    JWKS_AGE: Gauge "gateway_jwks_age_seconds" []
        "Age of the identity provider's keys; only with auth.mode = \"jwt\".";
    AUDIT_RECORDS: Counter "gateway_audit_records_total" [("outcome", &["ok", "timed_out", "failed"])]
        "Audit records by whether the gateway knows that they were written.";
    WRITES_IN_FLIGHT: Gauge "gateway_writes_in_flight" []
        "Writes in progress.";
    LOG_LINES_DROPPED: Counter "gateway_log_lines_dropped_total" []
        "Log lines that were dropped because the reader of the log is slow, stalled or gone.";
    TRACE_EXPORTS: Counter "gateway_trace_exports_total" [("outcome", &["ok", "failed"])]
        "Batches of spans for the collector, by whether it accepted them.";
    RELOADS: Counter "gateway_reloads_total" [("outcome", &["ok", "failed"])]
        "Reloads of settings by SIGHUP, and of secrets and certificates whose files changed.";
    PANICS: Counter "gateway_panics_total" []
        "Panics of tasks. Each one is a defect.";
    DRAINING: Gauge "gateway_draining" []
        "1 while the process drains before it stops.";
    TASKS: Gauge "gateway_tasks" []
        "Tasks of the runtime.";
    BUILD_INFO: Gauge "gateway_build_info" [("version", &[]), ("rustc", &[]), ("commit", &[])]
        "Always 1. The labels identify the build.";
    START_TIME: Gauge "process_start_time_seconds" []
        "Start time of the process in seconds since 1970.";
    MEMORY: Gauge "process_resident_memory_bytes" []
        "Resident memory of the process.";
    OPEN_FILES: Gauge "process_open_fds" []
        "Open files and sockets.";
}

/// A field of the request log.
#[derive(Clone, Copy, Debug)]
pub struct LogField {
    pub name: &'static str,
    /// One sentence.
    pub help: &'static str,
}

const fn log_field(name: &'static str, help: &'static str) -> LogField {
    LogField { name, help }
}

/// All fields of the request log.
pub const REQUEST_FIELDS: &[LogField] = &[
    log_field(
        "request_id",
        "The request's id. It is also in the response header `Request-Id`, in errors, and in calls to the upstream.",
    ),
    log_field("trace_id", "The trace's id, if traces are on."),
    log_field("method", "The HTTP method."),
    log_field("route", "The route, never the path."),
    log_field(
        "status",
        "The HTTP status; missing if there was no response, because the client disconnected or the process stopped.",
    ),
    log_field(
        "outcome",
        "As in the metrics: ok, rejected, rate_limited, upstream_error, overloaded, internal_error, abandoned or shutdown.",
    ),
    log_field("codes", "The codes of the errors in the response."),
    log_field("duration_ms", "The duration of the request."),
    log_field("operation_type", "query or mutation."),
    log_field(
        "operation_name",
        "The operation's name, for trusted documents only. Other names are text of the caller.",
    ),
    log_field("document", "The document's id in the manifest; of other documents a digest under `log.digest_key`."),
    log_field("planned_calls", "The planned upstream calls, if nothing is cached."),
    log_field("upstream_calls", "The upstream calls that were made. Retries do not count."),
    log_field("cache_hits", "Fresh cached responses that were used."),
    log_field("shared_calls", "Upstream calls of other requests whose responses were shared."),
    log_field(
        "caller",
        "A digest of the caller's token subject or key, under `log.digest_key`; missing for anonymous callers.",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn metric_names_are_unique_and_match_their_types() {
        let mut seen = HashSet::new();
        for metric in METRICS {
            assert!(seen.insert(metric.name), "{} is a duplicate", metric.name);
            assert_eq!(metric.name.ends_with("_total"), metric.kind == MetricKind::Counter, "{}", metric.name);
            assert!(metric.help.ends_with('.'), "{}", metric.name);
        }
    }
}
