//! The stack over a scripted upstream, with paused time.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use http::{HeaderMap, Method};
use tokio::time::Instant;

use crate::outbound::ConnectFailure;
use crate::upstream::call::deadline::Deadline;
use crate::upstream::call::recheck::Recheck;
use crate::upstream::call::stack::*;
use crate::upstream::error::Rejection;

const DEADLINE: Duration = Duration::from_secs(10);

fn settings() -> Settings {
    Settings {
        attempt_timeout: Duration::from_secs(4),
        retry: retry::Settings { max_attempts: 3, budget_percent: 20 },
        breaker: breaker::Settings {
            failures_percent: 50,
            min_calls: 1000,
            window: Duration::from_secs(10),
            open: Duration::from_secs(2),
        },
        concurrency: concurrency::Settings { max_in_flight: 2, max_queue: 1, queue_timeout: Duration::from_secs(5) },
        write_grace: DEADLINE,
    }
}

/// What the upstream does with one attempt: answers after a time, or never.
type Step = (u64, Result<(), ErrorKind>);

const HANGS: Step = (u64::MAX, Ok(()));

struct Upstream {
    stack: Stack,
    calls: Arc<AtomicU64>,
    began: Instant,
}

impl Upstream {
    /// An upstream that takes these steps, and hangs after them.
    fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self::with(&settings(), steps)
    }

    /// The same under other settings.
    fn with(settings: &Settings, steps: impl IntoIterator<Item = Step>) -> Self {
        let steps = Arc::new(Mutex::new(steps.into_iter().collect::<VecDeque<Step>>()));
        let exchange = service_fn(move |request: Request| {
            request.calls.fetch_add(1, Ordering::SeqCst);
            let (millis, outcome) = steps.lock().expect("no step panics").pop_front().unwrap_or(HANGS);
            async move {
                tokio::time::sleep(Duration::from_millis(millis)).await;
                // It is the API, with nothing in front of it.
                outcome.map_err(|kind| Error {
                    is_from_api: matches!(kind, ErrorKind::Rejected(_) | ErrorKind::NotFound),
                    ..Error::from(kind)
                })?;
                Ok(UpstreamResponse { content: Ok(Box::new(())), bytes: 0 })
            }
        });
        let stack = build(exchange, settings, CircuitBreaker::new(settings.breaker));
        Self { stack, calls: Arc::default(), began: Instant::now() }
    }

    async fn send(&self, method: Method, patience: Deadline) -> Result<(), ErrorKind> {
        self.send_with(method, patience, None).await
    }

    async fn send_with(&self, method: Method, patience: Deadline, recheck: Option<Recheck>) -> Result<(), ErrorKind> {
        let request = Request {
            route: "a route",
            method,
            url: "http://127.0.0.1/".parse().expect("an address"),
            headers: HeaderMap::new(),
            body: None,
            parse: Arc::new(|_| Ok(Box::new(()))),
            client_key: 0,
            deadline: patience,
            retry_reason: None,
            is_retry: false,
            recheck,
            calls: Arc::clone(&self.calls),
        };
        self.stack.clone().oneshot(request).await.map(|_| ()).map_err(|error| error.kind)
    }

    async fn read(&self) -> Result<(), ErrorKind> {
        self.send(Method::GET, Deadline::at(Instant::now() + DEADLINE)).await
    }

    async fn write(&self) -> Result<(), ErrorKind> {
        self.send(Method::POST, Deadline::at(Instant::now() + DEADLINE)).await
    }

    fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }
}

fn failed(retry_after: Option<u64>) -> ErrorKind {
    ErrorKind::Failed { status: 503, retry_after: retry_after.map(Duration::from_secs) }
}

fn limited(retry_after: Option<u64>) -> ErrorKind {
    ErrorKind::RateLimited { retry_after: retry_after.map(Duration::from_secs) }
}

fn conflict() -> ErrorKind {
    ErrorKind::Conflict(Rejection::default())
}

