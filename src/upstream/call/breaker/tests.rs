//! The circuit breaker over a scripted upstream, with paused time.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;
use tower::{Service, ServiceExt, service_fn};

use super::*;

const SETTINGS: Settings =
    Settings { failures_percent: 50, min_calls: 4, window: Duration::from_secs(60), open: Duration::from_millis(20) };

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
    (with_breaker(service, settings), does, reached)
}

fn with_breaker<S>(
    service: S,
    settings: Settings,
) -> impl Service<(), Response = (), Error = Error, Future: Send> + Clone + Send + Sync + 'static
where
    S: Service<(), Response = (), Error = Error, Future: Send> + Clone + Send + Sync + 'static,
{
    let breaker = CircuitBreaker::new(settings);
    service_fn(move |()| {
        let (breaker, service) = (breaker.clone(), service.clone());
        async move { breaker.call(async { service.oneshot(()).await }).await }
    })
}

fn is_open(outcome: Result<(), Error>) -> bool {
    outcome.is_err_and(|error| matches!(error.kind, ErrorKind::BreakerOpen { .. }))
}

#[tokio::test(start_paused = true)]
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

#[tokio::test(start_paused = true)]
async fn cancelled_calls_are_not_failures() {
    let (breaker, does, reached) = breaker(SETTINGS);
    does.send_replace(Does::Hangs);
    let thirty = (0..30).map(|_| timeout(Duration::from_millis(10), breaker.clone().oneshot(())));
    assert!(join_all(thirty).await.iter().all(Result::is_err));
    does.send_replace(Does::Answers);
    assert!(breaker.clone().oneshot(()).await.is_ok());
    assert_eq!(reached.load(Ordering::SeqCst), 31);
}

#[tokio::test(start_paused = true)]
async fn rejections_are_not_failures() {
    let (breaker, does, reached) = breaker(SETTINGS);
    does.send_replace(Does::Refuses);
    for _ in 0..30 {
        assert!(!is_open(breaker.clone().oneshot(()).await));
    }
    assert_eq!(reached.load(Ordering::SeqCst), 30);
}

#[tokio::test(start_paused = true)]
async fn malformed_successes_open_the_breaker() {
    let (breaker, does, reached) = breaker(SETTINGS);
    does.send_replace(Does::Babbles);
    for _ in 0..4 {
        assert!(!is_open(breaker.clone().oneshot(()).await));
    }
    assert!(is_open(breaker.clone().oneshot(()).await));
    assert_eq!(reached.load(Ordering::SeqCst), 4);
}

#[tokio::test(start_paused = true)]
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

#[tokio::test(start_paused = true)]
async fn rare_probes_close_the_breaker() {
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

#[tokio::test(start_paused = true)]
async fn a_rejected_probe_closes_the_breaker() {
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

#[tokio::test(start_paused = true)]
async fn calls_admitted_before_opening_do_not_decide_the_probe() {
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
        let breaker = with_breaker(service, settings);
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

#[tokio::test(start_paused = true)]
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

#[tokio::test(start_paused = true)]
async fn the_work_of_a_call_does_not_grow_with_the_number_of_calls() {
    let mut window = Window::new(Duration::from_secs(10));
    for second in 1..=30 {
        for call in 1..=1000 {
            let Outcomes { calls, failures } = window.record(call % 4 == 0);
            let seconds_before = (second - 1).min(BUCKETS - 1);
            assert_eq!((calls, failures), (seconds_before * 1000 + call, seconds_before * 250 + call / 4));
            assert!(window.buckets.len() <= BUCKETS, "a call adds up {} counters", window.buckets.len());
        }
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    // After a long pause nothing is left, and no time is made up for bucket by bucket.
    tokio::time::advance(Duration::from_secs(3600 * 24 * 365)).await;
    assert_eq!(window.record(true), Outcomes { calls: 1, failures: 1 });
    assert_eq!(window.buckets.len(), BUCKETS);
}
