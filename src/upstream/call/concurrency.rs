//! A concurrency limit for upstream calls, with a bounded queue that is fair per caller.
//!
//! Waiting calls are served round robin over their callers ([`FairQueue`]). So a caller that requests two hundred
//! customers at once does not delay a caller that requests one customer. Each caller has a share of the queue, too.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

use crate::fair_limit::{FairQueue, QueueEntry, Slot};
use crate::setting;
use crate::telemetry::names::UPSTREAM_QUEUE_LENGTH;
use crate::upstream::call::metrics;
use crate::upstream::call::transport::Request;
use crate::upstream::error::ErrorKind;

/// Limits; see `[upstream]` in `config/default.toml`.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Settings {
    /// How many calls may be in flight at once.
    #[serde(deserialize_with = "setting::positive")]
    pub max_in_flight: usize,
    /// The largest number of waiting calls.
    pub max_queue: usize,
    /// How long one waits at most.
    #[serde(deserialize_with = "setting::duration")]
    pub queue_timeout: Duration,
}

/// Limits how many calls are in flight.
#[derive(Clone, Debug)]
pub struct ConcurrencyLimit {
    queue: Arc<FairQueue>,
    queue_timeout: Duration,
}

impl ConcurrencyLimit {
    /// A limit without calls in flight.
    pub fn new(settings: Settings) -> Self {
        let queue = FairQueue::new(settings.max_in_flight, settings.max_queue, UPSTREAM_QUEUE_LENGTH);
        Self { queue: Arc::new(queue), queue_timeout: settings.queue_timeout }
    }

