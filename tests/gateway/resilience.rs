//! Failures of the upstream: what the caller gets, how many calls are sent, and that a write takes effect once.
//!
//! Timeouts are short here. Tests measure time only to prove that a longer limit was not waited for.

mod breaker;
mod crowd;
mod deadline;
mod gone;
mod http2;
mod old;
mod reads;
mod superseded;
mod unreachable;
mod writes;

use std::time::Duration;

use customers_gateway::config::Settings;
use serde_json::Value;

/// Settings with quick retries, and with a circuit breaker that stays closed.
fn patient(settings: &mut Settings) {
    settings.server.deadline = Duration::from_secs(20);
    settings.upstream.timeout = Duration::from_millis(400);
    settings.upstream.retry.max_attempts = 3;
    settings.upstream.breaker.min_calls = 100_000;
}

/// The code of the first error.
fn code(answer: &Value) -> &str {
    answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_else(|| panic!("no error: {answer}"))
}

/// A query for the name of a customer.
fn name_of(id: impl std::fmt::Display) -> String {
    format!("{{ customer(id: \"{id}\") {{ name }} }}")
}
