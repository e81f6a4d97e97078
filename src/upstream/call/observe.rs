//! Observes upstream calls: a span for each call, the waiting time of a request, and the health of the upstream.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tracing::field::Empty;
use tracing::{Instrument, Span, info_span};

use crate::telemetry::busy_time::BusyTime;
use crate::telemetry::metrics::as_f64;
use crate::telemetry::names;
use crate::upstream::call::breaker::CircuitBreaker;
use crate::upstream::error::{Error, ErrorKind};

/// Whether the upstream responds. A rejection is a response.
#[derive(Debug)]
pub struct Health {
    consecutive_failures: AtomicU32,
    breaker: CircuitBreaker,
}

impl Health {
    /// The health of an upstream that was not called yet.
    pub fn new(breaker: CircuitBreaker) -> Self {
        Self { consecutive_failures: AtomicU32::new(0), breaker }
    }

    /// The state of the circuit breaker.
    pub fn breaker_state(&self) -> &'static str {
        self.breaker.state()
    }

    /// The number of calls without a response since the last response.
    pub fn consecutive_failures(&self) -> u32 {
        self.consecutive_failures.load(Ordering::Relaxed)
    }

    fn record(&self, kind: Option<&ErrorKind>) {
        match kind {
            Some(kind)
                if kind.is_unavailable() || matches!(kind, ErrorKind::MalformedSuccess(_) | ErrorKind::Invalid(_)) =>
            {
                // At its largest value the counter stays as it is.
                let more = |failures: u32| failures.checked_add(1);
                let _full = self.consecutive_failures.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
            }
            // Nothing was sent.
            Some(
                ErrorKind::QueueFull
                | ErrorKind::DeadlineExceeded
                | ErrorKind::BreakerOpen { .. }
                | ErrorKind::Throttled { .. }
                | ErrorKind::Superseded { .. },
            ) => {}
            _ => self.consecutive_failures.store(0, Ordering::Relaxed),
        }
    }

    /// Sets the gauge of consecutive failures.
    pub fn record_metrics(&self) {
        metrics::gauge!(names::UPSTREAM_CONSECUTIVE_FAILURES).set(as_f64(self.consecutive_failures().into()));
    }
}

/// The outcome of a cancelled call.
const CANCELLED: &str = "cancelled";

/// Measures a call or an attempt until it ends or is cancelled.
pub struct CallTimer {
    route: &'static str,
    started: Instant,
    /// Records the route, the outcome and the duration.
    record: fn(&'static str, &'static str, Duration),
    /// Gets the outcome as a field.
    span: Span,
    outcome: &'static str,
}

impl CallTimer {
    /// A timer that starts now.
    pub fn new(route: &'static str, record: fn(&'static str, &'static str, Duration), span: Span) -> Self {
        Self { route, started: Instant::now(), record, span, outcome: CANCELLED }
    }

    /// Sets the outcome, and returns its name.
    pub fn finish(&mut self, failed: Option<&Error>) -> &'static str {
        self.outcome = failed.map_or("ok", |error| error.kind.name());
        self.outcome
    }
}

impl Drop for CallTimer {
    fn drop(&mut self) {
        (self.record)(self.route, self.outcome, self.started.elapsed());
        self.span.record("outcome", self.outcome);
    }
}

/// Runs a call, waits and retries included, in a span, and records its outcome. `route` is the template of the
/// endpoint.
pub async fn timed_call<T>(
    health: &Health,
    waiting: &BusyTime,
    route: &'static str,
    call: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let span = info_span!(
        "upstream call",
        otel.name = route,
        otel.kind = "client",
        otel.status_code = Empty,
        outcome = Empty,
        upstream_request_id = Empty,
    );
    let _busy = waiting.start();
    let mut timer = CallTimer::new(route, crate::upstream::call::metrics::record_call, span.clone());
    let answered = call.instrument(span.clone()).await;
    let failed = answered.as_ref().err();
    health.record(failed.map(|error| &error.kind));
    timer.finish(failed);
    if let Some(error) = failed {
        span.record("otel.status_code", "ERROR");
        span.record("upstream_request_id", error.api_request_id.map(tracing::field::display));
    }
    answered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::ConnectFailure;
    use crate::upstream::call::breaker;

    #[tokio::test]
    async fn failures_are_counted_until_the_upstream_answers() {
        let minute = Duration::from_secs(60);
        let settings = breaker::Settings { failures_percent: 50, min_calls: 100, window: minute, open: minute };
        let (health, waiting) = (Health::new(CircuitBreaker::new(settings)), BusyTime::default());
        let ends = async |kind: Option<ErrorKind>| {
            let end = async { kind.map_or(Ok(()), |kind| Err(Error::from(kind))) };
            let _ended = timed_call(&health, &waiting, "GET /", end).await;
            health.consecutive_failures()
        };
        assert_eq!(ends(Some(ErrorKind::Unreachable(ConnectFailure::ConnectionRefused))).await, 1);
        assert_eq!(ends(Some(ErrorKind::QueueFull)).await, 1, "nothing was sent");
        assert_eq!(ends(Some(ErrorKind::TimedOut)).await, 2);
        assert_eq!(ends(Some(ErrorKind::NotFound)).await, 0, "that is a response");
        assert_eq!(ends(Some(ErrorKind::Failed { status: 500, retry_after: None })).await, 1);
        assert_eq!(ends(None).await, 0);
    }
}
