//! A limit on how many calls are in flight at once, and a bounded queue in front of it that is fair per caller.
//!
//! Calls that wait are served round robin over their callers ([`FairQueue`]). So a caller that asks for two hundred
//! customers at once does not stand in front of one that asks for a single customer: that one is next or next but one. Of
//! the queue itself a caller has its share.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::Deserialize;
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt};

use crate::fair_limit::{FairQueue, QueueEntry, Slot};
use crate::setting;
use crate::telemetry::names::UPSTREAM_QUEUE_LENGTH;
use crate::upstream::call::metrics;
use crate::upstream::call::transport::{Request, UpstreamResponse};
use crate::upstream::error::{Error, ErrorKind};

/// Bounds; see `[upstream]` in `config/default.toml`.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Settings {
    /// How many calls may be in flight at once.
    #[serde(deserialize_with = "setting::positive")]
    pub max_in_flight: usize,
    /// How many may wait.
    pub max_queue: usize,
    /// How long one waits at most.
    #[serde(deserialize_with = "setting::duration")]
    pub queue_timeout: Duration,
}

/// The layer that limits how many calls of a service are in flight.
#[derive(Clone, Debug)]
pub struct ConcurrencyLimit {
    queue: Arc<FairQueue>,
    queue_timeout: Duration,
}

impl ConcurrencyLimit {
    /// A limit under which nothing is in flight yet.
    pub fn new(settings: Settings) -> Self {
        let queue = FairQueue::new(settings.max_in_flight, settings.max_queue, UPSTREAM_QUEUE_LENGTH);
        Self { queue: Arc::new(queue), queue_timeout: settings.queue_timeout }
    }

    /// A slot for a request, for as long as it is held.
    async fn acquire(&self, request: &Request) -> Result<Slot, ErrorKind> {
        let mut ticket = match FairQueue::enter(&self.queue, request.client_key) {
            Ok(QueueEntry::Admitted(slot)) => return Ok(slot),
            Ok(QueueEntry::Queued(ticket)) => ticket,
            Err(_rejected) => return Err(ErrorKind::QueueFull),
        };
        let began = Instant::now();
        let slot = tokio::select! {
            // A slot that comes at the last moment is taken: what is too late is seen before it is sent.
            biased;
            slot = ticket.wait() => Ok(slot),
            () = request.deadline.elapsed() => Err(ErrorKind::DeadlineExceeded),
            () = tokio::time::sleep(self.queue_timeout) => Err(ErrorKind::QueueFull),
        };
        metrics::record_queue_wait(began.elapsed());
        slot
    }
}

impl<S> Layer<S> for ConcurrencyLimit {
    type Service = ConcurrencyLimited<S>;

    fn layer(&self, inner: S) -> ConcurrencyLimited<S> {
        ConcurrencyLimited { inner, limit: self.clone() }
    }
}

/// A service behind a [`ConcurrencyLimit`].
#[derive(Clone, Debug)]
pub struct ConcurrencyLimited<S> {
    inner: S,
    limit: ConcurrencyLimit,
}

