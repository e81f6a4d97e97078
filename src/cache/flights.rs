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
pub type Landing<T> = Option<T>;

type Flight<T> = Shared<BoxFuture<'static, Landing<T>>>;

/// The loads under way. `T` is what they bring, errors included.
pub struct Flights<T: Clone> {
    board: Mutex<Board<T>>,
}

struct Board<T: Clone> {
    flights: HashMap<Key, Entry<T>>,
    /// The number of the next flight: a key can have a new one before the old one is cleared away.
    next: u64,
}

struct Entry<T: Clone> {
    number: u64,
    flight: WeakShared<BoxFuture<'static, Landing<T>>>,
    /// Holds the flight where somebody's time was up.
    held: Option<Flight<T>>,
    /// Until when somebody waits for it.
    until: watch::Sender<Instant>,
}

/// A seat on a flight. Whoever drops the last one cancels it.
pub struct Seat<T: Clone + Send + Sync + 'static> {
    flights: Arc<Flights<T>>,
    key: Key,
    number: u64,
    flight: Flight<T>,
    /// Whether the flight began with this seat.
    pub is_first: bool,
}

impl<T: Clone> fmt::Debug for Flights<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Flights")
    }
}

impl<T: Clone> Default for Flights<T> {
    fn default() -> Self {
        Self { board: Mutex::new(Board { flights: HashMap::new(), next: 0 }) }
    }
}

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    /// A seat on the flight for a key: the one under way, or a new one of `load`, which gets to know until when somebody
    /// waits for it.
    pub fn join<F>(
        self: &Arc<Self>,
        key: Key,
        deadline: Instant,
        load: impl FnOnce(watch::Receiver<Instant>) -> F,
    ) -> Seat<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut board = self.board();
        if let Some(entry) = board.flights.get(&key)
            && let Some(flight) = entry.flight.upgrade()
        {
            entry.until.send_if_modified(|until| {
                let later = deadline > *until;
                *until = deadline.max(*until);
                later
            });
            return Seat { flights: Arc::clone(self), key, number: entry.number, flight, is_first: false };
        }
        let (seat, _nobody_waits_for_it) = self.add(&mut board, key, deadline, load);
        seat
    }

    /// A seat on a new flight, which those who come from now on join. Whoever waits for the one before stays on it.
    pub fn begin<F>(
        self: &Arc<Self>,
        key: Key,
        deadline: Instant,
        load: impl FnOnce(watch::Receiver<Instant>) -> F,
    ) -> Seat<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let (seat, before) = self.add(&mut self.board(), key, deadline, load);
        // Past the lock, as below.
        drop(before);
        seat
    }

    /// Puts a new flight on the board; also gives what stood there.
    fn add<F>(
        self: &Arc<Self>,
        board: &mut Board<T>,
        key: Key,
        deadline: Instant,
        load: impl FnOnce(watch::Receiver<Instant>) -> F,
    ) -> (Seat<T>, Option<Entry<T>>)
    where
        F: Future<Output = T> + Send + 'static,
    {
        let number = board.next;
        board.next += 1;
        let (until, patience) = watch::channel(deadline);
        let cleared = Cleared { flights: Arc::clone(self), key, number };
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
        let before = weak.and_then(|flight| board.flights.insert(key, Entry { number, flight, held: None, until }));
        (Seat { flights: Arc::clone(self), key, number, flight, is_first: true }, before)
    }

    /// How many loads there are.
    #[cfg(test)]
    pub fn under_way(&self) -> usize {
        self.board().flights.len()
    }

    fn board(&self) -> MutexGuard<'_, Board<T>> {
        // Nothing in here panics half way, so a poisoned board is a whole one.
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone + Send + Sync + 'static> Seat<T> {
    /// Waits for the landing.
    pub async fn landing(&self) -> Landing<T> {
        self.flight.clone().await
    }

    /// Gets off; the flight goes on to its end.
    pub fn leave(self) {
        let mut board = self.flights.board();
        if let Some(entry) = board.flights.get_mut(&self.key)
            && entry.number == self.number
            && entry.held.is_none()
        {
            entry.held = Some(self.flight.clone());
        }
    }
}

/// Clears a flight away when it has landed, or was cancelled.
struct Cleared<T: Clone + Send + Sync + 'static> {
    flights: Arc<Flights<T>>,
    key: Key,
    number: u64,
}

impl<T: Clone + Send + Sync + 'static> Drop for Cleared<T> {
    fn drop(&mut self) {
        let mut board = self.flights.board();
        let entry = match board.flights.get(&self.key) {
            Some(entry) if entry.number == self.number => board.flights.remove(&self.key),
            _ => None,
        };
        drop(board);
        // Past the lock: it can hold the last of the flight.
        drop(entry);
    }
}
