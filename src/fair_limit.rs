//! Concurrency limits that are fair per caller: for operations that run, and for calls to the upstream.
//!
//! [`FairLimit`] admits or rejects at once: below half of the limit everyone is admitted, above it each caller may hold an
//! equal share, and one share is kept for a caller who is not there yet. So one caller alone never holds more than half.
//!
//! [`FairQueue`] lets callers wait instead: permits go round robin over the callers' queues, one call of each caller in
//! turn. How many calls a caller has in its queue, and how many of them it cancels, changes nothing for the others.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::telemetry::metrics::GaugeGuard;

/// A limit on what is held at once, and by whom.
#[derive(Debug)]
pub struct FairLimit {
    max: usize,
    /// The metric that says how many are held.
    gauge: &'static str,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    /// No caller stays here with none.
    callers: HashMap<u128, usize>,
}

/// One unit of a [`FairLimit`], until it is dropped.
#[derive(Debug)]
pub struct Permit {
    limit: Arc<FairLimit>,
    caller: u128,
    _gauge: GaugeGuard,
}

/// Why there is no permit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rejected {
    /// All are held.
    Full,
    /// The caller holds its share.
    OverShare,
}

impl Rejected {
    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::OverShare => "over_share",
        }
    }
}

impl FairLimit {
    /// A limit of which nothing is held. `gauge` is the metric's name.
    pub fn new(max: usize, gauge: &'static str) -> Self {
        Self { max, gauge, counts: Mutex::default() }
    }

    /// A permit for a caller, who is told apart by a digest.
    ///
    /// # Errors
    /// Where there is none.
    pub fn acquire(this: &Arc<Self>, caller: u128) -> Result<Permit, Rejected> {
        let mut counts = this.counts();
        let own = counts.callers.get(&caller).copied().unwrap_or(0);
        let callers = counts.callers.len() + usize::from(own == 0);
        // A share for each caller, and one more; where there is only one permit, any caller may have it.
        let share = (this.max / (callers + 1)).max(1);
        if counts.total >= this.max {
            return Err(Rejected::Full);
        }
        if counts.total >= this.max.div_ceil(2) && own >= share {
            return Err(Rejected::OverShare);
        }
        counts.total += 1;
        *counts.callers.entry(caller).or_default() += 1;
        Ok(Permit { limit: Arc::clone(this), caller, _gauge: GaugeGuard::new(metrics::gauge!(this.gauge)) })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Nothing in here panics half way, so a poisoned count is a true one.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.limit.counts();
        counts.total -= 1;
        if let Some(own) = counts.callers.get_mut(&self.caller) {
            *own -= 1;
            if *own == 0 {
                counts.callers.remove(&self.caller);
            }
        }
    }
}

/// A limit on what runs at once, and a queue for each caller in front of it. The queues together are bounded by a
/// [`FairLimit`], so each caller has its share of them.
#[derive(Debug)]
pub struct FairQueue {
    state: Mutex<QueueState>,
    queued: Arc<FairLimit>,
}

#[derive(Debug)]
struct QueueState {
    /// How many slots are free; none while somebody waits.
    free: usize,
    /// The queues of the callers who wait; none is empty.
    queues: HashMap<u128, CallerQueue>,
    /// The same callers, each once, in the order in which they are served.
    round_robin: VecDeque<u128>,
    /// How many tickets there have been.
    next_ticket: u64,
}

/// The calls of one caller, by ticket, in the order in which they came.
type CallerQueue = VecDeque<(u64, oneshot::Sender<Slot>)>;

/// One of the limit's slots, until it is dropped; then it goes to whoever is next.
#[derive(Debug)]
pub struct Slot(Arc<FairQueue>);

/// A call in its caller's queue. It leaves the queue when it is dropped.
#[derive(Debug)]
pub struct Ticket {
    queue: Arc<FairQueue>,
    caller: u128,
    number: u64,
    slot: oneshot::Receiver<Slot>,
    _queue_permit: Permit,
}

/// What a caller gets at once.
#[derive(Debug)]
pub enum QueueEntry {
    Admitted(Slot),
    Queued(Ticket),
}

impl FairQueue {
    /// A limit of `max` slots, all free, with room for `max_queue` calls that wait. `gauge` is the metric that says how many
    /// wait.
    pub fn new(max: usize, max_queue: usize, gauge: &'static str) -> Self {
        let state = QueueState { free: max, queues: HashMap::new(), round_robin: VecDeque::new(), next_ticket: 0 };
        Self { state: Mutex::new(state), queued: Arc::new(FairLimit::new(max_queue, gauge)) }
    }

