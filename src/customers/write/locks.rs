//! One lock for each customer: an update reads before it writes, so two updates of one customer must not overlap.
//!
//! The locks work within one instance. Across instances `expectedUpdatedAt` finds a concurrent change.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

use crate::cache::Scope;
use crate::model::CustomerId;

type LockKey = (Scope, CustomerId);
type CustomerLock = Arc<tokio::sync::Mutex<()>>;

/// The locks of the customers that are being written. A lock is removed with its last holder.
#[derive(Debug, Default)]
pub struct CustomerLocks {
    locks: Arc<Mutex<HashMap<LockKey, CustomerLock>>>,
}

/// Holds the lock of a customer until it is dropped.
#[derive(Debug)]
pub struct CustomerGuard {
    locks: Arc<Mutex<HashMap<LockKey, CustomerLock>>>,
    key: LockKey,
    /// `None` while the lock is waited for, and after it is released.
    guard: Option<OwnedMutexGuard<()>>,
}

impl CustomerLocks {
    /// Waits for the lock of a customer, in order of arrival.
    pub async fn lock(&self, scope: Scope, id: CustomerId) -> CustomerGuard {
        let place = (scope, id);
        // If the wait is cancelled, dropping the guard removes the lock as well.
        let mut turn = CustomerGuard { locks: Arc::clone(&self.locks), key: place, guard: None };
        let queue = Arc::clone(turn.table().entry(place).or_default());
        turn.guard = Some(queue.lock_owned().await);
        turn
    }
}

impl CustomerGuard {
    fn table(&self) -> std::sync::MutexGuard<'_, HashMap<LockKey, CustomerLock>> {
        // No holder panics in the middle of a change, so a poisoned map is still consistent.
        self.locks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for CustomerGuard {
    fn drop(&mut self) {
        self.guard.take();
        let mut queues = self.table();
        // Each holder and each waiter has a clone of the lock, so this guard was the last.
        if queues.get(&self.key).is_some_and(|queue| Arc::strong_count(queue) == 1) {
            queues.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn one_customer_is_written_by_one_and_its_queue_leaves_nothing_behind() {
        let turns = Arc::new(CustomerLocks::default());
        let scope = Scope::new(1, None);
        let id = |n| CustomerId(uuid::Uuid::from_u128(n));
        let first = turns.lock(scope, id(1)).await;
        let second = tokio::time::timeout(Duration::from_millis(5), turns.lock(scope, id(1))).await;
        assert!(second.is_err(), "the second waits");
        let other = turns.lock(scope, id(2)).await;
        let waiting = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move { drop(turns.lock(scope, id(1)).await) }
        });
        tokio::task::yield_now().await;
        drop((first, other));
        waiting.await.expect("the waiting one gets its turn");
        assert!(turns.locks.lock().expect("whole").is_empty());
    }
}
