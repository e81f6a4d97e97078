//! Leaves an upstream alone that is failing: for a moment nothing is sent, then one probe, then all again.
//!
//! The state machine is the crate's. What is ours is what counts as a failure ([`ErrorKind::counts_for_breaker`]), and to keep it in
//! one place: it is young. Its window by count never forgets (it adds up since the last change), so ours is by time.
//! Half-open it has no clock: it closes when as many probes as there are have succeeded within the window, and a probe
//! that has ended gives its place to no other. With two of them and little traffic the first success is forgotten before
//! the second one comes, and nothing is ever let through again. So there is one: it closes, opens, or was given up, and
//! then its place is free.
//!
//! It also takes the outcome of a call that it let through long ago for news. An attempt that hung while the breaker
//! opened would, when its time is up, end the probe's turn by its failure or close the breaker by its success. So what was let
//! through before the last change goes past it.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::oneshot;
use tower::{Service, ServiceExt, service_fn};
use tower_resilience_circuitbreaker::{
    CircuitBreakerConfigError, CircuitBreakerError, CircuitBreakerLayer, CircuitState,
};
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

/// How many calls are let through then, and have to succeed. More can lock it: see above.
const PROBE_CALLS: usize = 1;

/// Settings that no breaker can be built of.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct InvalidBreakerSettings(#[from] CircuitBreakerConfigError);

/// The state that a breaker is in, as of the last call that asked it. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct BreakerState(Arc<AtomicUsize>);

impl BreakerState {
    /// Its name: one of [`metrics::BREAKER_STATES`].
    pub fn name(&self) -> &'static str {
        metrics::BREAKER_STATES.get(self.0.load(Ordering::Relaxed)).copied().unwrap_or_default()
    }

    fn change(&self, to: CircuitState) {
        let place = match to {
            CircuitState::Closed => 0,
            CircuitState::HalfOpen => 1,
            CircuitState::Open => 2,
        };
        self.0.store(place, Ordering::Relaxed);
        metrics::record_breaker_state(self.name(), true);
        match to {
            CircuitState::Open => warn!(state = self.name(), "the upstream fails: it is left alone for a moment"),
            CircuitState::HalfOpen | CircuitState::Closed => info!(state = self.name(), "the breaker changed"),
        }
    }
}

/// A service behind a breaker, which keeps `state` up to date. Clones share it.
///
/// # Errors
/// Where the settings make no breaker.
pub fn with_breaker<S, Request>(
    inner: S,
    settings: Settings,
    state: BreakerState,
) -> Result<
    impl Service<Request, Response = S::Response, Error = Error, Future: Send> + Clone + Send + Sync + 'static,
    InvalidBreakerSettings,
>
where
    S: Service<Request, Error = Error, Future: Send + 'static, Response: Send + 'static>
        + Clone
        + Send
        + Sync
        + 'static,
    Request: Send + 'static,
{
    let is_failure =
        |outcome: &Result<S::Response, Error>| outcome.as_ref().is_err_and(|error| error.kind.counts_for_breaker());
    let changes = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&changes);
    metrics::record_breaker_state(state.name(), false);
    let layer = CircuitBreakerLayer::builder()
        .failure_rate_threshold(f64::from(settings.failures_percent) / 100.0)
        .sliding_window_type(tower_resilience_circuitbreaker::SlidingWindowType::TimeBased)
        .sliding_window_duration(settings.window)
        .minimum_number_of_calls(settings.min_calls)
        .wait_duration_in_open(settings.open)
        .permitted_calls_in_half_open(PROBE_CALLS)
        .on_state_transition(move |_, to| {
            counted.fetch_add(1, Ordering::SeqCst);
            state.change(to);
        })
        .failure_classifier(is_failure)
        .build()?;
    let retry_after = settings.open;
    let guarded = layer.layer_fn(service_fn(move |AdmittedCall { request, bypass: late }| {
        let (inner, changes) = (inner.clone(), Arc::clone(&changes));
        async move {
            let admitted = changes.load(Ordering::SeqCst);
            let outcome = inner.oneshot(request).await;
            if changes.load(Ordering::SeqCst) == admitted {
                return outcome;
            }
            // Nobody listens any more, or the breaker is let go of: both end this.
            let _gone = late.send(outcome);
            pending().await
        }
    }));
    Ok(service_fn(move |request| {
        let guarded = guarded.clone();
        async move {
            let (late, past) = oneshot::channel();
            tokio::select! {
                biased;
                Ok(outcome) = past => outcome,
                outcome = guarded.oneshot(AdmittedCall { request, bypass: late }) => outcome.map_err(|error| match error {
                    CircuitBreakerError::Inner(error) => error,
                    CircuitBreakerError::OpenCircuit => ErrorKind::BreakerOpen { retry_after }.into(),
                }),
            }
        }
    }))
}

