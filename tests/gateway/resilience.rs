//! The upstream does what upstreams do: what the caller gets, how many calls went out, and that a write happens once.
//!
//! Times are short here, and no test looks at the clock but to see that it does not wait for a longer bound.

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

/// Settings under which a call is sent again, soon, and the breaker stays closed.
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

/// The name of somebody.
fn name_of(id: impl std::fmt::Display) -> String {
    format!("{{ customer(id: \"{id}\") {{ name }} }}")
}
