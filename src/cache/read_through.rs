//! A bounded store that asks for what it does not have, once for all who miss it at the same time.
//!
//! moka does the keeping, the bounds and the sharing of a load; two of its traps are avoided here. A caller that gives
//! up would stop the load that others wait for: so each load runs in its own task. A write while a load is under way
//! would not stop the old value from being kept: so the key carries a generation, see `super::generations`.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use moka::Expiry;
use moka::future::Cache as Store;
use moka::notification::RemovalCause;
use tokio::time::Instant;

use super::key::Key;
use crate::telemetry::metrics::size;
use crate::telemetry::names;

/// An entry costs its own bookkeeping, and its value in memory is some twice its JSON (measured on reviews, which have
/// many small strings).
const BYTES_PER_ENTRY: usize = 512;
const MEMORY_PER_WIRE_BYTE: usize = 2;

/// How long things are kept.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// How long an answer is fresh. Zero keeps nothing and still shares loads.
    pub fresh: Duration,
    /// The same for "there is none".
    pub not_found: Duration,
    /// How long past that an old answer may be given while a new one is being loaded.
    pub stale: Duration,
}

/// What a load brought: the value, or that there is none.
#[derive(Debug)]
pub struct Load<V> {
    pub value: Option<V>,
    /// Size of the answer on the wire.
    pub bytes: usize,
}

/// A kept answer.
#[derive(Debug)]
pub struct Kept<V> {
    pub value: Option<Arc<V>>,
    /// Until when it counts as new.
    pub fresh_until: Instant,
    expires_in: Duration,
    weight: u32,
    refreshing: Arc<AtomicBool>,
}

impl<V> Clone for Kept<V> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), refreshing: Arc::clone(&self.refreshing), ..*self }
    }
}

/// One kind of value, kept.
#[derive(Debug)]
pub struct ReadThrough<V: Send + Sync + 'static> {
    /// As the metrics call it.
    name: &'static str,
    store: Store<Key, Kept<V>>,
    policy: Policy,
}

struct UntilItExpires;

impl<V> Expiry<Key, Kept<V>> for UntilItExpires {
    fn expire_after_create(&self, _: &Key, kept: &Kept<V>, _: std::time::Instant) -> Option<Duration> {
        Some(kept.expires_in)
    }

    fn expire_after_update(
        &self,
        _: &Key,
        kept: &Kept<V>,
        _: std::time::Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(kept.expires_in)
    }
}