    /// A slot for a request. Dropping the slot frees it.
    ///
    /// # Errors
    /// [`ErrorKind::QueueFull`] without room in the queue or after the longest wait, [`ErrorKind::DeadlineExceeded`].
    pub async fn acquire(&self, request: &Request) -> Result<Slot, ErrorKind> {
        let mut ticket = match FairQueue::enter(&self.queue, request.client_key) {
            Ok(QueueEntry::Admitted(slot)) => return Ok(slot),
            Ok(QueueEntry::Queued(ticket)) => ticket,
            Err(_rejected) => return Err(ErrorKind::QueueFull),
        };
        let began = Instant::now();
        let slot = tokio::select! {
            // Take a slot even at the last moment: the deadline is checked again before the request is sent.
            biased;
            slot = ticket.wait() => Ok(slot),
            () = request.deadline.elapsed() => Err(ErrorKind::DeadlineExceeded),
            () = tokio::time::sleep(self.queue_timeout) => Err(ErrorKind::QueueFull),
        };
        metrics::record_queue_wait(began.elapsed());
        slot
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

    fn request(client: u128) -> Request {
        Request {
            route: "a route",
            method: Method::GET,
            url: "http://127.0.0.1/".parse().expect("a URL"),
            headers: HeaderMap::new(),
            body: None,
            parse: Arc::new(|_| Ok(Box::new(()))),
            client_key: client,
            deadline: Deadline::at(Instant::now() + Duration::from_secs(600)),
            retry_reason: None,
            is_retry: false,
            recheck: None,
            calls: Arc::new(AtomicU64::new(0)),
        }
    }

    /// Runs all tasks that are ready.
    async fn settle() {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }

    /// Starts a call that waits for a slot, and lists its caller when it has one.
    async fn queued_call(limit: &ConcurrencyLimit, client: u128, served: &Arc<Mutex<Vec<u128>>>) -> JoinHandle<()> {
        let (limit, served) = (limit.clone(), Arc::clone(served));
        let waits = tokio::spawn(async move {
            let _slot = limit.acquire(&request(client)).await.expect("a slot");
            served.lock().expect("not poisoned").push(client);
        });
        settle().await;
        waits
    }

    fn assert_idle(limit: &ConcurrencyLimit, max_in_flight: usize) {
        assert_eq!(limit.queue.free_and_queued(), (max_in_flight, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_with_one_call_is_not_queued_behind_many() {
        let (limit, served) = (limit(1, 100), Arc::default());
        let only = limit.acquire(&request(1)).await.expect("the only slot");
        let mut all = Vec::new();
        for client in [1, 1, 1, 1, 2, 3, 2] {
            all.push(queued_call(&limit, client, &served).await);
        }
        drop(only);
        futures_util::future::join_all(all).await;
        assert_eq!(*served.lock().expect("not poisoned"), [1, 2, 3, 1, 2, 1, 1]);
        assert_idle(&limit, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_returning_caller_does_not_overtake() {
        let (limit, served) = (limit(1, 100), Arc::new(Mutex::new(Vec::new())));
        let only = limit.acquire(&request(1)).await.expect("the only slot");
        let mut all = Vec::new();
        for _ in 0..4 {
            all.push(queued_call(&limit, 1, &served).await);
        }
        for client in [2, 3] {
            let (limit, served) = (limit.clone(), Arc::clone(&served));
            all.push(tokio::spawn(async move {
                for _ in 0..20 {
                    let _slot = limit.acquire(&request(client)).await.expect("a slot");
                    served.lock().expect("not poisoned").push(client);
                }
            }));
        }
        settle().await;
        drop(only);
        futures_util::future::join_all(all).await;
        let served = served.lock().expect("not poisoned");
        let last = served.iter().rposition(|client| *client == 1).expect("it had a slot");
        assert!(last < 15, "one of three in each round: {served:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_ticket_is_skipped() {
        let (limit, served) = (limit(1, 100), Arc::default());
        let only = limit.acquire(&request(1)).await.expect("the only slot");
        let (gone, next) = (queued_call(&limit, 1, &served).await, queued_call(&limit, 2, &served).await);
        gone.abort();
        settle().await;
        drop(only);
        next.await.expect("it gets a slot");
        assert_eq!(*served.lock().expect("not poisoned"), [2]);
        assert_idle(&limit, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slot_granted_to_a_cancelled_caller_is_passed_on() {
        let (limit, served) = (limit(1, 100), Arc::default());
        let only = limit.acquire(&request(1)).await.expect("the only slot");
        let (gone, next) = (queued_call(&limit, 1, &served).await, queued_call(&limit, 2, &served).await);
        // It is cancelled after it got the slot and before it runs.
        drop(only);
        gone.abort();
        next.await.expect("it gets a slot");
        assert_eq!(*served.lock().expect("not poisoned"), [2]);
        assert_idle(&limit, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_gets_its_share_of_the_queue() {
        let (limit, served) = (limit(1, 6), Arc::default());
        let only = limit.acquire(&request(1)).await.expect("the only slot");
        let mut all = Vec::new();
        for _ in 0..3 {
            all.push(queued_call(&limit, 1, &served).await);
        }
        assert!(
            matches!(limit.acquire(&request(1)).await, Err(ErrorKind::QueueFull)),
            "one caller gets half of the queue"
        );
        all.push(queued_call(&limit, 2, &served).await);
        drop(only);
        assert!(futures_util::future::join_all(all).await.iter().all(Result::is_ok));
        assert_idle(&limit, 1);
    }

    /// Four concurrent calls of 100 ms are 40 calls per second. A caller that starts too many calls, and cancels most
    /// of them, gets exactly its share.
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
                        let Ok(Ok(_slot)) = tokio::time::timeout(leaves, limit.acquire(&request)).await else {
                            return;
                        };
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        if began.elapsed() > Duration::from_secs(5) && began.elapsed() <= Duration::from_secs(15) {
                            served.lock().expect("not poisoned")[caller] += 1;
                        }
                    });
                }
            }
            callers.join_all().await;
            let [heavy, steady, light] = *served.lock().expect("not poisoned");
            let told = format!("{asked:?}: {heavy}, {steady}, {light}");
            assert!((390..=404).contains(&(heavy + steady + light)), "all slots are used: {told}");
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
            assert_idle(&limit, 4);
        }
    }

    proptest::proptest! {
        /// In any order of new and cancelled calls, no slot is lost, and none is granted twice.
        #[test]
        fn no_slot_is_lost(steps in prop::collection::vec((any::<bool>(), 0..4_u128, any::<prop::sample::Index>()), 0..80)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
            runtime.expect("a runtime").block_on(async {
                let limit = limit(2, 100);
                let now = Arc::new(AtomicU64::new(0));
                let mut callers: Vec<JoinHandle<()>> = Vec::new();
                for (comes, client, which) in steps {
                    if comes || callers.is_empty() {
                        let (limit, now) = (limit.clone(), Arc::clone(&now));
                        callers.push(tokio::spawn(async move {
                            let _slot = limit.acquire(&request(client)).await.expect("a slot");
                            let others = now.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                            let _left = Leaves(now);
                            assert!(others < 2, "at most two calls in flight");
                            tokio::time::sleep(Duration::from_millis(client as u64)).await;
                        }));
                    } else {
                        callers.swap_remove(which.index(callers.len())).abort();
                    }
                    tokio::task::yield_now().await;
                }
                for caller in callers {
                    caller.await.expect("each remaining call gets a slot");
                }
                settle().await;
                assert_idle(&limit, 2);
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
