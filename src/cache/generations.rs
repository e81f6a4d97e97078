//! Generations: counters of the writes to each customer and to each scope's lists.
//!
//! The counters are a table of fixed size, not a map, so it neither grows nor evicts. Two subjects that share a
//! counter by chance can cause each other a cache miss after a write, never a wrong response.
//!
//! A write of unknown outcome may still take effect later. For a while each read of its customer uses a new
//! generation, so nothing is cached that the write may still change. The scope's lists get a new generation each
//! second, so that callers still share what was read within a second.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::key::Scope;

/// 4096 counters take 96 kB. With a thousand writes within one time to live, a quarter of the entries is loaded again.
const COUNTER_COUNT: usize = 4096;

/// The table of counters.
#[derive(Debug)]
pub struct Generations {
    counters: Box<[Counter]>,
    hasher: RandomState,
    started: Instant,
}

#[derive(Debug, Default)]
struct Counter {
    generation: AtomicU64,
    /// Until when caching is suspended, in milliseconds since `started`.
    suspended_until: AtomicU64,
    /// When a suspended list gets its next generation, in milliseconds since `started`. 0 if none is due.
    next_refresh: AtomicU64,
}

/// How long a generation of a suspended list lasts, in milliseconds.
const LIST_REFRESH: u64 = 1000;

impl Default for Generations {
    fn default() -> Self {
        Self::new()
    }
}

impl Generations {
    /// Creates counters that are all zero.
    pub fn new() -> Self {
        let counters = (0..COUNTER_COUNT).map(|_| Counter::default()).collect();
        Self { counters, hasher: RandomState::new(), started: Instant::now() }
    }

    /// The generation of a subject, or of the scope's lists if `subject` is `None`.
    pub fn current(&self, scope: Scope, subject: Option<u128>) -> u64 {
        let counter = self.counter(scope, subject);
        let now = self.elapsed();
        let until = counter.suspended_until.load(Ordering::SeqCst);
        match subject {
            // A generation of this call alone: every later call gets a higher one, suspended or not.
            Some(_) if now < until => return counter.generation.fetch_add(2, Ordering::SeqCst) + 1,
            Some(_) => {}
            None => {
                let due = counter.next_refresh.load(Ordering::SeqCst);
                // The last of these generations starts when the suspension ends.
                let next = if now < until { now + LIST_REFRESH } else { 0 };
                let is_due = due > 0 && now >= due.min(until);
                if is_due
                    && counter.next_refresh.compare_exchange(due, next, Ordering::SeqCst, Ordering::SeqCst).is_ok()
                {
                    counter.generation.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
        counter.generation.load(Ordering::SeqCst)
    }

    /// Starts a new generation, so entries of the old one are not found any more.
    pub fn advance(&self, scope: Scope, subject: Option<u128>) {
        self.counter(scope, subject).generation.fetch_add(1, Ordering::SeqCst);
    }

    /// Suspends caching: starts new generations again and again for `time`.
    pub fn suspend_caching(&self, scope: Scope, subject: Option<u128>, time: Duration) {
        let now = self.elapsed();
        let until = now.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        let counter = self.counter(scope, subject);
        counter.suspended_until.fetch_max(until, Ordering::SeqCst);
        counter.next_refresh.store(now + LIST_REFRESH, Ordering::SeqCst);
        counter.generation.fetch_add(1, Ordering::SeqCst);
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn counter(&self, scope: Scope, subject: Option<u128>) -> &Counter {
        let hash = self.hasher.hash_one((scope, subject));
        let index = usize::try_from(hash % COUNTER_COUNT as u64).expect("a number below 4096 fits any usize");
        self.counters.get(index).expect("the index is below the table's length")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn until_it_is_settled_each_look_is_a_generation() {
        let generations = Generations::new();
        let scope = Scope::new(1, None);
        let look = || generations.current(scope, Some(1));
        assert_eq!(look(), look());
        let before = look();
        generations.suspend_caching(scope, Some(1), Duration::from_secs(10));
        let (first, second) = (look(), look());
        assert!(before < first && first < second);
        tokio::time::advance(Duration::from_secs(11)).await;
        assert!(look() > second && look() == look());
    }

    #[tokio::test(start_paused = true)]
    async fn until_it_is_settled_a_list_begins_a_generation_each_second_and_one_at_the_end() {
        let generations = Generations::new();
        let scope = Scope::new(1, None);
        let look = || generations.current(scope, None);
        let before = look();
        generations.suspend_caching(scope, None, Duration::from_millis(2500));
        assert!(look() > before && look() == look());
        for _ in 0..2 {
            let last = look();
            tokio::time::advance(Duration::from_millis(1001)).await;
            assert!(look() > last && look() == look(), "a second is over");
        }
        let last = look();
        tokio::time::advance(Duration::from_millis(600)).await;
        assert!(look() > last, "it is settled");
        let settled = look();
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(look(), settled);
    }
}