impl<V: Send + Sync + 'static> ReadThrough<V> {
    /// An empty store that holds about `max_bytes` of memory at most.
    pub fn new(name: &'static str, policy: Policy, max_bytes: u64) -> Self {
        let gone = move |_: Arc<Key>, _: Kept<V>, cause: RemovalCause| {
            let cause = match cause {
                RemovalCause::Size => "size",
                RemovalCause::Expired => "expired",
                RemovalCause::Explicit | RemovalCause::Replaced => return,
            };
            metrics::counter!(names::CACHE_EVICTIONS, "store" => name, "cause" => cause).increment(1);
        };
        let store = Store::builder()
            .max_capacity(max_bytes)
            .weigher(|_: &Key, kept: &Kept<V>| kept.weight)
            .expire_after(UntilItExpires)
            .eviction_listener(gone)
            .build();
        Self { name, store, policy }
    }

    /// As the metrics call it.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Tells the metrics how much is kept.
    pub async fn observe(&self) {
        // The store's sums are those of what it has tidied up.
        self.store.run_pending_tasks().await;
        metrics::gauge!(names::CACHE_BYTES, "store" => self.name).set(size(self.store.weighted_size()));
        metrics::gauge!(names::CACHE_ENTRIES, "store" => self.name).set(size(self.store.entry_count()));
    }

    fn count(&self, result: &'static str) {
        metrics::counter!(names::CACHE_LOOKUPS, "store" => self.name, "result" => result).increment(1);
    }

    /// What is kept and fresh; asks nobody.
    pub async fn fresh(&self, key: &Key) -> Option<Kept<V>> {
        let kept = self.store.get(key).await.filter(|kept| Instant::now() < kept.fresh_until);
        if kept.is_some() {
            self.count("hit");
        }
        kept
    }

    /// What is kept, or what `load` brings. An error is shared among those who wait for it and is not kept.
    ///
    /// `load` runs in a task of its own and ends even where the caller leaves.
    ///
    /// # Errors
    /// That of the load, or `None` where its task was lost (it panicked, or the runtime is going down).
    pub async fn get<F, E>(&self, key: Key, load: F) -> Result<Kept<V>, Option<Arc<E>>>
    where
        F: Future<Output = Result<Load<V>, E>> + Send + 'static,
        E: Send + Sync + 'static,
    {
        if let Some(kept) = self.store.get(&key).await {
            if Instant::now() < kept.fresh_until {
                self.count("hit");
                return Ok(kept);
            }
            self.count("stale");
            // Past its time: here only where the policy allows old answers.
            if !kept.refreshing.swap(true, Ordering::SeqCst) {
                self.refresh(key, Arc::clone(&kept.refreshing), load);
            }
            return Ok(kept);
        }
        let (store, policy) = (self.store.clone(), self.policy);
        let began = Arc::new(AtomicBool::new(false));
        let ours = Arc::clone(&began);
        let task = tokio::spawn(async move {
            let load = async move {
                began.store(true, Ordering::Relaxed);
                load.await.map(|load| policy.keep(load))
            };
            store.try_get_with(key, load).await
        });
        let ended = task.await;
        self.count(if ours.load(Ordering::Relaxed) { "miss" } else { "shared" });
        match ended {
            Ok(outcome) => outcome.map_err(Some),
            Err(_lost) => Err(None),
        }
    }

    /// Loads a new value behind the back of a caller who was given the old one; a failure leaves the old one be.
    fn refresh<F, E>(&self, key: Key, refreshing: Arc<AtomicBool>, load: F)
    where
        F: Future<Output = Result<Load<V>, E>> + Send + 'static,
    {
        let (store, policy) = (self.store.clone(), self.policy);
        tokio::spawn(async move {
            // The outcome is taken apart before the next await: an error need not be `Send` across it.
            let kept = AssertUnwindSafe(load).catch_unwind().await.ok().and_then(Result::ok);
            let kept = kept.map(|load| policy.keep(load));
            match kept {
                Some(kept) => store.insert(key, kept).await,
                None => refreshing.store(false, Ordering::SeqCst),
            }
        });
    }
}

