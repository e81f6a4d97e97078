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

use super::flights::{Flights, Seat};
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
    pub while_refresh: Duration,
    /// How long past that an old answer may be given where a new one cannot be had.
    pub if_error: Duration,
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
    /// When it was asked for.
    pub asked_at: Instant,
    /// When it was read.
    pub read_at: Instant,
    /// Until when it counts as new.
    pub fresh_until: Instant,
    expires_in: Duration,
    weight: u32,
}

impl<V> Clone for Kept<V> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), ..*self }
    }
}

/// What a caller asks for.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// When it has to have an answer.
    pub deadline: Instant,
    pub reading: Reading,
}

/// How old an answer may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reading {
    /// What is kept will do, and where the settings allow it an old answer where no new one can be had.
    Kept,
    /// Only what is fresh: somebody is about to change something, and must see it as it is.
    Fresh,
    /// Nothing that was kept or asked for before, for a caller who says so.
    PastTheCache,
}

/// Where an answer came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// It was kept. It may be old while a new one is being loaded.
    Kept,
    /// Of a load that began with this caller.
    Loaded,
    /// Of a load that began with another one.
    Shared,
    /// It was kept, and is old: a new one cannot be had.
    Old,
}

impl Source {
    /// As traces call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Loaded => "loaded",
            Self::Shared => "shared",
            Self::Old => "old",
        }
    }
}

/// An answer.
#[derive(Debug)]
pub struct Got<V> {
    pub kept: Kept<V>,
    pub source: Source,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Missed<E> {
    /// The load failed. All who waited for it share its error, which is not kept.
    Failed(Arc<E>),
    /// The caller's time is up.
    Late,
    /// The load's task was lost: it panicked, or the runtime is going down.
    Lost,
}

/// An error of a load.
pub trait Trouble: Send + Sync + 'static {
    /// Whether an old answer is better than this error: something does not work, and nobody said no.
    fn lets_old_stand_in(&self) -> bool;
}

type Landing<V, E> = Result<Kept<V>, Arc<E>>;

/// One kind of value, kept.
#[derive(Debug)]
pub struct ReadThrough<V: Send + Sync + 'static, E: Trouble> {
    /// As the metrics call it.
    name: &'static str,
    store: Store<Key, Kept<V>>,
    flights: Arc<Flights<Landing<V, E>>>,
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

impl<V: Send + Sync + 'static, E: Trouble> ReadThrough<V, E> {
    /// An empty store. The estimated memory of its entries is `max_bytes` at most.
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
        Self { name, store, flights: Arc::default(), policy }
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

    /// What is kept and fresh; asks nobody. Whoever gives it out counts it by [`Self::count_hit`].
    pub async fn fresh(&self, key: &Key) -> Option<Kept<V>> {
        self.store.get(key).await.filter(|kept| Instant::now() < kept.fresh_until)
    }

    /// Counts an answer that was kept and fresh.
    pub fn count_hit(&self) {
        self.count("hit");
    }

    /// What is kept, or what `load` brings, within the terms. `load` gets to know until when somebody waits for it, which
    /// can be put off as others join.
    ///
    /// # Errors
    /// Where there is no answer, and no old one that will do.
    pub async fn get<F>(
        &self,
        key: Key,
        terms: Terms,
        load: impl FnOnce(watch::Receiver<Instant>) -> F,
    ) -> Result<Got<V>, Missed<E>>
    where
        F: Future<Output = Result<Load<V>, E>> + Send + 'static,
    {
        let kept = self.store.get(&key).await;
        let now = Instant::now();
        match &kept {
            Some(fresh) if terms.reading != Reading::PastTheCache && now < fresh.fresh_until => {
                self.count_hit();
                return Ok(Got { kept: fresh.clone(), source: Source::Kept });
            }
            Some(old) if terms.reading == Reading::Kept && now < old.fresh_until + self.policy.while_refresh => {
                self.count("stale");
                let seat = self.board(key, terms, load);
                if seat.is_first {
                    // Behind the back of a caller who is given the old one; a failure leaves that one be.
                    tokio::spawn(async move { seat.landing().await.is_some() });
                }
                return Ok(Got { kept: old.clone(), source: Source::Kept });
            }
            _ => {}
        }
        let seat = self.board(key, terms, load);
        self.count(if seat.is_first { "miss" } else { "shared" });
        let missed = match timeout_at(terms.deadline, seat.landing()).await {
            Ok(Some(Ok(kept))) => {
                let source = if seat.is_first { Source::Loaded } else { Source::Shared };
                return Ok(Got { kept, source });
            }
            Ok(Some(Err(error))) => Missed::Failed(error),
            Ok(None) => Missed::Lost,
            Err(_elapsed) => {
                seat.leave();
                Missed::Late
            }
        };
        let stands_in = match &missed {
            Missed::Failed(error) => error.lets_old_stand_in(),
            Missed::Late => true,
            Missed::Lost => false,
        };
        match kept {
            Some(old)
                if stands_in
                    && terms.reading == Reading::Kept
                    && old.value.is_some()
                    && Instant::now() < old.fresh_until + self.policy.if_error =>
            {
                self.count("old");
                Ok(Got { kept: old, source: Source::Old })
            }
            _ => Err(missed),
        }
    }

    /// A seat on the load for a key, which keeps what it brings; on one of its own for who wants nothing that was asked for
    /// before.
    fn board<F>(&self, key: Key, terms: Terms, load: impl FnOnce(watch::Receiver<Instant>) -> F) -> Seat<Landing<V, E>>
    where
        F: Future<Output = Result<Load<V>, E>> + Send + 'static,
    {
        let (store, policy) = (self.store.clone(), self.policy);
        let past_the_cache = terms.reading == Reading::PastTheCache;
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
                let kept = policy.keep(asked_at, load.await.map_err(Arc::new)?);
                // A load that was overtaken by one that began after it does not take its place.
                let newest = |there: Option<Entry<Key, Kept<V>>>| {
                    let overtaken = there.is_some_and(|there| there.value().asked_at > asked_at);
                    ready(if overtaken { Op::Nop } else { Op::Put(kept.clone()) })
                };
                store.entry(key).and_compute_with(newest).await;
                // The store evicts when some hundred inserts wait, so a burst of large answers would exceed the bound.
                store.run_pending_tasks().await;
                Ok(kept)
            }
        };
        match past_the_cache {
            true => self.flights.begin(key, terms.deadline, flight),
            false => self.flights.join(key, terms.deadline, flight),
        }
    }
}

impl Policy {
    /// Keeps nothing.
    pub const NOTHING: Self = Self {
        fresh: Duration::ZERO,
        not_found: Duration::ZERO,
        while_refresh: Duration::ZERO,
        if_error: Duration::ZERO,
    };

    fn keep<V>(self, asked_at: Instant, load: Load<V>) -> Kept<V> {
        let fresh = if load.value.is_some() { self.fresh } else { self.not_found };
        let old = match fresh.is_zero() {
            true => Duration::ZERO,
            false => self.while_refresh.max(self.if_error),
        };
        let weight = load.bytes.saturating_mul(MEMORY_PER_WIRE_BYTE).saturating_add(BYTES_PER_ENTRY);
        let read_at = Instant::now();
        Kept {
            value: load.value.map(Arc::new),
            asked_at,
            read_at,
            fresh_until: read_at + fresh,
            expires_in: fresh + old,
            weight: u32::try_from(weight).unwrap_or(u32::MAX),
        }
    }
}

#[cfg(test)]
mod tests;
