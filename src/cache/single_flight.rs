//! Loads that are under way, each shared by all who wait for it.
//!
//! A load runs in a task of its own, and is cancelled when the last of those who wait for it goes away: nobody wants its
//! answer, and the upstream has others to serve. A caller whose time is up is no such case: it has left, and the load goes on
//! to its end, within its own bounds. Else callers in a hurry would start the same load again and again, and what they
//! all ask for would never be kept.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::key::Key;

/// How a load ended; `None` where its task was lost (it panicked, or the runtime is going down).
pub type Finished<T> = Option<T>;

type SharedLoad<T> = Shared<BoxFuture<'static, Finished<T>>>;

/// The loads under way. `T` is what they bring, errors included.
pub struct SingleFlight<T: Clone> {
    in_flight: Mutex<InFlight<T>>,
}

struct InFlight<T: Clone> {
    loads: HashMap<Key, InFlightLoad<T>>,
    /// The number of the next flight: a key can have a new one before the old one is cleared away.
    next_id: u64,
}

struct InFlightLoad<T: Clone> {
    id: u64,
    load: WeakShared<BoxFuture<'static, Finished<T>>>,
    /// Holds the flight where somebody's time was up.
    kept_alive: Option<SharedLoad<T>>,
    /// Until when somebody waits for it.
    deadline: watch::Sender<Instant>,
}

/// A seat on a flight. Whoever drops the last one cancels it.
pub struct Waiter<T: Clone + Send + Sync + 'static> {
    group: Arc<SingleFlight<T>>,
    key: Key,
    id: u64,
    load: SharedLoad<T>,
    /// Whether the flight began with this seat.
    pub is_leader: bool,
}

impl<T: Clone> fmt::Debug for SingleFlight<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Flights")
    }
}

impl<T: Clone> Default for SingleFlight<T> {
    fn default() -> Self {
        Self { in_flight: Mutex::new(InFlight { loads: HashMap::new(), next_id: 0 }) }
    }
}

impl<T: Clone + Send + Sync + 'static> SingleFlight<T> {
    /// A seat on the flight for a key: the one under way, or a new one of `load`, which gets to know until when somebody
    /// waits for it.
    pub fn join<F>(
        self: &Arc<Self>,
        key: Key,
        deadline: Instant,
        load: impl FnOnce(watch::Receiver<Instant>) -> F,
    ) -> Waiter<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut board = self.lock();
        if let Some(entry) = board.loads.get(&key)
            && let Some(flight) = entry.load.upgrade()
        {
            entry.deadline.send_if_modified(|until| {
                let later = deadline > *until;
                *until = deadline.max(*until);
                later
            });
            return Waiter { group: Arc::clone(self), key, id: entry.id, load: flight, is_leader: false };
        }
        let (seat, _nobody_waits_for_it) = self.insert(&mut board, key, deadline, load);
        seat
    }

    /// A seat on a new flight, which those who come from now on join. Whoever waits for the one before stays on it.
    pub fn start_new<F>(
        self: &Arc<Self>,
        key: Key,
        deadline: Instant,
        load: impl FnOnce(watch::Receiver<Instant>) -> F,
    ) -> Waiter<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let (seat, before) = self.insert(&mut self.lock(), key, deadline, load);
        // Past the lock, as below.
        drop(before);
        seat
    }

    /// Puts a new flight on the board; also gives what stood there.
    fn insert<F>(
        self: &Arc<Self>,
        board: &mut InFlight<T>,
        key: Key,
        deadline: Instant,
        load: impl FnOnce(watch::Receiver<Instant>) -> F,
    ) -> (Waiter<T>, Option<InFlightLoad<T>>)
    where
        F: Future<Output = T> + Send + 'static,
    {
        let number = board.next_id;
        board.next_id += 1;
        let (until, patience) = watch::channel(deadline);
        let cleared = RemoveOnDrop { group: Arc::clone(self), key, id: number };
        let load = load(patience);
        // The task begins when the first waits for it, and not under this lock: a runtime that is going down would drop it
        // at once, and clearing it away takes the lock.
        let flight = async move {
            let task = tokio::spawn(async move {
                let _cleared = cleared;
                load.await
            });
            AbortOnDropHandle::new(task).await.ok()
        };
        let flight = flight.boxed().shared();
        let weak = flight.downgrade();
        let before = weak.and_then(|flight| {
            board.loads.insert(key, InFlightLoad { id: number, load: flight, kept_alive: None, deadline: until })
        });
        (Waiter { group: Arc::clone(self), key, id: number, load: flight, is_leader: true }, before)
    }

    /// How many loads there are.
    #[cfg(test)]
    pub fn load_count(&self) -> usize {
        self.lock().loads.len()
    }

    fn lock(&self) -> MutexGuard<'_, InFlight<T>> {
        // Nothing in here panics half way, so a poisoned board is a whole one.
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone + Send + Sync + 'static> Waiter<T> {
    /// Waits for the landing.
    pub async fn finished(&self) -> Finished<T> {
        self.load.clone().await
    }

    /// Gets off; the flight goes on to its end.
    pub fn detach(self) {
        let mut board = self.group.lock();
        if let Some(entry) = board.loads.get_mut(&self.key)
            && entry.id == self.id
            && entry.kept_alive.is_none()
        {
            entry.kept_alive = Some(self.load.clone());
        }
    }
}

/// Clears a flight away when it has landed, or was cancelled.
struct RemoveOnDrop<T: Clone + Send + Sync + 'static> {
    group: Arc<SingleFlight<T>>,
    key: Key,
    id: u64,
}

impl<T: Clone + Send + Sync + 'static> Drop for RemoveOnDrop<T> {
    fn drop(&mut self) {
        let mut board = self.group.lock();
        let entry = match board.loads.get(&self.key) {
            Some(entry) if entry.id == self.id => board.loads.remove(&self.key),
            _ => None,
        };
        drop(board);
        // Past the lock: it can hold the last of the flight.
        drop(entry);
    }
}