impl<S> Service<Request> for ConcurrencyLimited<S>
where
    S: Service<Request, Response = UpstreamResponse, Error = Error, Future: Send> + Clone + Send + 'static,
{
    type Response = UpstreamResponse;
    type Error = Error;
    type Future = BoxFuture<'static, Result<UpstreamResponse, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // It is asked whether it is ready once there is a slot: the breaker inside keeps to the answer that it gave, and
        // may have closed during the wait.
        let mut inner = self.inner.clone();
        let limit = self.limit.clone();
        Box::pin(async move {
            let _slot = limit.acquire(&request).await?;
            inner.ready().await?.call(request).await
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::AtomicU64;

    use http::{HeaderMap, Method};
    use proptest::prelude::{any, prop};
    use tokio::task::JoinHandle;

    use super::*;
    use crate::upstream::Deadline;

    fn limit(max_in_flight: usize, max_queue: usize) -> ConcurrencyLimit {
        let minute = Duration::from_secs(60);
        ConcurrencyLimit::new(Settings { max_in_flight, max_queue, queue_timeout: minute })
    }

    fn request(payer: u128) -> Request {
        Request {
            route: "a route",
            method: Method::GET,
            url: "http://127.0.0.1/".parse().expect("an address"),
            headers: HeaderMap::new(),
            body: None,
            client_key: payer,
            deadline: Deadline::at(Instant::now() + Duration::from_secs(600)),
            retry_reason: None,
            is_retry: false,
            recheck: None,
            calls: Arc::new(AtomicU64::new(0)),
        }
    }

    /// Lets every task run that can.
    async fn settle() {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }

    /// Gets in line, and says so once it is served.
    async fn in_line(limit: &ConcurrencyLimit, payer: u128, served: &Arc<Mutex<Vec<u128>>>) -> JoinHandle<()> {
        let (limit, served) = (limit.clone(), Arc::clone(served));
        let waits = tokio::spawn(async move {
            let _place = limit.acquire(&request(payer)).await.expect("a place");
            served.lock().expect("whole").push(payer);
        });
        settle().await;
        waits
    }

    fn assert_nobody_is_there(limit: &ConcurrencyLimit, max_in_flight: usize) {
        assert_eq!(limit.queue.free_and_queued(), (max_in_flight, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_with_one_call_is_not_queued_behind_many() {
        let (limit, served) = (limit(1, 100), Arc::default());
        let only = limit.acquire(&request(1)).await.expect("the only place");
        let mut all = Vec::new();
        for payer in [1, 1, 1, 1, 2, 3, 2] {
            all.push(in_line(&limit, payer, &served).await);
        }
        drop(only);
        futures_util::future::join_all(all).await;
        assert_eq!(*served.lock().expect("whole"), [1, 2, 3, 1, 2, 1, 1]);
        assert_nobody_is_there(&limit, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_returning_caller_does_not_overtake() {
        let (limit, served) = (limit(1, 100), Arc::new(Mutex::new(Vec::new())));
        let only = limit.acquire(&request(1)).await.expect("the only place");
        let mut all = Vec::new();
        for _ in 0..4 {
            all.push(in_line(&limit, 1, &served).await);
        }
        for payer in [2, 3] {
            let (limit, served) = (limit.clone(), Arc::clone(&served));
            all.push(tokio::spawn(async move {
                for _ in 0..20 {
                    let _place = limit.acquire(&request(payer)).await.expect("a place");
                    served.lock().expect("whole").push(payer);
                }
            }));
        }
        settle().await;
        drop(only);
        futures_util::future::join_all(all).await;
        let served = served.lock().expect("whole");
        let last = served.iter().rposition(|payer| *payer == 1).expect("it was served");
        assert!(last < 15, "one of three in each round: {served:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_ticket_is_skipped() {
        let (limit, served) = (limit(1, 100), Arc::default());
        let only = limit.acquire(&request(1)).await.expect("the only place");
        let (gone, next) = (in_line(&limit, 1, &served).await, in_line(&limit, 2, &served).await);
        gone.abort();
        settle().await;
        drop(only);
        next.await.expect("it is served");
        assert_eq!(*served.lock().expect("whole"), [2]);
        assert_nobody_is_there(&limit, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slot_granted_to_a_cancelled_caller_is_passed_on() {
        let (limit, served) = (limit(1, 100), Arc::default());
        let only = limit.acquire(&request(1)).await.expect("the only place");
        let (gone, next) = (in_line(&limit, 1, &served).await, in_line(&limit, 2, &served).await);
        // It is given the place, and cancelled before it runs.
        drop(only);
        gone.abort();
        next.await.expect("it is served");
        assert_eq!(*served.lock().expect("whole"), [2]);
        assert_nobody_is_there(&limit, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_gets_its_share_of_the_queue() {
        let (limit, served) = (limit(1, 6), Arc::default());
        let only = limit.acquire(&request(1)).await.expect("the only place");
        let mut all = Vec::new();
        for _ in 0..3 {
            all.push(in_line(&limit, 1, &served).await);
        }
        assert!(matches!(limit.acquire(&request(1)).await, Err(ErrorKind::QueueFull)), "half of it is one caller's");
        all.push(in_line(&limit, 2, &served).await);
        drop(only);
        assert!(futures_util::future::join_all(all).await.iter().all(Result::is_ok));
        assert_nobody_is_there(&limit, 1);
    }

    /// Four calls of 100 ms at once are 40 a second. Who asks for too much, and gives up most of what it asks for, gets no
    /// less than its part for that, and no more.
    #[tokio::test(start_paused = true)]
    async fn overloading_callers_get_equal_shares() {
        let patient = Duration::from_secs(2);
        let settings = Settings { max_in_flight: 4, max_queue: 1000, queue_timeout: patient };
        for asked in [[100, 40, 0], [100, 40, 40], [1000, 40, 1]] {
            let limit = ConcurrencyLimit::new(settings);
            let served = Arc::new(Mutex::new([0_u32; 3]));
            let began = Instant::now();
            let mut callers = tokio::task::JoinSet::new();
            for (caller, each_second) in asked.into_iter().enumerate().filter(|(_, each_second)| *each_second > 0) {
                for call in 0..each_second * 20 {
                    let (limit, served) = (limit.clone(), Arc::clone(&served));
                    let at = began + Duration::from_secs(1) * call / each_second;
                    // Of the heavy caller most are cancelled while they wait, at different times.
                    let leaves = if caller == 0 { Duration::from_millis(u64::from(call * 37 % 2000)) } else { patient };
                    callers.spawn(async move {
                        tokio::time::sleep_until(at).await;
                        let request = request(caller as u128);
                        let Ok(Ok(_place)) = tokio::time::timeout(leaves, limit.acquire(&request)).await else {
                            return;
                        };
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        if began.elapsed() > Duration::from_secs(5) && began.elapsed() <= Duration::from_secs(15) {
                            served.lock().expect("whole")[caller] += 1;
                        }
                    });
                }
            }
            callers.join_all().await;
            let [heavy, steady, light] = *served.lock().expect("whole");
            let told = format!("{asked:?}: {heavy}, {steady}, {light}");
            assert!((390..=404).contains(&(heavy + steady + light)), "all places are used: {told}");
            match asked[2] {
                0 => assert!((190..=210).contains(&heavy) && (190..=210).contains(&steady), "a half each: {told}"),
                1 => assert!(
                    (9..=11).contains(&light) && steady.abs_diff(heavy) < 20,
                    "a call a second is served: {told}"
                ),
                _ => assert!(
                    [heavy, steady, light].iter().all(|part| (125..=142).contains(part)),
                    "a third each: {told}"
                ),
            }
            assert_nobody_is_there(&limit, 4);
        }
    }

    proptest::proptest! {
        /// Whoever comes and goes, in whatever order: no place is lost, none is given twice.
        #[test]
        fn no_slot_is_lost(steps in prop::collection::vec((any::<bool>(), 0..4_u128, any::<prop::sample::Index>()), 0..80)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
            runtime.expect("a runtime").block_on(async {
                let limit = limit(2, 100);
                let now = Arc::new(AtomicU64::new(0));
                let mut callers: Vec<JoinHandle<()>> = Vec::new();
                for (comes, payer, which) in steps {
                    if comes || callers.is_empty() {
                        let (limit, now) = (limit.clone(), Arc::clone(&now));
                        callers.push(tokio::spawn(async move {
                            let _place = limit.acquire(&request(payer)).await.expect("a place");
                            let others = now.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                            let _left = Leaves(now);
                            assert!(others < 2, "no more than there are places");
                            tokio::time::sleep(Duration::from_millis(payer as u64)).await;
                        }));
                    } else {
                        callers.swap_remove(which.index(callers.len())).abort();
                    }
                    tokio::task::yield_now().await;
                }
                for caller in callers {
                    caller.await.expect("each that stays is served");
                }
                settle().await;
                assert_nobody_is_there(&limit, 2);
            });
        }
    }

    struct Leaves(Arc<AtomicU64>);

    impl Drop for Leaves {
        fn drop(&mut self) {
            self.0.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
        }
    }
}
