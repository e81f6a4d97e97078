//! What is counted of calls to the Customers API: the names, their labels' closed sets, and one function an event.
//!
//! Labels are routes (templates, not paths), kinds of outcome and reasons: words of this program alone.

use std::time::Duration;

use metrics::{counter, gauge, histogram};

/// Calls as the rest of the gateway makes them, however many attempts each took; `route`, `outcome`.
pub const CALLS: &str = "gateway_upstream_calls_total";
/// How long a call took with its waits and attempts; `route`, `outcome`.
pub const CALL_SECONDS: &str = "gateway_upstream_call_seconds";
/// Requests that went out; `route`, `outcome`.
pub const ATTEMPTS: &str = "gateway_upstream_attempts_total";
/// How long one request took, from its first byte out to its last byte in; `route`, `outcome`.
pub const ATTEMPT_SECONDS: &str = "gateway_upstream_attempt_seconds";
/// Attempts after the first one; `route`, and `why`: the outcome that was not good enough.
pub const RETRIES: &str = "gateway_upstream_retries_total";
/// Attempts that could have helped and were not made; `route`, and `why`: one of [`Forgone`].
pub const RETRIES_FORGONE: &str = "gateway_upstream_retries_forgone_total";
/// 1 for the breaker's `state`, 0 for the two others: `closed`, `half_open`, `open`.
pub const BREAKER_STATE: &str = "gateway_upstream_breaker_state";
/// How often the breaker changed; `to`.
pub const BREAKER_CHANGES: &str = "gateway_upstream_breaker_changes_total";
/// Requests under way.
pub const IN_FLIGHT: &str = "gateway_upstream_in_flight";
/// Calls that wait for a place.
pub const QUEUED: &str = "gateway_upstream_queued";
/// How long calls waited for a place, also those that got none.
pub const QUEUE_SECONDS: &str = "gateway_upstream_queue_seconds";

/// The states of a breaker.
pub const STATES: [&str; 3] = ["closed", "half_open", "open"];

/// Why an attempt that could have helped was not made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Forgone {
    /// As many were made as the settings allow for one call.
    Attempts,
    /// It could not have ended within the deadline.
    Deadline,
    /// Too large a share of the calls are repeated already.
    Budget,
}

impl Forgone {
    fn name(self) -> &'static str {
        match self {
            Self::Attempts => "attempts",
            Self::Deadline => "deadline",
            Self::Budget => "budget",
        }
    }
}

/// A call came to its end.
pub fn call_ended(route: &'static str, outcome: &'static str, took: Duration) {
    counter!(CALLS, "route" => route, "outcome" => outcome).increment(1);
    histogram!(CALL_SECONDS, "route" => route, "outcome" => outcome).record(took);
}

/// A request went out and came to its end.
pub fn attempt_ended(route: &'static str, outcome: &'static str, took: Duration) {
    counter!(ATTEMPTS, "route" => route, "outcome" => outcome).increment(1);
    histogram!(ATTEMPT_SECONDS, "route" => route, "outcome" => outcome).record(took);
}

/// An attempt is going to be repeated.
pub fn retried(route: &'static str, why: &'static str) {
    counter!(RETRIES, "route" => route, "why" => why).increment(1);
}

/// An attempt could have been repeated and is not.
pub fn forgone(route: &'static str, why: Forgone) {
    counter!(RETRIES_FORGONE, "route" => route, "why" => why.name()).increment(1);
}

/// The breaker is in a state; `changed` where it was in another one.
pub fn breaker_is(state: &'static str, changed: bool) {
    for each in STATES {
        gauge!(BREAKER_STATE, "state" => each).set(if each == state { 1.0 } else { 0.0 });
    }
    if changed {
        counter!(BREAKER_CHANGES, "to" => state).increment(1);
    }
}

/// A call has waited for a place.
pub fn waited_for_place(took: Duration) {
    histogram!(QUEUE_SECONDS).record(took);
}

/// One more of a gauge until it is dropped, also where whoever holds it is cancelled.
#[derive(Debug)]
pub struct OneMore(&'static str);

impl OneMore {
    /// One more of [`IN_FLIGHT`] or [`QUEUED`].
    pub fn of(name: &'static str) -> Self {
        gauge!(name).increment(1.0);
        Self(name)
    }
}

impl Drop for OneMore {
    fn drop(&mut self) {
        gauge!(self.0).decrement(1.0);
    }
}
