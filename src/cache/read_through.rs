//! A bounded read-through cache. Callers that miss the same key at the same time share one load.
//!
//! moka stores the entries and limits their size. `super::single_flight` decides who waits for a load, and when it is
//! cancelled. moka would cache an old value if a write happened during a load. Therefore the key contains a generation
//! (`super::generations`).

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::ready;
use moka::future::Cache as Store;
use moka::notification::RemovalCause;
use moka::ops::compute::Op;
use moka::{Entry, Expiry};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::key::Key;
use super::single_flight::{SingleFlight, Waiter};
use crate::telemetry::metrics::as_f64;
use crate::telemetry::names;

/// An entry has some fixed memory cost, and a value in memory has about twice the size of its JSON (measured on
/// reviews, which have many small strings).
const BYTES_PER_ENTRY: usize = 512;
const MEMORY_PER_WIRE_BYTE: usize = 2;

/// How long entries are used.
#[derive(Clone, Copy, Debug)]
pub struct TtlPolicy {
    /// How long an entry is fresh. With zero nothing is cached, but loads are still shared.
    pub ttl: Duration,
    /// The same for "not found".
    pub not_found_ttl: Duration,
    /// How long after that a stale entry may be returned while a new one is loaded.
    pub stale_while_revalidate: Duration,
    /// How long after that a stale entry may be returned if a new one cannot be loaded.
    pub stale_if_error: Duration,
}

/// The result of a load: the value, or `None` for "not found".
#[derive(Debug)]
pub struct Fetched<V> {
    pub value: Option<V>,
    /// The size of the upstream response in bytes.
    pub bytes: usize,
}

/// A cached value.
#[derive(Debug)]
pub struct CacheEntry<V> {
    pub value: Option<Arc<V>>,
    /// When the load started.
    pub requested_at: Instant,
    /// When the load finished.
    pub read_at: Instant,
    /// The end of its time to live.
    pub fresh_until: Instant,
    expires_in: Duration,
    weight: u32,
}

impl<V> Clone for CacheEntry<V> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), ..*self }
    }
}

/// What a caller accepts.
#[derive(Clone, Copy, Debug)]
pub struct ReadOptions {
    /// When the caller needs a result at the latest.
    pub deadline: Instant,
    pub freshness: Freshness,
}

/// How old a result may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Freshness {
    /// A cached entry; a stale one too, if the settings allow it and no new one can be loaded.
    AllowStale,
    /// Only a fresh result: the caller is about to change the customer.
    FreshOnly,
    /// No cached entry and no load that started before, for a request with `no-cache`.
    Bypass,
}

/// Where a result came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CacheStatus {
    /// From the cache. It can be stale while a new one is loaded.
    Hit,
    /// From a load that this caller started.
    Miss,
    /// From a load that another caller started.
    Shared,
    /// From the cache, and stale: a new one could not be loaded.
    StaleIfError,
}

impl CacheStatus {
    /// Its name in traces.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Shared => "shared",
            Self::StaleIfError => "stale_if_error",
        }
    }
}

/// The result of a look-up.
#[derive(Debug)]
pub struct Lookup<V> {
    pub entry: CacheEntry<V>,
    pub status: CacheStatus,
}

/// Why there is no result.
#[derive(Debug)]
pub enum LoadError<E> {
    /// The load failed. All callers that waited for it get this error. It is not cached.
    Failed(Arc<E>),
    /// The caller's deadline passed.
    DeadlineExceeded,
    /// The load's task was lost: it panicked, or the runtime is shutting down.
    TaskLost,
}

/// An error of a load.
pub trait StaleIfError: Send + Sync + 'static {
    /// Whether a stale entry is better than this error: true if the upstream failed, false if it rejected the request.
    fn allows_stale(&self) -> bool;
}

type LoadResult<V, E> = Result<CacheEntry<V>, Arc<E>>;

