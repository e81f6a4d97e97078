//! So many things at once and no more, fair by whose they are: for operations that run, and calls that wait.
//!
//! While half of it is free everybody is welcome; from then on each caller may hold an equal share, and one share is kept
//! for who comes next. So one caller alone never holds more than half, whoever else is there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::telemetry::metrics::Present;

/// What may be held at once, and by whom it is.
#[derive(Debug)]
pub struct Shares {
    max: usize,
    /// The metric that says how many are held.
    gauge: &'static str,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    total: usize,
    /// No caller stays here with none.
    callers: HashMap<u128, usize>,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub struct Share {
    shares: Arc<Shares>,
    caller: u128,
    _counted: Present,
}

/// Why there is none to be had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Taken {
    /// All are held.
    All,
    /// The caller holds its share of them.
    Share,
}

impl Taken {
    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "full",
            Self::Share => "share",
        }
    }
}

impl Shares {
    /// None is held. `gauge` is the metric's name.
    pub fn new(max: usize, gauge: &'static str) -> Self {
        Self { max, gauge, held: Mutex::default() }
    }

    /// One more for a caller, who is told apart by a digest.
    ///
    /// # Errors
    /// Where there is none.
    pub fn take(this: &Arc<Self>, caller: u128) -> Result<Share, Taken> {
        let mut held = this.held();
        let own = held.callers.get(&caller).copied().unwrap_or(0);
        let callers = held.callers.len() + usize::from(own == 0);
        // A share for each caller, and one more; an only one is everybody's.
        let share = (this.max / (callers + 1)).max(1);
        if held.total >= this.max {
            return Err(Taken::All);
        }
        if held.total >= this.max.div_ceil(2) && own >= share {
            return Err(Taken::Share);
        }
        held.total += 1;
        *held.callers.entry(caller).or_default() += 1;
        Ok(Share { shares: Arc::clone(this), caller, _counted: Present::new(metrics::gauge!(this.gauge)) })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // Nothing in here panics half way, so a poisoned count is a true one.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = self.shares.held();
        held.total -= 1;
        if let Some(own) = held.callers.get_mut(&self.caller) {
            *own -= 1;
            if *own == 0 {
                held.callers.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(max: usize) -> Arc<Shares> {
        Arc::new(Shares::new(max, "a gauge"))
    }

    fn fill(shares: &Arc<Shares>, caller: u128) -> Vec<Share> {
        std::iter::from_fn(|| Shares::take(shares, caller).ok()).collect()
    }

    #[test]
    fn a_caller_alone_leaves_half_for_who_comes_next() {
        let shares = shares(12);
        let first = fill(&shares, 1);
        assert_eq!(first.len(), 6);
        assert_eq!(Shares::take(&shares, 1).expect_err("its share"), Taken::Share);
        assert_eq!(fill(&shares, 2).len(), 4, "a third");
        drop(first);
        let held = shares.held();
        assert_eq!((held.callers.len(), held.total), (0, 0));
    }

    #[test]
    fn there_is_no_more_than_the_bound() {
        let shares = shares(12);
        let everybody: Vec<_> = (0..100).filter_map(|caller| Shares::take(&shares, caller).ok()).collect();
        assert_eq!(everybody.len(), 12);
        assert_eq!(Shares::take(&shares, 1).expect_err("full"), Taken::All);
    }

    #[test]
    fn an_only_one_is_everybodys() {
        let shares = shares(1);
        assert_eq!(fill(&shares, 1).len(), 1);
        assert_eq!(fill(&shares, 2).len(), 1);
        assert_eq!(fill(&self::shares(0), 2).len(), 0);
    }
}
