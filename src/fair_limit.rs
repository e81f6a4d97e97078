//! Concurrency limits that are fair per caller, for operations and for upstream calls.
//!
//! [`FairLimit`] admits or rejects at once. Below half of the limit every caller is admitted. Above it, each caller may hold an
//! equal share, and one share stays free for the next caller. So a single caller holds at most half of the limit.
//!
//! [`FairQueue`] lets callers wait. Free slots go to the queues of the callers in turn (round robin), one call at a time. The
//! length of one caller's queue, and its cancelled calls, do not delay other callers.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::telemetry::metrics::GaugeGuard;

/// A limit on permits, with a share for each caller.
#[derive(Debug)]
pub struct FairLimit {
    max: usize,
    /// The name of the metric with the number of permits that are held.
    gauge: &'static str,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    /// Permits by caller. A caller without permits has no entry.
    callers: HashMap<u128, usize>,
}

/// One unit of a [`FairLimit`], until it is dropped.
#[derive(Debug)]
pub struct Permit {
    limit: Arc<FairLimit>,
    caller: u128,
    _gauge: GaugeGuard,
}

/// Why a caller gets no permit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rejected {
    /// All permits are held.
    Full,
    /// The caller already holds its share.
    OverShare,
}

impl Rejected {
    /// The label value in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::OverShare => "over_share",
        }
    }
}

impl FairLimit {
    /// A limit of `max` permits, all free. `gauge` is the name of the metric with the number of permits that are held.
    pub fn new(max: usize, gauge: &'static str) -> Self {
        Self { max, gauge, counts: Mutex::default() }
    }

    /// A permit for a caller, which `caller` identifies by a digest.
    ///
    /// # Errors
    /// All permits are held, or the caller holds its share.
    pub fn acquire(this: &Arc<Self>, caller: u128) -> Result<Permit, Rejected> {
        let mut counts = this.counts();
        let own = counts.callers.get(&caller).copied().unwrap_or(0);
        let callers = counts.callers.len() + usize::from(own == 0);
        // One share for each caller and one for the next. The minimum of 1 makes a limit of 1 usable.
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
        // No code panics between two changes of the counts, so poisoned counts are correct.
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

/// A limit on slots, with a queue for each caller. A [`FairLimit`] limits all queues together, so each caller has a share of
/// them.
#[derive(Debug)]
pub struct FairQueue {
    state: Mutex<QueueState>,
    queued: Arc<FairLimit>,
}

#[derive(Debug)]
struct QueueState {
    /// The number of free slots. 0 while calls wait.
    free: usize,
    /// The queues of waiting callers. No queue is empty.
    queues: HashMap<u128, CallerQueue>,
    /// The waiting callers, each once, in the order of service.
    round_robin: VecDeque<u128>,
    /// The number of the next ticket.
    next_ticket: u64,
}

/// The waiting calls of one caller by ticket number, oldest first.
type CallerQueue = VecDeque<(u64, oneshot::Sender<Slot>)>;

/// One slot. When it is dropped, it goes to the next call.
#[derive(Debug)]
pub struct Slot(Arc<FairQueue>);

/// A waiting call. Dropping it removes the call from the queue.
#[derive(Debug)]
pub struct Ticket {
    queue: Arc<FairQueue>,
    caller: u128,
    number: u64,
    slot: oneshot::Receiver<Slot>,
    _queue_permit: Permit,
}

/// The result of [`FairQueue::enter`].
#[derive(Debug)]
pub enum QueueEntry {
    Admitted(Slot),
    Queued(Ticket),
}

impl FairQueue {
    /// A limit of `max` slots, all free, with at most `max_queue` waiting calls. `gauge` is the name of the metric with the
    /// number of waiting calls.
    pub fn new(max: usize, max_queue: usize, gauge: &'static str) -> Self {
        let state = QueueState { free: max, queues: HashMap::new(), round_robin: VecDeque::new(), next_ticket: 0 };
        Self { state: Mutex::new(state), queued: Arc::new(FairLimit::new(max_queue, gauge)) }
    }

    /// A free slot, or else a ticket in the queue of the caller.
    ///
    /// # Errors
    /// The queue is full, or the caller holds its share of the queue.
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
        // No code panics between two changes of the state, so a poisoned state is correct.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of free slots, and of waiting callers.
    #[cfg(test)]
    pub fn free_and_queued(&self) -> (usize, usize) {
        let state = self.state();
        assert_eq!(state.queues.len(), state.round_robin.len(), "each waiting caller is in the ring once");
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

    /// The oldest call of the next caller. The caller moves to the end of the ring.
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

    /// Removes a call from its queue, if it still waits.
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
        // After the lock is released: if the call has just been cancelled, dropping the slot passes it to the next call.
        drop(state);
        drop(give.send(Self(Arc::clone(&self.0))));
    }
}

impl Ticket {
    /// Waits for a slot. It is cancel safe.
    pub async fn wait(&mut self) -> Slot {
        match (&mut self.slot).await {
            Ok(slot) => slot,
            // The queue holds the sender as long as the ticket exists.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.queue.state().leave(self.caller, self.number);
        // A slot that arrived at the same time is in the channel. Dropping the channel passes it to the next call.
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