    /// A slot where one is free, else a place in the caller's queue.
    ///
    /// # Errors
    /// Where the queue is full, or the caller has its share of it.
    pub fn enter(this: &Arc<Self>, caller: u128) -> Result<QueueEntry, Rejected> {
        let mut state = this.state();
        if let Some(less) = state.free.checked_sub(1) {
            state.free = less;
            return Ok(QueueEntry::Admitted(Slot(Arc::clone(this))));
        }
        let queued = FairLimit::acquire(&this.queued, caller)?;
        let (give, slot) = oneshot::channel();
        let number = state.join(caller, give);
        Ok(QueueEntry::Queued(Ticket { queue: Arc::clone(this), caller, number, slot, _queue_permit: queued }))
    }

    fn state(&self) -> MutexGuard<'_, QueueState> {
        // Nothing in here panics half way, so a poisoned queue is a whole one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many slots are free, and how many callers wait.
    #[cfg(test)]
    pub fn free_and_queued(&self) -> (usize, usize) {
        let state = self.state();
        assert_eq!(state.queues.len(), state.round_robin.len(), "each caller who waits is in the ring once");
        (state.free, state.queues.len())
    }
}

impl QueueState {
    fn join(&mut self, caller: u128, give: oneshot::Sender<Slot>) -> u64 {
        let number = self.next_ticket;
        self.next_ticket += 1;
        let queue = self.queues.entry(caller).or_default();
        if queue.is_empty() {
            self.round_robin.push_back(caller);
        }
        queue.push_back((number, give));
        number
    }

    /// The first call of the caller whose turn it is. The caller's next turn is after all others'.
    fn next(&mut self) -> Option<oneshot::Sender<Slot>> {
        let caller = self.round_robin.pop_front()?;
        let queue = self.queues.get_mut(&caller)?;
        let first = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&caller);
        } else {
            self.round_robin.push_back(caller);
        }
        first.map(|(_, give)| give)
    }

    /// Takes a call out of its queue, where it still is in it.
    fn leave(&mut self, caller: u128, number: u64) {
        let Some(queue) = self.queues.get_mut(&caller) else { return };
        let Ok(at) = queue.binary_search_by_key(&number, |(number, _)| *number) else { return };
        queue.remove(at);
        if queue.is_empty() {
            self.queues.remove(&caller);
            self.round_robin.retain(|waiting| *waiting != caller);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.0.state();
        let Some(give) = state.next() else {
            state.free += 1;
            return;
        };
        // Past the lock: where the call has just been cancelled, the slot comes back and goes on to whoever is next.
        drop(state);
        drop(give.send(Self(Arc::clone(&self.0))));
    }
}

impl Ticket {
    /// Waits for the call's turn. It may be cancelled and begun again.
    pub async fn wait(&mut self) -> Slot {
        match (&mut self.slot).await {
            Ok(slot) => slot,
            // The sender stays in the queue as long as the ticket is there.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.queue.state().leave(self.caller, self.number);
        // A slot that came at the same time is in the channel, and goes on to whoever is next as that is dropped.
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(max: usize) -> Arc<FairLimit> {
        Arc::new(FairLimit::new(max, "a gauge"))
    }

    fn fill(limit: &Arc<FairLimit>, caller: u128) -> Vec<Permit> {
        std::iter::from_fn(|| FairLimit::acquire(limit, caller).ok()).collect()
    }

    #[test]
    fn a_single_caller_gets_at_most_half_and_its_share() {
        let limit = limit(12);
        let first = fill(&limit, 1);
        assert_eq!(first.len(), 6);
        assert_eq!(FairLimit::acquire(&limit, 1).expect_err("its share"), Rejected::OverShare);
        assert_eq!(fill(&limit, 2).len(), 4, "a third");
        drop(first);
        let counts = limit.counts();
        assert_eq!((counts.callers.len(), counts.total), (0, 0));
    }

    #[test]
    fn there_is_no_more_than_the_limit() {
        let limit = limit(12);
        let everybody: Vec<_> = (0..100).filter_map(|caller| FairLimit::acquire(&limit, caller).ok()).collect();
        assert_eq!(everybody.len(), 12);
        assert_eq!(FairLimit::acquire(&limit, 1).expect_err("full"), Rejected::Full);
    }

    #[test]
    fn a_limit_of_one_serves_any_caller() {
        let limit = limit(1);
        assert_eq!(fill(&limit, 1).len(), 1);
        assert_eq!(fill(&limit, 2).len(), 1);
        assert_eq!(fill(&self::limit(0), 2).len(), 0);
    }

    #[test]
    fn a_caller_that_comes_and_goes_takes_no_room_in_the_ring() {
        let queue = Arc::new(FairQueue::new(0, 10, "a gauge"));
        for _ in 0..3 {
            let two = [1, 2].map(|caller| FairQueue::enter(&queue, caller).expect("there is room"));
            assert_eq!(queue.free_and_queued(), (0, 2));
            drop(two);
            assert_eq!(queue.free_and_queued(), (0, 0));
        }
    }
}
