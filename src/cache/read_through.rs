//! A bounded store that asks for what it does not have, once for all who miss it at the same time.
//!
//! moka does the keeping and the bounds; who waits for a load, and when it is given up, is `super::flights`. A write while
//! a load is under way would not stop moka from keeping the old value: so the key carries a generation, see
//! `super::generations`.

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

/// An entry costs its own bookkeeping, and its value in memory is some twice its JSON (measured on reviews, which have
/// many small strings).
const BYTES_PER_ENTRY: usize = 512;
const MEMORY_PER_WIRE_BYTE: usize = 2;

/// How long things are kept.
#[derive(Clone, Copy, Debug)]
pub struct TtlPolicy {
    /// How long an answer is fresh. Zero keeps nothing and still shares loads.
    pub ttl: Duration,
    /// The same for "there is none".
    pub not_found_ttl: Duration,
    /// How long past that an old answer may be given while a new one is being loaded.
    pub stale_while_revalidate: Duration,
    /// How long past that an old answer may be given where a new one cannot be had.
    pub stale_if_error: Duration,
}

/// What a load brought: the value, or that there is none.
#[derive(Debug)]
pub struct Fetched<V> {
    pub value: Option<V>,
    /// Size of the answer on the wire.
    pub bytes: usize,
}

/// A kept answer.
#[derive(Debug)]
pub struct CacheEntry<V> {
    pub value: Option<Arc<V>>,
    /// When it was asked for.
    pub requested_at: Instant,
    /// When it was read.
    pub read_at: Instant,
    /// Until when it counts as new.
    pub fresh_until: Instant,
    expires_in: Duration,
    weight: u32,
}

impl<V> Clone for CacheEntry<V> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), ..*self }
    }
}

/// What a caller asks for.
#[derive(Clone, Copy, Debug)]
pub struct ReadOptions {
    /// When it has to have an answer.
    pub deadline: Instant,
    pub freshness: Freshness,
}

/// How old an answer may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Freshness {
    /// What is kept will do, and where the settings allow it an old answer where no new one can be had.
    AllowStale,
    /// Only what is fresh: somebody is about to change something, and must see it as it is.
    FreshOnly,
    /// Nothing that was kept or asked for before, for a caller who says so.
    Bypass,
}

/// Where an answer came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CacheStatus {
    /// It was kept. It may be old while a new one is being loaded.
    Hit,
    /// Of a load that began with this caller.
    Miss,
    /// Of a load that began with another one.
    Shared,
    /// It was kept, and is old: a new one cannot be had.
    StaleIfError,
}

impl CacheStatus {
    /// As traces call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Shared => "shared",
            Self::StaleIfError => "stale_if_error",
        }
    }
}

/// An answer.
#[derive(Debug)]
pub struct Lookup<V> {
    pub entry: CacheEntry<V>,
    pub status: CacheStatus,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum LoadError<E> {
    /// The load failed. All who waited for it share its error, which is not kept.
    Failed(Arc<E>),
    /// The caller's time is up.
    DeadlineExceeded,
    /// The load's task was lost: it panicked, or the runtime is going down.
    TaskLost,
}

/// An error of a load.
pub trait StaleIfError: Send + Sync + 'static {
    /// Whether an old answer is better than this error: something does not work, and nobody said no.
    fn allows_stale(&self) -> bool;
}

type LoadResult<V, E> = Result<CacheEntry<V>, Arc<E>>;

/// One kind of value, kept.
#[derive(Debug)]
pub struct ReadThrough<V: Send + Sync + 'static, E: StaleIfError> {
    /// As the metrics call it.
    name: &'static str,
    store: Store<Key, CacheEntry<V>>,
    loads: Arc<SingleFlight<LoadResult<V, E>>>,
    ttl: TtlPolicy,
}

struct EntryExpiry;

impl<V> Expiry<Key, CacheEntry<V>> for EntryExpiry {
    fn expire_after_create(&self, _: &Key, kept: &CacheEntry<V>, _: std::time::Instant) -> Option<Duration> {
        Some(kept.expires_in)
    }

    fn expire_after_update(
        &self,
        _: &Key,
        kept: &CacheEntry<V>,
        _: std::time::Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(kept.expires_in)
    }
}

