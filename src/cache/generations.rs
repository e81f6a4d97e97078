//! How often each customer, and each scope's list, has been written.
//!
//! A fixed table of counters, not a map: it neither grows nor forgets. Two subjects that share a counter by chance
//! cost each other an entry after a write, never a wrong answer.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use super::key::Scope;

/// 4096 counters are 32 kB; with a thousand writes within a time to live, a quarter of the entries is loaded again.
const COUNTERS: usize = 4096;

/// The counters.
#[derive(Debug)]
pub struct Generations {
    counters: Box<[AtomicU64]>,
    hasher: RandomState,
}

impl Default for Generations {
    fn default() -> Self {
        Self::new()
    }
}

impl Generations {
    /// All at zero.
    pub fn new() -> Self {
        Self { counters: (0..COUNTERS).map(|_| AtomicU64::new(0)).collect(), hasher: RandomState::new() }
    }

    /// The generation of a subject, or of the scope's list where there is none.
    pub fn current(&self, scope: Scope, subject: Option<u128>) -> u64 {
        self.counter(scope, subject).load(Ordering::SeqCst)
    }

    /// Begins a new generation: what is kept under the old one is not found any more.
    pub fn advance(&self, scope: Scope, subject: Option<u128>) {
        self.counter(scope, subject).fetch_add(1, Ordering::SeqCst);
    }

    fn counter(&self, scope: Scope, subject: Option<u128>) -> &AtomicU64 {
        let hash = self.hasher.hash_one((scope, subject));
        let place = usize::try_from(hash % COUNTERS as u64).expect("a number below 4096 fits any usize");
        self.counters.get(place).expect("the place is below the table's length")
    }
}