#[tokio::test(start_paused = true)]
async fn a_read_is_sent_again_where_that_can_help() {
    for kind in [
        ErrorKind::Unreachable(ConnectFailure::ConnectionRefused),
        ErrorKind::ConnectionLost,
        ErrorKind::TimedOut,
        failed(None),
        limited(None),
    ] {
        let upstream = Upstream::new([(1, Err(kind)), (1, Ok(()))]);
        assert!(upstream.read().await.is_ok());
        assert_eq!(upstream.calls(), 2);
    }
    for kind in [
        ErrorKind::Unauthenticated,
        ErrorKind::Forbidden,
        ErrorKind::NotFound,
        ErrorKind::Rejected(Rejection::default()),
        conflict(),
        ErrorKind::MalformedSuccess("x"),
        ErrorKind::Invalid("x"),
    ] {
        let upstream = Upstream::new([(1, Err(kind)), (1, Ok(()))]);
        assert!(upstream.read().await.is_err());
        assert_eq!(upstream.calls(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_is_sent_at_most_max_attempts_times() {
    let upstream = Upstream::new((0..9).map(|_| (1, Err(failed(None)))));
    assert!(matches!(upstream.read().await, Err(ErrorKind::Failed { .. })));
    assert_eq!(upstream.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn calls_that_failed_together_do_not_come_back_together() {
    let one = Upstream::new((0..3).map(|_| (0, Err(failed(None)))).chain((0..3).map(|_| (0, Ok(())))));
    let timed = async || {
        let began = Instant::now();
        assert!(one.read().await.is_ok());
        began.elapsed()
    };
    let (a, b, c) = tokio::join!(timed(), timed(), timed());
    assert!(a != b || b != c, "{a:?} {b:?} {c:?}");
}

#[tokio::test(start_paused = true)]
async fn a_requested_pause_is_kept() {
    let upstream = Upstream::new([(1, Err(limited(Some(3)))), (1, Ok(()))]);
    assert!(upstream.read().await.is_ok());
    assert!(upstream.began.elapsed() >= Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_cannot_finish_in_time_is_not_started() {
    let asked_to_wait = Upstream::new([(1, Err(limited(Some(10))))]);
    assert!(matches!(asked_to_wait.read().await, Err(ErrorKind::RateLimited { retry_after: Some(_) })));
    assert!((asked_to_wait.calls(), asked_to_wait.began.elapsed() < Duration::from_secs(1)) == (1, true));
    // Four seconds, a pause, four seconds: a third attempt would end after the deadline.
    let hanging = Upstream::new([]);
    assert!(matches!(hanging.read().await, Err(ErrorKind::TimedOut)));
    assert_eq!(hanging.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_write_is_sent_again_only_while_its_outcome_is_unknown() {
    for kind in [
        ErrorKind::ConnectionLost,
        ErrorKind::TimedOut,
        failed(None),
        ErrorKind::MalformedSuccess("x"),
        ErrorKind::Invalid("x"),
    ] {
        let upstream = Upstream::new([(1, Err(kind)), (1, Ok(()))]);
        assert!(upstream.write().await.is_ok());
        assert_eq!(upstream.calls(), 2);
    }
    for kind in [
        ErrorKind::Unreachable(ConnectFailure::ConnectionRefused),
        limited(None),
        ErrorKind::Rejected(Rejection::default()),
        ErrorKind::Unauthenticated,
    ] {
        let upstream = Upstream::new([(1, Err(kind)), (1, Ok(()))]);
        assert!(upstream.write().await.is_err());
        assert_eq!(upstream.calls(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_in_progress_is_polled_until_it_is_answered() {
    let running = || (1, Err(ErrorKind::InProgress));
    let upstream = Upstream::new([HANGS, running(), running(), (1, Ok(()))]);
    assert!(upstream.write().await.is_ok());
    let callers_own = Upstream::new([running(), (1, Ok(()))]);
    assert!(callers_own.write().await.is_ok());
    // In other words, after an attempt without an answer.
    let ours = Upstream::new([(1, Err(ErrorKind::ConnectionLost)), (1, Err(conflict())), (1, Ok(()))]);
    assert!(ours.write().await.is_ok());
    let another_request = Upstream::new([(1, Err(conflict()))]);
    assert!(matches!(another_request.write().await, Err(ErrorKind::Conflict(_))));
    assert_eq!(another_request.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn polling_a_write_in_progress_ignores_the_retry_budget() {
    let mut settings = settings();
    settings.retry.budget_percent = 0;
    let steps = (0..9).map(|_| (1, Err(failed(None)))).chain((0..8).map(|_| (1, Err(ErrorKind::InProgress))));
    let upstream = Upstream::with(&settings, steps.chain([(1, Ok(()))]));
    while upstream.calls() < 9 {
        assert!(upstream.read().await.is_err());
    }
    assert!(upstream.write().await.is_ok());
    assert_eq!(upstream.calls(), 18);
    let never_ends = Upstream::new((0..999).map(|_| (1, Err(ErrorKind::InProgress))));
    assert!(matches!(never_ends.write().await, Err(ErrorKind::InProgress)));
    assert!(never_ends.began.elapsed() > DEADLINE / 2 && never_ends.began.elapsed() < DEADLINE);
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_throttles_the_whole_key() {
    let upstream = Upstream::new([(1, Err(limited(Some(30)))), (1, Ok(()))]);
    for _ in 0..8 {
        let told = upstream.read().await;
        assert!(matches!(told, Err(ErrorKind::RateLimited { .. } | ErrorKind::Throttled { .. })), "{told:?}");
    }
    assert!(matches!(upstream.write().await, Err(ErrorKind::Throttled { retry_after }) if retry_after.as_secs() >= 29));
    assert_eq!(upstream.calls(), 1);
    tokio::time::advance(Duration::from_secs(30)).await;
    assert!(upstream.read().await.is_ok());
    // A pause that fits is waited for, and a write that was not sent is sent then.
    let soon = Upstream::new([(1, Err(limited(Some(2)))), (1, Ok(())), (1, Ok(()))]);
    let (read, write) = tokio::join!(soon.read(), async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        soon.write().await
    });
    assert!(read.is_ok() && write.is_ok() && soon.calls() == 3, "{read:?} {write:?}");
    assert!(soon.began.elapsed() >= Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_write_throttled_past_its_deadline_is_not_sent() {
    let upstream = Upstream::new([(1, Err(limited(Some(5)))), (1, Ok(()))]);
    let short = || Deadline::at(Instant::now() + Duration::from_secs(2));
    assert!(upstream.send(Method::GET, short()).await.is_err());
    let patience = short();
    let told = upstream.send(Method::POST, patience.clone()).await;
    assert!(matches!(told, Err(ErrorKind::Throttled { .. })), "{told:?}");
    assert!(patience.abandon(), "nothing was sent");
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_read_reports_retry_after() {
    let upstream = Upstream::new([(1, Err(limited(Some(1)))), (2, Err(limited(Some(60))))]);
    let (first, second) = tokio::join!(upstream.read(), upstream.read());
    for told in [first, second] {
        assert!(told.as_ref().is_err_and(|kind| kind.retry_after() > Some(Duration::from_secs(50))), "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_whose_retry_the_breaker_blocks_returns_the_upstreams_error() {
    let mut settings = settings();
    settings.breaker.min_calls = 1;
    let upstream = Upstream::with(&settings, [(0, Err(failed(None)))]);
    assert!(matches!(upstream.read().await, Err(ErrorKind::Failed { .. })));
    assert!(matches!(upstream.read().await, Err(ErrorKind::BreakerOpen { .. })));
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_later_error_does_not_settle_a_writes_unknown_outcome() {
    for kind in [
        ErrorKind::Unauthenticated,
        ErrorKind::Forbidden,
        limited(Some(60)),
        ErrorKind::Unreachable(ConnectFailure::ConnectionRefused),
    ] {
        let upstream = Upstream::new([(1, Err(ErrorKind::ConnectionLost)), (1, Err(kind))]);
        assert!(matches!(upstream.write().await, Err(ErrorKind::ConnectionLost | ErrorKind::TimedOut)));
    }
    let refused =
        Upstream::new([(1, Err(ErrorKind::ConnectionLost)), (1, Err(ErrorKind::Rejected(Rejection::default())))]);
    assert!(matches!(refused.write().await, Err(ErrorKind::Rejected(_))));
}

#[tokio::test(start_paused = true)]
async fn a_write_queued_past_its_deadline_is_never_sent() {
    let upstream = Upstream::new([HANGS, HANGS]);
    let patience = || Deadline::at(Instant::now() + DEADLINE);
    let reads = [0, 1].map(|_| upstream.send(Method::GET, patience()));
    let short = Deadline::at(Instant::now() + Duration::from_secs(2));
    let write = upstream.send(Method::POST, short.clone());
    let crowded = async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        upstream.send(Method::POST, patience()).await
    };
    let [first, second] = reads;
    let (_, _, write, crowded) = tokio::join!(first, second, write, crowded);
    assert!(matches!(write, Err(ErrorKind::DeadlineExceeded)), "{write:?}");
    assert!(matches!(crowded, Err(ErrorKind::QueueFull)), "no place in the queue: {crowded:?}");
    assert!(short.abandon());
}

#[tokio::test(start_paused = true)]
async fn a_write_that_was_sent_is_followed_past_its_callers_deadline() {
    let upstream = Upstream::new([(3000, Err(ErrorKind::ConnectionLost)), (1, Ok(()))]);
    let patience = Deadline::at(Instant::now() + Duration::from_millis(10));
    assert!(upstream.send(Method::POST, patience.clone()).await.is_ok());
    assert!(!patience.abandon());
    assert_eq!(upstream.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_queued_call_is_sent_if_the_breaker_has_closed_meanwhile() {
    let mut settings = settings();
    settings.retry.max_attempts = 1;
    settings.concurrency.max_in_flight = 1;
    (settings.breaker.min_calls, settings.breaker.open) = (1, Duration::from_millis(1));
    let upstream = Upstream::with(&settings, [(0, Err(failed(None))), (50, Ok(())), (0, Ok(()))]);
    assert!(upstream.read().await.is_err());
    tokio::time::sleep(Duration::from_millis(10)).await;
    let (probe, queued) = tokio::join!(upstream.read(), upstream.read());
    assert!(probe.is_ok() && queued.is_ok(), "{probe:?} {queued:?}");
}

#[tokio::test(start_paused = true)]
async fn the_retry_budget_bounds_retries_when_many_calls_fail() {
    let upstream = Upstream::new((0..200).map(|_| (0, Err(failed(None)))));
    for _ in 0..50 {
        assert!(upstream.read().await.is_err());
    }
    assert!(upstream.calls() <= 60, "{}", upstream.calls());
}

/// A look before each repetition, with these outcomes one after the other; and how many there were.
fn looks(outcomes: impl IntoIterator<Item = Result<bool, ErrorKind>>) -> (Recheck, Arc<AtomicU64>) {
    let outcomes = Mutex::new(outcomes.into_iter().collect::<VecDeque<_>>());
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    let recheck: Recheck = Arc::new(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        let outcome = outcomes.lock().expect("no look panics").pop_front().expect("a look of this test");
        Box::pin(async move { outcome.map_err(Error::from) })
    });
    (recheck, count)
}

#[tokio::test(start_paused = true)]
async fn a_write_is_retried_only_if_its_recheck_allows() {
    let patience = || Deadline::at(Instant::now() + DEADLINE);
    let write = async |steps: Vec<Step>, outcomes: Vec<Result<bool, ErrorKind>>| {
        let upstream = Upstream::new(steps);
        let (recheck, count) = looks(outcomes);
        let told = upstream.send_with(Method::PUT, patience(), Some(recheck)).await;
        (told, upstream.calls(), count.load(Ordering::SeqCst))
    };
    let done = (1, Ok(()));
    assert!(matches!(write(vec![done.clone()], vec![]).await, (Ok(()), 1, 0)), "the first is sent without a look");
    let lost = || (1, Err(failed(None)));
    assert!(matches!(write(vec![lost(), done.clone()], vec![Ok(true)]).await, (Ok(()), 2, 1)));
    let told = write(vec![lost()], vec![Ok(false)]).await;
    assert!(matches!(told, (Err(ErrorKind::Superseded { was_sent: true }), 1, 1)), "{told:?}");
    // A look that fails allows nothing, and is no word about the write.
    let told = write(vec![lost()], vec![Err(ErrorKind::TimedOut), Err(ErrorKind::Unauthenticated)]).await;
    assert!(matches!(told, (Err(ErrorKind::TimedOut), 1, 2)), "{told:?}");
    let told = write(vec![lost()], vec![Err(ErrorKind::NotFound), Err(ErrorKind::NotFound)]).await;
    assert!(matches!(told, (Err(ErrorKind::Failed { .. }), 1, 2)), "what is refused is the look: {told:?}");
    let told =
        write(vec![lost(), done], vec![Err(ErrorKind::Unreachable(ConnectFailure::ConnectionRefused)), Ok(true)]).await;
    assert!(matches!(told, (Ok(()), 2, 2)), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_throttled_write_is_rechecked_before_it_is_sent() {
    let upstream = Upstream::new([(1, Err(limited(Some(2)))), (1, Ok(()))]);
    assert!(upstream.write().await.is_err(), "it says how long all others are held back");
    let (recheck, count) = looks([Ok(false)]);
    let told = upstream.send_with(Method::PUT, Deadline::at(Instant::now() + DEADLINE), Some(recheck)).await;
    assert!(matches!(told, Err(ErrorKind::Superseded { was_sent: false })), "{told:?}");
    assert_eq!((upstream.calls(), count.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_throttled_write_whose_recheck_fails_is_not_sent() {
    for look in [
        ErrorKind::TimedOut,
        ErrorKind::ConnectionLost,
        failed(None),
        ErrorKind::MalformedSuccess("no JSON"),
        ErrorKind::Forbidden,
    ] {
        let upstream = Upstream::new([(1, Err(limited(Some(2)))), (1, Ok(()))]);
        assert!(upstream.write().await.is_err(), "it says how long all others are held back");
        let (recheck, count) = looks([Err(look.clone())]);
        let patience = Deadline::at(Instant::now() + DEADLINE);
        let told = upstream.send_with(Method::PUT, patience.clone(), Some(recheck)).await.expect_err("a failure");
        assert!(matches!(&told, ErrorKind::Unchecked(error) if error.kind.name() == look.name()), "{told:?}");
        assert!(told.is_not_sent() && !Error::from(told).is_outcome_unknown());
        assert_eq!((upstream.calls(), count.load(Ordering::SeqCst)), (1, 1));
        assert!(patience.abandon(), "nothing was sent");
    }
}
