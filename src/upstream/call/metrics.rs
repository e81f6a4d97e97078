//! Metrics of upstream calls: one function for each event. `telemetry::names` has the names of the metrics.
//!
//! Labels are routes (templates, not paths), outcomes and reasons, from closed sets.

use std::time::Duration;

use metrics::{counter, gauge, histogram};

use crate::telemetry::metrics::GaugeGuard;
use crate::telemetry::names::{
    UPSTREAM_ATTEMPT_DURATION as ATTEMPT_DURATION, UPSTREAM_ATTEMPTS as ATTEMPTS,
    UPSTREAM_BREAKER_STATE as BREAKER_STATE, UPSTREAM_BREAKER_TRANSITIONS as BREAKER_TRANSITIONS,
    UPSTREAM_CALL_DURATION as CALL_DURATION, UPSTREAM_CALLS as CALLS, UPSTREAM_IN_FLIGHT as IN_FLIGHT,
    UPSTREAM_QUEUE_DURATION as QUEUE_DURATION, UPSTREAM_RETRIES as RETRIES,
    UPSTREAM_RETRIES_SKIPPED as RETRIES_SKIPPED, UPSTREAM_VALUES_MASKED as MASKED_HERE,
};

/// The states of the circuit breaker.
pub const BREAKER_STATES: [&str; 3] = ["closed", "half_open", "open"];

/// Why a call was not retried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RetrySkipped {
    /// The call has made as many attempts as the settings allow.
    MaxAttempts,
    /// The retry could not end before the deadline.
    Deadline,
    /// The retry budget is used up.
    Budget,
}

impl RetrySkipped {
    fn name(self) -> &'static str {
        match self {
            Self::MaxAttempts => "max_attempts",
            Self::Deadline => "deadline",
            Self::Budget => "budget",
        }
    }
}

/// A call ended.
pub fn record_call(route: &'static str, outcome: &'static str, took: Duration) {
    counter!(CALLS, "route" => route, "outcome" => outcome).increment(1);
    histogram!(CALL_DURATION, "route" => route, "outcome" => outcome).record(took);
}

/// An attempt ended.
pub fn record_attempt(route: &'static str, outcome: &'static str, took: Duration) {
    counter!(ATTEMPTS, "route" => route, "outcome" => outcome).increment(1);
    histogram!(ATTEMPT_DURATION, "route" => route, "outcome" => outcome).record(took);
}

/// A retry starts. `reason` is the outcome of the attempt before.
pub fn record_retry(route: &'static str, reason: &'static str) {
    counter!(RETRIES, "route" => route, "reason" => reason).increment(1);
}

/// A call that could be retried is not.
pub fn record_retry_skipped(route: &'static str, reason: RetrySkipped) {
    counter!(RETRIES_SKIPPED, "route" => route, "reason" => reason.name()).increment(1);
}

/// The state of the circuit breaker. `changed` is false at the start.
pub fn record_breaker_state(state: &'static str, changed: bool) {
    for each in BREAKER_STATES {
        gauge!(BREAKER_STATE, "state" => each).set(if each == state { 1.0 } else { 0.0 });
    }
    if changed {
        counter!(BREAKER_TRANSITIONS, "state" => state).increment(1);
    }
}

/// An attempt is in flight until the guard is dropped, also if it is cancelled.
pub fn attempt_started() -> GaugeGuard {
    GaugeGuard::new(gauge!(IN_FLIGHT))
}

/// The upstream sent an unmasked value where a masked one is required, and the gateway masked it.
pub fn record_value_masked(field: &'static str) {
    counter!(MASKED_HERE, "field" => field).increment(1);
}

/// A call has waited in the queue of the concurrency limit.
pub fn record_queue_wait(took: Duration) {
    histogram!(QUEUE_DURATION).record(took);
}