impl Policy {
    fn keep<V>(self, load: Load<V>) -> Kept<V> {
        let fresh = if load.value.is_some() { self.fresh } else { self.not_found };
        let weight = load.bytes.saturating_mul(MEMORY_PER_WIRE_BYTE).saturating_add(BYTES_PER_ENTRY);
        Kept {
            value: load.value.map(Arc::new),
            fresh_until: Instant::now() + fresh,
            expires_in: fresh + if fresh.is_zero() { Duration::ZERO } else { self.stale },
            weight: u32::try_from(weight).unwrap_or(u32::MAX),
            refreshing: Arc::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use tokio::sync::oneshot;

    use super::*;
    use crate::cache::key::Digests;
    use crate::cache::{Cache, Settings};
    use crate::model::CustomerId;

    const POLICY: Policy =
        Policy { fresh: Duration::from_secs(30), not_found: Duration::from_secs(5), stale: Duration::ZERO };

    fn key(subject: u128) -> Key {
        Key { scope: Digests::new().scope(&"key".into(), None), subject, generation: 0 }
    }

    fn found(value: u32) -> Result<Load<u32>, &'static str> {
        Ok(Load { value: Some(value), bytes: 4 })
    }

    #[tokio::test]
    async fn callers_that_miss_together_share_one_load() {
        let store = Arc::new(ReadThrough::new("test", POLICY, 1 << 20));
        let (loads, key) = (Arc::new(AtomicUsize::new(0)), key(1));
        let callers = (0..50).map(|_| {
            let (store, loads) = (Arc::clone(&store), Arc::clone(&loads));
            tokio::spawn(async move {
                store
                    .get(key, async move {
                        loads.fetch_add(1, Ordering::SeqCst);
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        found(7)
                    })
                    .await
            })
        });
        for caller in futures_util::future::join_all(callers).await {
            let kept = caller.expect("the caller's task ends").expect("the load succeeds");
            assert_eq!(kept.value.as_deref(), Some(&7));
        }
        assert_eq!(loads.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn an_abandoned_load_fills_the_store() {
        let store = ReadThrough::new("test", POLICY, 1 << 20);
        let key = key(1);
        let (release, released) = oneshot::channel::<()>();
        let load = async move {
            released.await.map_err(|_| "the test ended early")?;
            found(7)
        };
        assert!(tokio::time::timeout(Duration::from_millis(5), store.get(key, load)).await.is_err());
        release.send(()).expect("the load still waits");
        let kept = store.get(key, async { Err::<Load<u32>, _>("asked again") }).await.expect("kept");
        assert_eq!(kept.value.as_deref(), Some(&7));
    }

    #[tokio::test]
    async fn an_error_is_shared_and_not_kept() {
        let store = ReadThrough::new("test", POLICY, 1 << 20);
        let key = key(1);
        let failed = store.get(key, async { Err::<Load<u32>, _>("down") }).await;
        assert_eq!(failed.err().flatten().as_deref(), Some(&"down"));
        assert!(store.get(key, async { found(7) }).await.is_ok());
    }

    #[tokio::test]
    async fn a_panic_in_a_load_is_an_error_for_its_caller_alone() {
        let store = ReadThrough::new("test", POLICY, 1 << 20);
        let key = key(1);
        let lost = store
            .get(key, async {
                if true {
                    std::panic::resume_unwind(Box::new("a load that breaks"));
                }
                found(7)
            })
            .await;
        assert!(matches!(lost, Err(None)));
        assert!(store.get(key, async { found(7) }).await.is_ok());
    }

    #[tokio::test]
    async fn an_old_answer_is_given_once_more_while_a_new_one_is_loaded() {
        let policy = Policy { fresh: Duration::from_millis(20), stale: Duration::from_secs(60), ..POLICY };
        let store = ReadThrough::new("test", policy, 1 << 20);
        let key = key(1);
        store.get(key, async { found(1) }).await.expect("the first load");
        tokio::time::sleep(Duration::from_millis(30)).await;
        assert!(store.fresh(&key).await.is_none());
        let old = store.get(key, async { found(2) }).await.expect("the old answer");
        assert_eq!(old.value.as_deref(), Some(&1));
        for _ in 0..200 {
            if let Some(kept) = store.fresh(&key).await {
                assert_eq!(kept.value.as_deref(), Some(&2));
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        unreachable!("the refresh ends");
    }

    #[tokio::test]
    async fn what_is_kept_stays_within_its_bytes() {
        let store = ReadThrough::new("test", POLICY, 100_000);
        let scope = Digests::new().scope(&"key".into(), None);
        for subject in 0..1000 {
            let key = Key { scope, subject, generation: 0 };
            let load = async { Ok::<_, &str>(Load { value: Some([0_u8; 1000]), bytes: 1000 }) };
            store.get(key, load).await.expect("the load succeeds");
        }
        store.store.run_pending_tasks().await;
        assert!(store.store.weighted_size() <= 100_000, "{}", store.store.weighted_size());
    }

    #[tokio::test]
    async fn a_write_is_seen_by_a_read_that_was_in_flight() {
        let cache = Cache::new(&Settings {
            enabled: true,
            customer_ttl: POLICY.fresh,
            review_ttl: POLICY.fresh,
            page_ttl: POLICY.fresh,
            not_found_ttl: POLICY.not_found,
            stale_while_refresh: Duration::ZERO,
            customers_max_bytes: 1 << 20,
            reviews_max_bytes: 1 << 20,
            pages_max_bytes: 1 << 20,
        });
        let store = Arc::new(ReadThrough::new("test", POLICY, 1 << 20));
        let scope = cache.digests.scope(&"key".into(), None);
        let id = CustomerId(uuid::Uuid::from_u128(1));
        let (release, released) = oneshot::channel::<()>();
        let in_flight = {
            let (store, key) = (Arc::clone(&store), cache.customer_key(scope, id));
            tokio::spawn(async move {
                let load = async move {
                    released.await.map_err(|_| "the test ended early")?;
                    found(1)
                };
                store.get(key, load).await
            })
        };
        tokio::task::yield_now().await;
        cache.forget_customer(scope, id);
        release.send(()).expect("the load still waits");
        in_flight.await.expect("the task ends").expect("the old state, for who asked before the write");
        let after = store.get(cache.customer_key(scope, id), async { found(2) }).await.expect("a new load");
        assert_eq!(after.value.as_deref(), Some(&2));
    }
}
