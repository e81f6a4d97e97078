//! Limits the bytes of request bodies that are in memory while they are read. The limit is fair per caller: below half
//! of it every body is admitted, and above it each caller gets an equal share. A share is never less than one whole
//! body. Without this limit one caller's unfinished bodies could block the requests of all others.
//!
//! Only bytes in memory count. A compressed body counts with its compressed bytes, which become fewer while it is
//! decompressed, and with its decompressed bytes. Each of the two is at most the largest body, so one body counts at
//! most twice that: [`most_held`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::counter;

use super::ClientKey;
use crate::admission::operations;
use crate::error::PublicError;
use crate::telemetry::names::LIMITS_REACHED;

/// The maximum number of bytes that one body holds, if neither its compressed nor its decompressed form may exceed
/// `max_body_bytes`.
pub fn most_held(max_body_bytes: usize) -> usize {
    max_body_bytes.saturating_mul(2)
}

/// The budget of bytes for all request bodies.
#[derive(Debug)]
pub struct BodyBudget {
    max: usize,
    /// The maximum number of bytes that one body holds. A caller's share is never less.
    max_body: usize,
    reserved: Mutex<Reserved>,
}

#[derive(Debug, Default)]
struct Reserved {
    total: usize,
    /// The reserved bytes per caller. Callers without any have no entry.
    callers: HashMap<u128, usize>,
}

/// The reserved bytes of one request body. They are released when it is dropped.
#[derive(Debug)]
pub struct BodyReservation {
    budget: Arc<BodyBudget>,
    caller: u128,
    reserved: usize,
}

impl BodyBudget {
    /// Creates a budget of `max` bytes for all bodies together. The settings reject a `max` below [`most_held`].
    pub fn new(max: usize, max_body_bytes: usize) -> Self {
        Self { max, max_body: most_held(max_body_bytes), reserved: Mutex::default() }
    }

    /// A reservation for a caller's body of which no bytes have arrived.
    pub fn start(this: &Arc<Self>, client: ClientKey) -> BodyReservation {
        BodyReservation { budget: Arc::clone(this), caller: client.digest, reserved: 0 }
    }

    fn lock(&self) -> MutexGuard<'_, Reserved> {
        // No code panics while it holds the lock, so a poisoned value is still consistent.
        self.reserved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BodyReservation {
    /// Sets the number of bytes that the body holds, which can be more or less than before.
    ///
    /// # Errors
    /// `OVERLOADED` if the number grows, and the bodies of all callers exceed the budget, or those of this caller its
    /// share.
    pub fn hold(&mut self, bytes: usize) -> Result<(), PublicError> {
        match bytes.checked_sub(self.reserved) {
            Some(more) => self.reserve(more),
            None => {
                self.release(self.reserved - bytes);
                Ok(())
            }
        }
    }

    /// Reserves more bytes.
    ///
    /// # Errors
    /// `OVERLOADED` if the bodies of all callers exceed the budget, or those of this caller its share.
    pub fn reserve(&mut self, bytes: usize) -> Result<(), PublicError> {
        if bytes == 0 {
            return Ok(());
        }
        let BodyBudget { max, max_body: largest, .. } = *self.budget;
        let mut held = self.budget.lock();
        let own = held.callers.get(&self.caller).copied().unwrap_or(0);
        let callers = held.callers.len() + usize::from(own == 0);
        // One share per caller, and one spare.
        let share = (max / (callers + 1)).max(largest);
        let total = held.total.saturating_add(bytes);
        if total > max || (total > max.div_ceil(2) && own.saturating_add(bytes) > share) {
            counter!(LIMITS_REACHED, "limit" => "max_buffered_body_bytes").increment(1);
            return Err(operations::overloaded());
        }
        held.total = total;
        *held.callers.entry(self.caller).or_default() += bytes;
        self.reserved += bytes;
        Ok(())
    }

    /// Releases bytes.
    fn release(&mut self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        let mut held = self.budget.lock();
        held.total = held.total.saturating_sub(bytes);
        if let Some(own) = held.callers.get_mut(&self.caller) {
            *own = own.saturating_sub(bytes);
            if *own == 0 {
                held.callers.remove(&self.caller);
            }
        }
        self.reserved -= bytes;
    }
}

impl Drop for BodyReservation {
    fn drop(&mut self) {
        self.release(self.reserved);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn budget(max: usize, largest: usize) -> Arc<BodyBudget> {
        Arc::new(BodyBudget::new(max, largest))
    }

    fn caller(digest: u128) -> ClientKey {
        ClientKey::verified(digest)
    }

    #[test]
    fn a_callers_unfinished_bodies_leave_room_for_everybody_else() {
        let budget = budget(64, 1);
        let mut unfinished = Vec::new();
        for _ in 0..66 {
            let mut body = BodyBudget::start(&budget, caller(1));
            let _refused_in_the_end = body.reserve(1);
            unfinished.push(body);
        }
        assert_eq!(budget.lock().total, 32);
        for other in 2..20 {
            assert!(BodyBudget::start(&budget, caller(other)).reserve(1).is_ok());
        }
        drop(unfinished);
        let held = budget.lock();
        assert_eq!((held.total, held.callers.len()), (0, 0));
    }

    #[test]
    fn a_share_is_never_less_than_one_whole_body_coded_and_decoded() {
        let budget = budget(10, 5);
        assert!(BodyBudget::start(&budget, caller(1)).reserve(10).is_ok());
        let mut most = BodyBudget::start(&budget, caller(1));
        assert!(most.reserve(8).is_ok());
        assert!(BodyBudget::start(&budget, caller(2)).reserve(3).is_err(), "the budget is full");
        assert!(BodyBudget::start(&budget, caller(2)).reserve(2).is_ok());
    }

    #[test]
    fn a_body_that_holds_less_gives_the_rest_back() {
        let budget = budget(100, 50);
        let mut body = BodyBudget::start(&budget, caller(1));
        for held in [40, 90, 60, 100, 0, 70] {
            assert!(body.hold(held).is_ok());
            assert_eq!(budget.lock().total, held);
        }
        assert!(body.hold(101).is_err());
        assert_eq!(budget.lock().total, 70, "rejected bytes are not reserved");
        drop(body);
        assert!(budget.lock().callers.is_empty());
    }

    proptest! {
        #[test]
        fn no_more_than_the_bound_is_held_and_all_of_it_is_given_back(
            steps in prop::collection::vec((0..5_u128, 0..40_usize, any::<bool>()), 0..200),
        ) {
            let budget = budget(100, 20);
            let mut bodies: Vec<BodyReservation> = Vec::new();
            for (who, bytes, is_end) in steps {
                if is_end && !bodies.is_empty() {
                    bodies.swap_remove(bytes % bodies.len());
                } else {
                    let mut body = BodyBudget::start(&budget, caller(who));
                    let _full = body.reserve(bytes);
                    bodies.push(body);
                    if let Some(other) = bodies.first_mut() {
                        let _full = other.hold(bytes);
                    }
                }
                let held: usize = bodies.iter().map(|body| body.reserved).sum();
                prop_assert!(held <= 100);
                prop_assert_eq!(budget.lock().total, held);
            }
            drop(bodies);
            prop_assert!(budget.lock().callers.is_empty());
        }
    }
}
