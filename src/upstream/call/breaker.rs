//! The circuit breaker: stops calls to an upstream that fails, and probes it with one call before it lets all calls
//! through again.
//!
//! - Closed: calls pass, and their outcomes are counted. If enough calls of the window failed, the breaker opens.
//! - Open: no call passes until [`Settings::open`] has elapsed. Then the breaker is half-open.
//! - Half-open: one call passes, the probe. Its outcome closes or opens the breaker. If the probe is cancelled, the
//!   next call is the probe.
//!
//! A call that is cancelled has no outcome. A call that was admitted before the last change of state does not count: an
//! attempt that hung while the breaker opened must not decide in place of the probe. [`ErrorKind::counts_for_breaker`]
//! says which outcomes are failures.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::setting;
use crate::upstream::call::metrics;
use crate::upstream::error::{Error, ErrorKind};

/// When it opens and for how long; see `[upstream]` in `config/default.toml`.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Settings {
    /// Which share of the calls has to fail, in percent.
    #[serde(rename = "breaker_failures_percent", deserialize_with = "setting::within::<_, _, 1, 100>")]
    pub failures_percent: u8,
    /// Among how many calls at least.
    #[serde(rename = "breaker_min_calls", deserialize_with = "setting::positive")]
    pub min_calls: usize,
    /// Within which time.
    #[serde(rename = "breaker_window", deserialize_with = "setting::positive_duration")]
    pub window: Duration,
    /// For how long nothing is sent.
    #[serde(rename = "breaker_open_duration", deserialize_with = "setting::positive_duration")]
    pub open: Duration,
}

/// A circuit breaker. Clones share its state.
#[derive(Clone, Debug)]
pub struct CircuitBreaker {
    settings: Settings,
    machine: Arc<Mutex<StateMachine>>,
}

#[derive(Debug)]
struct StateMachine {
    state: State,
    /// Number of changes of state. A call whose number is older does not count.
    changes: u64,
    /// The outcomes since the last change of state.
    window: Window,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed,
    Open { since: Instant },
    HalfOpen { has_probe: bool },
}

impl CircuitBreaker {
    /// A breaker that is closed.
    pub fn new(settings: Settings) -> Self {
        let machine = StateMachine { state: State::Closed, changes: 0, window: Window::new(settings.window) };
        metrics::record_breaker_state(machine.state.name(), false);
        Self { settings, machine: Arc::new(Mutex::new(machine)) }
    }

    /// The name of the current state: one of [`metrics::BREAKER_STATES`]. An open breaker becomes half-open at the
    /// first call after its time.
    pub fn state(&self) -> &'static str {
        self.lock().state.name()
    }

    /// Makes a call if the state permits it, and counts its outcome.
    ///
    /// # Errors
    /// Those of the call; [`ErrorKind::BreakerOpen`] if it was not made.
    pub async fn call<T>(&self, call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let admission = self.admit()?;
        let outcome = call.await;
        admission.record(outcome.as_ref().is_err_and(|error| error.kind.counts_for_breaker()));
        outcome
    }

    fn admit(&self) -> Result<Admission<'_>, ErrorKind> {
        let mut machine = self.lock();
        if matches!(machine.state, State::Open { since } if since.elapsed() >= self.settings.open) {
            machine.change(State::HalfOpen { has_probe: false });
        }
        match &mut machine.state {
            State::Closed => {}
            State::HalfOpen { has_probe } if !*has_probe => *has_probe = true,
            State::Open { .. } | State::HalfOpen { .. } => {
                return Err(ErrorKind::BreakerOpen { retry_after: self.settings.open });
            }
        }
        Ok(Admission { breaker: self, changes: machine.changes })
    }

    fn lock(&self) -> MutexGuard<'_, StateMachine> {
        // No code panics while it holds the lock, so a poisoned state is a whole one.
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StateMachine {
    fn change(&mut self, state: State) {
        self.state = state;
        self.changes += 1;
        self.window = Window::new(self.window.duration);
        metrics::record_breaker_state(state.name(), true);
        match state {
            State::Open { .. } => warn!(state = state.name(), "circuit breaker opened: the upstream is failing"),
            State::HalfOpen { .. } | State::Closed => info!(state = state.name(), "circuit breaker changed state"),
        }
    }
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen { .. } => "half_open",
            Self::Open { .. } => "open",
        }
    }
}

/// A call that the breaker let through.
struct Admission<'a> {
    breaker: &'a CircuitBreaker,
    changes: u64,
}

impl Admission<'_> {
    fn record(&self, is_failure: bool) {
        let settings = &self.breaker.settings;
        let mut machine = self.breaker.lock();
        if machine.changes != self.changes {
            return;
        }
        let opens = match machine.state {
            State::HalfOpen { .. } if is_failure => true,
            State::HalfOpen { .. } => return machine.change(State::Closed),
            State::Closed => {
                let Outcomes { calls, failures } = machine.window.record(is_failure);
                let is_too_often =
                    failures.saturating_mul(100) >= calls.saturating_mul(settings.failures_percent.into());
                calls >= settings.min_calls && is_too_often
            }
            State::Open { .. } => false,
        };
        if opens {
            machine.change(State::Open { since: Instant::now() });
        }
    }
}

impl Drop for Admission<'_> {
    /// A probe that was cancelled makes room for the next one. A recorded probe has changed the state.
    fn drop(&mut self) {
        let mut machine = self.breaker.lock();
        if machine.changes == self.changes && matches!(machine.state, State::HalfOpen { .. }) {
            machine.state = State::HalfOpen { has_probe: false };
        }
    }
}

/// Into how many parts of equal duration a window is divided.
const BUCKETS: usize = 10;

/// The outcomes within a time. Each call costs one pass over at most [`BUCKETS`] counters, however many calls there
/// are. In return an outcome counts for 90 to 100 % of the time.
#[derive(Debug)]
struct Window {
    duration: Duration,
    started: Instant,
    /// The oldest first. The last one is in use.
    buckets: VecDeque<Outcomes>,
    /// The number of buckets since `started`.
    number: u128,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Outcomes {
    calls: usize,
    failures: usize,
}

impl Window {
    fn new(duration: Duration) -> Self {
        Self { duration, started: Instant::now(), buckets: VecDeque::from([Outcomes::default()]), number: 0 }
    }

    /// Counts an outcome, and returns all that are within the window.
    fn record(&mut self, is_failure: bool) -> Outcomes {
        let bucket_nanos = (self.duration.as_nanos() / BUCKETS as u128).max(1);
        let number = self.started.elapsed().as_nanos() / bucket_nanos;
        for _ in (self.number..number).take(BUCKETS) {
            self.buckets.push_back(Outcomes::default());
        }
        self.number = number;
        self.buckets.drain(..self.buckets.len().saturating_sub(BUCKETS));
        if let Some(bucket) = self.buckets.back_mut() {
            bucket.calls += 1;
            bucket.failures += usize::from(is_failure);
        }
        self.buckets.iter().fold(Outcomes::default(), |sum, bucket| Outcomes {
            calls: sum.calls + bucket.calls,
            failures: sum.failures + bucket.failures,
        })
    }
}

#[cfg(test)]
mod tests;