/// A call that the breaker looks at, and the way past it for an outcome that comes too late to say anything.
struct AdmittedCall<Request, Outcome> {
    request: Request,
    bypass: oneshot::Sender<Outcome>,
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use super::*;
    use futures_util::future::join_all;
    use tokio::sync::watch;
    use tokio::time::timeout;

    const SETTINGS: Settings = Settings {
        failures_percent: 50,
        min_calls: 4,
        window: Duration::from_secs(60),
        open: Duration::from_millis(20),
    };

    /// What the upstream does next.
    #[derive(Clone)]
    enum Does {
        Answers,
        Fails,
        Refuses,
        Babbles,
        Hangs,
    }

    /// A service behind a breaker, what it does, and how many calls reached it.
    fn breaker(
        settings: Settings,
    ) -> (
        impl Service<(), Response = (), Error = Error, Future: Send> + Clone + Send + Sync + 'static,
        watch::Sender<Does>,
        Arc<AtomicUsize>,
    ) {
        let (does, script) = watch::channel(Does::Fails);
        let reached = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&reached);
        let service = service_fn(move |()| {
            count.fetch_add(1, Ordering::SeqCst);
            let does = script.borrow().clone();
            async move {
                match does {
                    Does::Answers => Ok(()),
                    Does::Fails => Err(Error::from(ErrorKind::Failed { status: 503, retry_after: None })),
                    Does::Refuses => Err(Error::from(ErrorKind::RateLimited { retry_after: None })),
                    Does::Babbles => Err(Error::from(ErrorKind::MalformedSuccess("x"))),
                    Does::Hangs => std::future::pending().await,
                }
            }
        });
        (with_breaker(service, settings, BreakerState::default()).expect("a breaker"), does, reached)
    }

    fn is_open(outcome: Result<(), Error>) -> bool {
        outcome.is_err_and(|error| matches!(error.kind, ErrorKind::BreakerOpen { .. }))
    }

    #[tokio::test]
    async fn half_open_lets_one_of_ten_concurrent_calls_through() {
        let (breaker, does, reached) = breaker(SETTINGS);
        for _ in 0..4 {
            assert!(breaker.clone().oneshot(()).await.is_err());
        }
        assert!(is_open(breaker.clone().oneshot(()).await));
        assert_eq!(reached.swap(0, Ordering::SeqCst), 4);
        tokio::time::sleep(SETTINGS.open * 2).await;
        does.send_replace(Does::Hangs);
        let ten = (0..10).map(|_| timeout(Duration::from_millis(50), breaker.clone().oneshot(())));
        let refused = join_all(ten).await.into_iter().filter_map(Result::ok).filter(|told| is_open(told.clone()));
        assert_eq!((refused.count(), reached.load(Ordering::SeqCst)), (9, 1));
        // The one that hung was cancelled: its place is free, and the next one closes the breaker.
        does.send_replace(Does::Answers);
        for _ in 0..10 {
            assert!(breaker.clone().oneshot(()).await.is_ok());
        }
    }

    #[tokio::test]
    async fn cancelled_calls_are_not_failures() {
        let (breaker, does, reached) = breaker(SETTINGS);
        does.send_replace(Does::Hangs);
        let thirty = (0..30).map(|_| timeout(Duration::from_millis(10), breaker.clone().oneshot(())));
        assert!(join_all(thirty).await.iter().all(Result::is_err));
        does.send_replace(Does::Answers);
        assert!(breaker.clone().oneshot(()).await.is_ok());
        assert_eq!(reached.load(Ordering::SeqCst), 31);
    }

    #[tokio::test]
    async fn rejections_are_not_failures() {
        let (breaker, does, reached) = breaker(SETTINGS);
        does.send_replace(Does::Refuses);
        for _ in 0..30 {
            assert!(!is_open(breaker.clone().oneshot(()).await));
        }
        assert_eq!(reached.load(Ordering::SeqCst), 30);
    }

    #[tokio::test]
    async fn malformed_successes_open_the_breaker() {
        let (breaker, does, reached) = breaker(SETTINGS);
        does.send_replace(Does::Babbles);
        for _ in 0..4 {
            assert!(!is_open(breaker.clone().oneshot(()).await));
        }
        assert!(is_open(breaker.clone().oneshot(()).await));
        assert_eq!(reached.load(Ordering::SeqCst), 4);
    }

    #[tokio::test]
    async fn a_failed_probe_reopens_the_breaker() {
        let (breaker, _, reached) = breaker(SETTINGS);
        for _ in 0..4 {
            assert!(breaker.clone().oneshot(()).await.is_err());
        }
        tokio::time::sleep(SETTINGS.open * 2).await;
        assert!(!is_open(breaker.clone().oneshot(()).await));
        assert!(is_open(breaker.clone().oneshot(()).await));
        assert_eq!(reached.load(Ordering::SeqCst), 5);
    }

    #[tokio::test]
    async fn calls_further_apart_than_the_window_close_it() {
        let window = Duration::from_millis(30);
        let (breaker, does, reached) = breaker(Settings { window, ..SETTINGS });
        for _ in 0..4 {
            assert!(breaker.clone().oneshot(()).await.is_err());
        }
        does.send_replace(Does::Answers);
        for _ in 0..6 {
            tokio::time::sleep(window * 2).await;
            assert!(breaker.clone().oneshot(()).await.is_ok());
        }
        assert_eq!(reached.load(Ordering::SeqCst), 10);
    }

    #[tokio::test]
    async fn a_probe_that_is_refused_was_answered_and_closes_it() {
        let (breaker, does, reached) = breaker(SETTINGS);
        for _ in 0..4 {
            assert!(breaker.clone().oneshot(()).await.is_err());
        }
        tokio::time::sleep(SETTINGS.open * 2).await;
        does.send_replace(Does::Refuses);
        for _ in 0..4 {
            assert!(!is_open(breaker.clone().oneshot(()).await));
        }
        assert_eq!(reached.load(Ordering::SeqCst), 8);
    }

    #[tokio::test]
    async fn calls_admitted_before_opening_do_not_decide_the_probe() {
        // Long enough that a busy machine does not let it pass between two lines.
        let settings = Settings { open: Duration::from_millis(300), ..SETTINGS };
        for late in [Ok(()), Err(Error::from(ErrorKind::TimedOut))] {
            let failed = || Err(Error::from(ErrorKind::Failed { status: 503, retry_after: None }));
            let (straggles, straggler) = oneshot::channel::<Result<(), Error>>();
            let (probes, probe) = oneshot::channel();
            let mut script = VecDeque::from([straggler]);
            script.extend((0..4).map(|_| {
                let (fails, failure) = oneshot::channel();
                fails.send(failed()).expect("it is kept");
                failure
            }));
            script.push_back(probe);
            let script = Arc::new(Mutex::new(script));
            let service = service_fn(move |()| {
                let next = script.lock().expect("whole").pop_front().expect("no more calls than these");
                async move { next.await.expect("it is told") }
            });
            let breaker = with_breaker(service, settings, BreakerState::default()).expect("a breaker");
            let call = || tokio::spawn(breaker.clone().oneshot(()));
            let straggler = call();
            tokio::task::yield_now().await;
            for _ in 0..4 {
                assert!(breaker.clone().oneshot(()).await.is_err());
            }
            tokio::time::sleep(settings.open * 2).await;
            let probe = call();
            tokio::time::sleep(Duration::from_millis(5)).await;
            straggles.send(late.clone()).expect("it is waited for");
            assert_eq!(straggler.await.expect("its task ends").is_ok(), late.is_ok(), "its caller is told");
            // Neither closed nor open again: the probe is under way, and nobody else gets through.
            tokio::time::sleep(settings.open * 2).await;
            assert!(is_open(breaker.clone().oneshot(()).await));
            probes.send(failed()).expect("it is waited for");
            assert!(probe.await.expect("its task ends").is_err());
            assert!(is_open(breaker.clone().oneshot(()).await));
        }
    }

    #[tokio::test]
    async fn old_successes_do_not_keep_the_breaker_closed() {
        let (breaker, does, _) = breaker(Settings { window: Duration::from_millis(100), ..SETTINGS });
        does.send_replace(Does::Answers);
        for _ in 0..1000 {
            assert!(breaker.clone().oneshot(()).await.is_ok());
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
        does.send_replace(Does::Fails);
        for _ in 0..4 {
            assert!(breaker.clone().oneshot(()).await.is_err());
        }
        assert!(is_open(breaker.clone().oneshot(()).await));
    }
}
