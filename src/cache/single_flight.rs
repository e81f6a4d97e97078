//! Single flight: callers that need the same load at the same time share it.
//!
//! A load runs in its own task. It is cancelled when the last caller that waits for it disconnects, because nobody
//! needs its result then. A caller whose deadline passes only detaches: the load runs to its end, within its own
//! limits. Otherwise callers with short deadlines would start the same load again and again, and its result would
//! never be cached.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::key::Key;

/// The result of a load. `None` if its task was lost: it panicked, or the runtime is shutting down.
pub type Finished<T> = Option<T>;

type SharedLoad<T> = Shared<BoxFuture<'static, Finished<T>>>;

/// The running loads. `T` is their result, errors included.
pub struct SingleFlight<T: Clone> {
    in_flight: Mutex<InFlight<T>>,
}

struct InFlight<T: Clone> {
    loads: HashMap<Key, InFlightLoad<T>>,
    /// The id of the next load. A key can have a new load before the old one is removed.
    next_id: u64,
}

struct InFlightLoad<T: Clone> {
    id: u64,
    load: WeakShared<BoxFuture<'static, Finished<T>>>,
    /// Keeps the load alive after a caller has detached.
    kept_alive: Option<SharedLoad<T>>,
    /// The latest deadline of the callers that wait for it.
    deadline: watch::Sender<Instant>,
}

/// A caller's handle on a load. The load is cancelled when its last handle is dropped.
pub struct Waiter<T: Clone + Send + Sync + 'static> {
    group: Arc<SingleFlight<T>>,
    key: Key,
    id: u64,
    load: SharedLoad<T>,
    /// Whether this caller started the load.
    pub is_leader: bool,
}

impl<T: Clone> fmt::Debug for SingleFlight<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SingleFlight")
    }
}

impl<T: Clone> Default for SingleFlight<T> {
    fn default() -> Self {
        Self { in_flight: Mutex::new(InFlight { loads: HashMap::new(), next_id: 0 }) }
    }
}

impl<T: Clone + Send + Sync + 'static> SingleFlight<T> {
    /// Joins the running load of a key, or starts `load`. `load` gets the latest deadline of the callers that wait for
    /// it.
    pub fn join<F>(
        self: &Arc<Self>,
        key: Key,
        deadline: Instant,
        load: impl FnOnce(watch::Receiver<Instant>) -> F,
    ) -> Waiter<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut in_flight = self.lock();
        if let Some(entry) = in_flight.loads.get(&key)
            && let Some(flight) = entry.load.upgrade()
        {
            entry.deadline.send_if_modified(|until| {
                let later = deadline > *until;
                *until = deadline.max(*until);
                later
            });
            return Waiter { group: Arc::clone(self), key, id: entry.id, load: flight, is_leader: false };
        }
        let (waiter, _replaced) = self.insert(&mut in_flight, key, deadline, load);
        waiter
    }

    /// Starts a new load, which later callers join. Callers that wait for the previous load keep waiting for it.
    pub fn start_new<F>(
        self: &Arc<Self>,
        key: Key,
        deadline: Instant,
        load: impl FnOnce(watch::Receiver<Instant>) -> F,
    ) -> Waiter<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let (waiter, before) = self.insert(&mut self.lock(), key, deadline, load);
        // After the lock is released, as below.
        drop(before);
        waiter
    }

    /// Inserts a new load, and returns the one that it replaces.
    fn insert<F>(
        self: &Arc<Self>,
        in_flight: &mut InFlight<T>,
        key: Key,
        deadline: Instant,
        load: impl FnOnce(watch::Receiver<Instant>) -> F,
    ) -> (Waiter<T>, Option<InFlightLoad<T>>)
    where
        F: Future<Output = T> + Send + 'static,
    {
        let number = in_flight.next_id;
        in_flight.next_id += 1;
        let (deadline_sender, deadline_receiver) = watch::channel(deadline);
        let remove_on_drop = RemoveOnDrop { group: Arc::clone(self), key, id: number };
        let load = load(deadline_receiver);
        // The task starts when its first caller waits, not under this lock. A runtime that is shutting down would drop
        // the task at once, and its removal takes the lock.
        let flight = async move {
            let task = tokio::spawn(async move {
                let _remove_on_drop = remove_on_drop;
                load.await
            });
            AbortOnDropHandle::new(task).await.ok()
        };
        let flight = flight.boxed().shared();
        let weak = flight.downgrade();
        let before = weak.and_then(|flight| {
            in_flight
                .loads
                .insert(key, InFlightLoad { id: number, load: flight, kept_alive: None, deadline: deadline_sender })
        });
        (Waiter { group: Arc::clone(self), key, id: number, load: flight, is_leader: true }, before)
    }

    /// The number of loads.
    #[cfg(test)]
    pub fn load_count(&self) -> usize {
        self.lock().loads.len()
    }

    fn lock(&self) -> MutexGuard<'_, InFlight<T>> {
        // No code panics while it holds the lock, so a poisoned map is still consistent.
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone + Send + Sync + 'static> Waiter<T> {
    /// Waits for the result.
    pub async fn finished(&self) -> Finished<T> {
        self.load.clone().await
    }

    /// Stops waiting without cancelling: the load runs to its end, so the next caller finds its result in the cache.
    pub fn detach(self) {
        let mut in_flight = self.group.lock();
        if let Some(entry) = in_flight.loads.get_mut(&self.key)
            && entry.id == self.id
            && entry.kept_alive.is_none()
        {
            entry.kept_alive = Some(self.load.clone());
        }
    }
}

/// Removes a load when it has finished or was cancelled.
struct RemoveOnDrop<T: Clone + Send + Sync + 'static> {
    group: Arc<SingleFlight<T>>,
    key: Key,
    id: u64,
}

impl<T: Clone + Send + Sync + 'static> Drop for RemoveOnDrop<T> {
    fn drop(&mut self) {
        let mut in_flight = self.group.lock();
        let entry = match in_flight.loads.get(&self.key) {
            Some(entry) if entry.id == self.id => in_flight.loads.remove(&self.key),
            _ => None,
        };
        drop(in_flight);
        // After the lock is released: the entry can be the last handle of the load.
        drop(entry);
    }
}