impl<V: Send + Sync + 'static, E: StaleIfError> ReadThrough<V, E> {
    /// An empty store. The estimated memory of its entries is `max_bytes` at most.
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
            .weigher(|_: &Key, kept: &CacheEntry<V>| kept.weight)
            .expire_after(EntryExpiry)
            .eviction_listener(gone)
            .build();
        Self { name, store, loads: Arc::default(), ttl: policy }
    }

    /// As the metrics call it.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Tells the metrics how much is kept.
    pub async fn record_metrics(&self) {
        // The store's sums are those of what it has tidied up.
        self.store.run_pending_tasks().await;
        metrics::gauge!(names::CACHE_BYTES, "store" => self.name).set(as_f64(self.store.weighted_size()));
        metrics::gauge!(names::CACHE_ENTRIES, "store" => self.name).set(as_f64(self.store.entry_count()));
    }

    fn record_lookup(&self, outcome: &'static str) {
        metrics::counter!(names::CACHE_LOOKUPS, "store" => self.name, "outcome" => outcome).increment(1);
    }

    /// What is kept and fresh; asks nobody. Whoever gives it out counts it by [`Self::record_hit`].
    pub async fn get_fresh(&self, key: &Key) -> Option<CacheEntry<V>> {
        self.store.get(key).await.filter(|kept| Instant::now() < kept.fresh_until)
    }

    /// Counts an answer that was kept and fresh.
    pub fn record_hit(&self) {
        self.record_lookup("hit");
    }

    /// What is kept, or what `load` brings, within the terms. `load` gets to know until when somebody waits for it, which
    /// can be put off as others join.
    ///
    /// # Errors
    /// Where there is no answer, and no old one that will do.
    pub async fn get<F>(
        &self,
        key: Key,
        terms: ReadOptions,
        load: impl FnOnce(watch::Receiver<Instant>) -> F,
    ) -> Result<Lookup<V>, LoadError<E>>
    where
        F: Future<Output = Result<Fetched<V>, E>> + Send + 'static,
    {
        let kept = self.store.get(&key).await;
        let now = Instant::now();
        match &kept {
            Some(fresh) if terms.freshness != Freshness::Bypass && now < fresh.fresh_until => {
                self.record_hit();
                return Ok(Lookup { entry: fresh.clone(), status: CacheStatus::Hit });
            }
            Some(old)
                if terms.freshness == Freshness::AllowStale
                    && now < old.fresh_until + self.ttl.stale_while_revalidate =>
            {
                self.record_lookup("stale");
                let seat = self.join_or_start(key, terms, load);
                if seat.is_leader {
                    // Behind the back of a caller who is given the old one; a failure leaves that one be.
                    tokio::spawn(async move { seat.finished().await.is_some() });
                }
                return Ok(Lookup { entry: old.clone(), status: CacheStatus::Hit });
            }
            _ => {}
        }
        let seat = self.join_or_start(key, terms, load);
        self.record_lookup(if seat.is_leader { "miss" } else { "shared" });
        let missed = match timeout_at(terms.deadline, seat.finished()).await {
            Ok(Some(Ok(kept))) => {
                let source = if seat.is_leader { CacheStatus::Miss } else { CacheStatus::Shared };
                return Ok(Lookup { entry: kept, status: source });
            }
            Ok(Some(Err(error))) => LoadError::Failed(error),
            Ok(None) => LoadError::TaskLost,
            Err(_elapsed) => {
                seat.detach();
                LoadError::DeadlineExceeded
            }
        };
        let stands_in = match &missed {
            LoadError::Failed(error) => error.allows_stale(),
            LoadError::DeadlineExceeded => true,
            LoadError::TaskLost => false,
        };
        match kept {
            Some(old)
                if stands_in
                    && terms.freshness == Freshness::AllowStale
                    && old.value.is_some()
                    && Instant::now() < old.fresh_until + self.ttl.stale_if_error =>
            {
                self.record_lookup("stale_if_error");
                Ok(Lookup { entry: old, status: CacheStatus::StaleIfError })
            }
            _ => Err(missed),
        }
    }

    /// A seat on the load for a key, which keeps what it brings; on one of its own for who wants nothing that was asked for
    /// before.
    fn join_or_start<F>(
        &self,
        key: Key,
        terms: ReadOptions,
        load: impl FnOnce(watch::Receiver<Instant>) -> F,
    ) -> Waiter<LoadResult<V, E>>
    where
        F: Future<Output = Result<Fetched<V>, E>> + Send + 'static,
    {
        let (store, policy) = (self.store.clone(), self.ttl);
        let past_the_cache = terms.freshness == Freshness::Bypass;
        let flight = |until| {
            let load = load(until);
            async move {
                // Who looked a moment before the last load landed begins another one: it has landed by now.
                if !past_the_cache
                    && let Some(kept) = store.get(&key).await
                    && Instant::now() < kept.fresh_until
                {
                    return Ok(kept);
                }
                let asked_at = Instant::now();
                let kept = policy.entry(asked_at, load.await.map_err(Arc::new)?);
                // A load that was overtaken by one that began after it does not take its place.
                let newest = |there: Option<Entry<Key, CacheEntry<V>>>| {
                    let overtaken = there.is_some_and(|there| there.value().requested_at > asked_at);
                    ready(if overtaken { Op::Nop } else { Op::Put(kept.clone()) })
                };
                store.entry(key).and_compute_with(newest).await;
                // The store evicts when some hundred inserts wait, so a burst of large answers would exceed the bound.
                store.run_pending_tasks().await;
                Ok(kept)
            }
        };
        match past_the_cache {
            true => self.loads.start_new(key, terms.deadline, flight),
            false => self.loads.join(key, terms.deadline, flight),
        }
    }
}

impl TtlPolicy {
    /// Keeps nothing.
    pub const DISABLED: Self = Self {
        ttl: Duration::ZERO,
        not_found_ttl: Duration::ZERO,
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: Duration::ZERO,
    };

    fn entry<V>(self, asked_at: Instant, load: Fetched<V>) -> CacheEntry<V> {
        let fresh = if load.value.is_some() { self.ttl } else { self.not_found_ttl };
        let old = match fresh.is_zero() {
            true => Duration::ZERO,
            false => self.stale_while_revalidate.max(self.stale_if_error),
        };
        let weight = load.bytes.saturating_mul(MEMORY_PER_WIRE_BYTE).saturating_add(BYTES_PER_ENTRY);
        let read_at = Instant::now();
        CacheEntry {
            value: load.value.map(Arc::new),
            requested_at: asked_at,
            read_at,
            fresh_until: read_at + fresh,
            expires_in: fresh + old,
            weight: u32::try_from(weight).unwrap_or(u32::MAX),
        }
    }
}

#[cfg(test)]
mod tests;
