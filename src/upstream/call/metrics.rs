//! What is counted of calls to the Customers API: one function an event, by the names of `telemetry::names`.
//!
//! Labels are routes (templates, not paths), kinds of outcome and reasons: words of this program alone.

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

/// The states of a breaker.
pub const BREAKER_STATES: [&str; 3] = ["closed", "half_open", "open"];

/// Why an attempt that could have helped was not made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RetrySkipped {
    /// As many were made as the settings allow for one call.
    MaxAttempts,
    /// It could not have ended within the deadline.
    Deadline,
    /// Too large a share of the calls are repeated already.
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

/// A call came to its end.
pub fn record_call(route: &'static str, outcome: &'static str, took: Duration) {
    counter!(CALLS, "route" => route, "outcome" => outcome).increment(1);
    histogram!(CALL_DURATION, "route" => route, "outcome" => outcome).record(took);
}

/// A request went out and came to its end.
pub fn record_attempt(route: &'static str, outcome: &'static str, took: Duration) {
    counter!(ATTEMPTS, "route" => route, "outcome" => outcome).increment(1);
    histogram!(ATTEMPT_DURATION, "route" => route, "outcome" => outcome).record(took);
}

/// An attempt is going to be repeated.
pub fn record_retry(route: &'static str, reason: &'static str) {
    counter!(RETRIES, "route" => route, "reason" => reason).increment(1);
}

/// An attempt could have been repeated and is not.
pub fn record_retry_skipped(route: &'static str, reason: RetrySkipped) {
    counter!(RETRIES_SKIPPED, "route" => route, "reason" => reason.name()).increment(1);
}

/// The breaker is in a state; `changed` where it was in another one.
pub fn record_breaker_state(state: &'static str, changed: bool) {
    for each in BREAKER_STATES {
        gauge!(BREAKER_STATE, "state" => each).set(if each == state { 1.0 } else { 0.0 });
    }
    if changed {
        counter!(BREAKER_TRANSITIONS, "state" => state).increment(1);
    }
}

/// A request is under way until this is dropped, also where it is cancelled.
pub fn attempt_started() -> GaugeGuard {
    GaugeGuard::new(gauge!(IN_FLIGHT))
}

/// A value came in clear where a masked one belongs, and was masked.
pub fn record_value_masked(field: &'static str) {
    counter!(MASKED_HERE, "field" => field).increment(1);
}

/// A call has waited for a place.
pub fn record_queue_wait(took: Duration) {
    histogram!(QUEUE_DURATION).record(took);
}