/// The cache of one kind of value.
#[derive(Debug)]
pub struct ReadThrough<V: Send + Sync + 'static, E: StaleIfError> {
    /// Its name in metrics.
    name: &'static str,
    store: Store<Key, CacheEntry<V>>,
    loads: Arc<SingleFlight<LoadResult<V, E>>>,
    ttl: TtlPolicy,
}

struct EntryExpiry;

impl<V> Expiry<Key, CacheEntry<V>> for EntryExpiry {
    fn expire_after_create(&self, _: &Key, cached: &CacheEntry<V>, _: std::time::Instant) -> Option<Duration> {
        Some(cached.expires_in)
    }

    fn expire_after_update(
        &self,
        _: &Key,
        cached: &CacheEntry<V>,
        _: std::time::Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(cached.expires_in)
    }
}

impl<V: Send + Sync + 'static, E: StaleIfError> ReadThrough<V, E> {
    /// Creates an empty cache. The estimated memory of its entries is at most `max_bytes`.
    pub fn new(name: &'static str, policy: TtlPolicy, max_bytes: u64) -> Self {
        let gone = move |_: Arc<Key>, _: CacheEntry<V>, cause: RemovalCause| {
            let reason = match cause {
                RemovalCause::Size => "size",
                RemovalCause::Expired => "expired",
                RemovalCause::Explicit | RemovalCause::Replaced => return,
            };
            metrics::counter!(names::CACHE_EVICTIONS, "store" => name, "reason" => reason).increment(1);
        };
        let store = Store::builder()
            .max_capacity(max_bytes)
            .weigher(|_: &Key, cached: &CacheEntry<V>| cached.weight)
            .expire_after(EntryExpiry)
            .eviction_listener(gone)
            .build();
        Self { name, store, loads: Arc::default(), ttl: policy }
    }

    /// Its name in metrics.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Updates the metrics of its size.
    pub async fn record_metrics(&self) {
        // moka's sums include only completed maintenance.
        self.store.run_pending_tasks().await;
        metrics::gauge!(names::CACHE_BYTES, "store" => self.name).set(as_f64(self.store.weighted_size()));
        metrics::gauge!(names::CACHE_ENTRIES, "store" => self.name).set(as_f64(self.store.entry_count()));
    }

    fn record_lookup(&self, outcome: &'static str) {
        metrics::counter!(names::CACHE_LOOKUPS, "store" => self.name, "outcome" => outcome).increment(1);
    }

    /// The cached entry if it is fresh. Starts no load. The caller must count its use by [`Self::record_hit`].
    pub async fn get_fresh(&self, key: &Key) -> Option<CacheEntry<V>> {
        self.store.get(key).await.filter(|cached| Instant::now() < cached.fresh_until)
    }

    /// Counts the use of a fresh entry.
    pub fn record_hit(&self) {
        self.record_lookup("hit");
    }

    /// Returns a cached entry, or the result of `load`, as `options` allow. `load` gets the latest deadline of the
    /// callers that wait for it, which moves when others join.
    ///
    /// # Errors
    /// If there is neither a result nor an acceptable stale entry.
    pub async fn get<F>(
        &self,
        key: Key,
        options: ReadOptions,
        load: impl FnOnce(watch::Receiver<Instant>) -> F,
    ) -> Result<Lookup<V>, LoadError<E>>
    where
        F: Future<Output = Result<Fetched<V>, E>> + Send + 'static,
    {
        let cached = self.store.get(&key).await;
        let now = Instant::now();
        match &cached {
            Some(fresh) if options.freshness != Freshness::Bypass && now < fresh.fresh_until => {
                self.record_hit();
                return Ok(Lookup { entry: fresh.clone(), status: CacheStatus::Hit });
            }
            Some(old)
                if options.freshness == Freshness::AllowStale
                    && now < old.fresh_until + self.ttl.stale_while_revalidate =>
            {
                self.record_lookup("stale");
                let waiter = self.join_or_start(key, options, load);
                if waiter.is_leader {
                    // In the background, while the caller gets the stale entry. A failed load leaves that entry in
                    // place.
                    tokio::spawn(async move { waiter.finished().await.is_some() });
                }
                return Ok(Lookup { entry: old.clone(), status: CacheStatus::Hit });
            }
            _ => {}
        }
        let waiter = self.join_or_start(key, options, load);
        self.record_lookup(if waiter.is_leader { "miss" } else { "shared" });
        let missed = match timeout_at(options.deadline, waiter.finished()).await {
            Ok(Some(Ok(cached))) => {
                let source = if waiter.is_leader { CacheStatus::Miss } else { CacheStatus::Shared };
                return Ok(Lookup { entry: cached, status: source });
            }
            Ok(Some(Err(error))) => LoadError::Failed(error),
            Ok(None) => LoadError::TaskLost,
            Err(_elapsed) => {
                waiter.detach();
                LoadError::DeadlineExceeded
            }
        };
        let is_stale_allowed = match &missed {
            LoadError::Failed(error) => error.allows_stale(),
            LoadError::DeadlineExceeded => true,
            LoadError::TaskLost => false,
        };
        match cached {
            Some(old)
                if is_stale_allowed
                    && options.freshness == Freshness::AllowStale
                    && old.value.is_some()
                    && Instant::now() < old.fresh_until + self.ttl.stale_if_error =>
            {
                self.record_lookup("stale_if_error");
                Ok(Lookup { entry: old, status: CacheStatus::StaleIfError })
            }
            _ => Err(missed),
        }
    }

    /// Joins or starts the load of a key, whose result is cached. A caller that bypasses the cache starts a load of
    /// its own.
    fn join_or_start<F>(
        &self,
        key: Key,
        options: ReadOptions,
        load: impl FnOnce(watch::Receiver<Instant>) -> F,
    ) -> Waiter<LoadResult<V, E>>
    where
        F: Future<Output = Result<Fetched<V>, E>> + Send + 'static,
    {
        let (store, policy) = (self.store.clone(), self.ttl);
        let bypasses_cache = options.freshness == Freshness::Bypass;
        let flight = |until| {
            let load = load(until);
            async move {
                // Another load may have finished since the first look into the cache. Then its result is used.
                if !bypasses_cache
                    && let Some(cached) = store.get(&key).await
                    && Instant::now() < cached.fresh_until
                {
                    return Ok(cached);
                }
                let requested_at = Instant::now();
                let cached = policy.entry(requested_at, load.await.map_err(Arc::new)?);
                // The result of a load never replaces the result of a load that started later.
                let newest = |there: Option<Entry<Key, CacheEntry<V>>>| {
                    let overtaken = there.is_some_and(|there| there.value().requested_at > requested_at);
                    ready(if overtaken { Op::Nop } else { Op::Put(cached.clone()) })
                };
                store.entry(key).and_compute_with(newest).await;
                // moka evicts only after some hundred inserts, so a burst of large entries would exceed the limit.
                store.run_pending_tasks().await;
                Ok(cached)
            }
        };
        match bypasses_cache {
            true => self.loads.start_new(key, options.deadline, flight),
            false => self.loads.join(key, options.deadline, flight),
        }
    }
}

impl TtlPolicy {
    /// The policy that caches nothing.
    pub const DISABLED: Self = Self {
        ttl: Duration::ZERO,
        not_found_ttl: Duration::ZERO,
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: Duration::ZERO,
    };

    fn entry<V>(self, requested_at: Instant, load: Fetched<V>) -> CacheEntry<V> {
        let fresh = if load.value.is_some() { self.ttl } else { self.not_found_ttl };
        let old = match fresh.is_zero() {
            true => Duration::ZERO,
            false => self.stale_while_revalidate.max(self.stale_if_error),
        };
        let weight = load.bytes.saturating_mul(MEMORY_PER_WIRE_BYTE).saturating_add(BYTES_PER_ENTRY);
        let read_at = Instant::now();
        CacheEntry {
            value: load.value.map(Arc::new),
            requested_at,
            read_at,
            fresh_until: read_at + fresh,
            expires_in: fresh + old,
            weight: u32::try_from(weight).unwrap_or(u32::MAX),
        }
    }
}

#[cfg(test)]
mod tests;
