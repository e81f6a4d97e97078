//! What is seen of calls beside what is counted: a span for each, for how long a request waited for the upstream, and
//! whether the upstream answers at all.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tracing::field::Empty;
use tracing::{Instrument, Span, info_span};

use super::breaker;
use super::error::{Error, Kind};
use crate::telemetry::busy_time::BusyTime;
use crate::telemetry::metrics::as_f64;
use crate::telemetry::names;

/// Whether the upstream answers. A refusal is an answer.
#[derive(Debug, Default)]
pub struct Health {
    failures: AtomicU32,
    pub breaker: breaker::State,
}

impl Health {
    /// How many calls got no answer since the last that got one.
    pub fn failures_in_a_row(&self) -> u32 {
        self.failures.load(Ordering::Relaxed)
    }

    fn note(&self, kind: Option<&Kind>) {
        match kind {
            Some(kind) if kind.is_trouble() || matches!(kind, Kind::NoAnswer(_) | Kind::Invalid(_)) => {
                // It stays where it is once it is too large to add to.
                let more = |failures: u32| failures.checked_add(1);
                let _full = self.failures.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
            }
            // Nothing was asked.
            Some(Kind::Busy | Kind::TooLate | Kind::Open { .. } | Kind::HeldBack { .. } | Kind::Superseded { .. }) => {}
            _ => self.failures.store(0, Ordering::Relaxed),
        }
    }

    /// Tells the metrics.
    pub fn observe(&self) {
        metrics::gauge!(names::UPSTREAM_CONSECUTIVE_FAILURES).set(as_f64(self.failures_in_a_row().into()));
    }
}

/// The outcome of what nobody waited for any more.
const GIVEN_UP: &str = "given_up";

/// Something that is timed until it ends, or until it is dropped since nobody waits for it any more.
pub struct Watched {
    route: &'static str,
    began: Instant,
    /// Tells the metrics.
    tell: fn(&'static str, &'static str, Duration),
    /// Is told the outcome.
    span: Span,
    outcome: &'static str,
}

impl Watched {
    /// It begins now.
    pub fn new(route: &'static str, tell: fn(&'static str, &'static str, Duration), span: Span) -> Self {
        Self { route, began: Instant::now(), tell, span, outcome: GIVEN_UP }
    }

    /// It came to its end; the outcome's name.
    pub fn ended(&mut self, failed: Option<&Error>) -> &'static str {
        self.outcome = failed.map_or("ok", |error| error.kind.name());
        self.outcome
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        (self.tell)(self.route, self.outcome, self.began.elapsed());
        self.span.record("outcome", self.outcome);
    }
}

/// A call from its beginning to its end, with all that it waits for. `route` is the endpoint's template.
pub async fn call<T>(
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
    let _under = waiting.start();
    let mut watched = Watched::new(route, super::metrics::call_ended, span.clone());
    let answered = call.instrument(span.clone()).await;
    let failed = answered.as_ref().err();
    health.note(failed.map(|error| &error.kind));
    watched.ended(failed);
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

    #[tokio::test]
    async fn failures_are_counted_until_the_upstream_answers() {
        let (health, waiting) = (Health::default(), BusyTime::default());
        let ends = async |kind: Option<Kind>| {
            let end = async { kind.map_or(Ok(()), |kind| Err(Error::from(kind))) };
            let _ended = call(&health, &waiting, "GET /", end).await;
            health.failures_in_a_row()
        };
        assert_eq!(ends(Some(Kind::Unreachable(ConnectFailure::ConnectionRefused))).await, 1);
        assert_eq!(ends(Some(Kind::Busy)).await, 1, "nothing was asked");
        assert_eq!(ends(Some(Kind::TimedOut)).await, 2);
        assert_eq!(ends(Some(Kind::NotFound)).await, 0, "that is an answer");
        assert_eq!(ends(Some(Kind::Failed { status: 500, retry_after: None })).await, 1);
        assert_eq!(ends(None).await, 0);
    }
}
