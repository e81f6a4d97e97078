//! How many operations run at once: past the bound the answer is no, at once, instead of slow for all.
//!
//! It is fair by caller. While half of the places are free everybody is welcome; from then on each caller may hold an equal
//! share, and one share is kept for who comes next. So one caller alone never holds more than half of the gateway.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::{counter, gauge};

use super::rate_limit::Payer;
use crate::error::{Code, Failure};
use crate::telemetry::names::{OPERATIONS_IN_FLIGHT, OPERATIONS_REFUSED};

/// Operations end within a second, or the gateway is in trouble and has to be left alone that long.
const PAUSE: Duration = Duration::from_secs(1);

/// The operations that run, by caller.
#[derive(Debug)]
pub struct Crowd {
    max: usize,
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    total: usize,
    /// No caller stays here with none.
    callers: HashMap<u128, usize>,
}

/// A place among the operations that run, until it is dropped.
#[derive(Debug)]
pub struct Place {
    crowd: Arc<Crowd>,
    caller: u128,
}

impl Crowd {
    /// Nobody there.
    pub fn new(max: usize) -> Self {
        Self { max, inside: Mutex::default() }
    }

    /// A place for a caller's operation.
    ///
    /// # Errors
    /// `OVERLOADED` where there is none.
    pub fn enter(this: &Arc<Self>, payer: Payer) -> Result<Place, Failure> {
        let caller = payer.digest;
        let mut inside = this.inside();
        let own = inside.callers.get(&caller).copied().unwrap_or(0);
        let callers = inside.callers.len() + usize::from(own == 0);
        // A share for each caller, and one more; an only place is everybody's.
        let share = (this.max / (callers + 1)).max(1);
        let why = if inside.total >= this.max {
            Some("full")
        } else if inside.total >= this.max.div_ceil(2) && own >= share {
            Some("share")
        } else {
            None
        };
        if let Some(why) = why {
            counter!(OPERATIONS_REFUSED, "why" => why).increment(1);
            return Err(full());
        }
        inside.total += 1;
        *inside.callers.entry(caller).or_default() += 1;
        gauge!(OPERATIONS_IN_FLIGHT).increment(1.0);
        Ok(Place { crowd: Arc::clone(this), caller })
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        // Nothing in here panics half way, so a poisoned count is a true one.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What somebody is told for whom there is no room.
pub fn full() -> Failure {
    let failure = Failure::new(Code::Overloaded, "The gateway is at its limit. Try again shortly.");
    Failure { retry_after: Some(PAUSE), ..failure }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.crowd.inside();
        inside.total -= 1;
        if let Some(own) = inside.callers.get_mut(&self.caller) {
            *own -= 1;
            if *own == 0 {
                inside.callers.remove(&self.caller);
            }
        }
        gauge!(OPERATIONS_IN_FLIGHT).decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(crowd: &Arc<Crowd>, caller: u128) -> Vec<Place> {
        std::iter::from_fn(|| Crowd::enter(crowd, Payer::known(caller)).ok()).collect()
    }

    #[test]
    fn a_caller_alone_leaves_half_for_who_comes_next() {
        let crowd = Arc::new(Crowd::new(12));
        let first = fill(&crowd, 1);
        assert_eq!(first.len(), 6);
        assert_eq!(fill(&crowd, 2).len(), 4, "a third");
        drop(first);
        assert_eq!(crowd.inside().callers.len(), 0);
        assert_eq!(crowd.inside().total, 0);
    }

    #[test]
    fn there_is_no_more_than_the_bound() {
        let crowd = Arc::new(Crowd::new(12));
        let everybody: Vec<_> = (0..100).filter_map(|caller| Crowd::enter(&crowd, Payer::known(caller)).ok()).collect();
        assert_eq!(everybody.len(), 12);
        let refused = Crowd::enter(&crowd, Payer::known(1)).expect_err("full");
        assert_eq!((refused.code, refused.retry_after_seconds()), (Code::Overloaded, Some(1)));
    }

    #[test]
    fn an_only_place_is_everybodys() {
        let crowd = Arc::new(Crowd::new(1));
        assert_eq!(fill(&crowd, 1).len(), 1);
        assert_eq!(fill(&crowd, 2).len(), 1);
    }
}
