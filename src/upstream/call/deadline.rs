//! Until when a call is begun, and whether a write is on its way.
//!
//! There is one deadline a request, and every wait is cut by it: for a place, between attempts, for others' loads. What
//! it does not cut is what is on the wire. An attempt of a read may end a little later, within its own time, so that its
//! answer can be kept and callers in a hurry do not start the same load again and again. A write that was sent is carried
//! through within a time of its own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// How long somebody waits for a call. Clones share what becomes of it.
#[derive(Clone, Debug)]
pub struct Deadline {
    instant: watch::Receiver<Instant>,
    state: Arc<Mutex<CommitState>>,
}

#[derive(Clone, Copy, Debug)]
enum CommitState {
    /// Nothing that could change anything was sent.
    Open,
    /// Nothing was sent, and nothing will be.
    Abandoned,
    /// A write is on its way; so long it is followed.
    Committed { until: Instant },
}

impl Deadline {
    /// Until a deadline.
    pub fn at(deadline: Instant) -> Self {
        Self::extendable(watch::channel(deadline).1)
    }

    /// Until a deadline that can be put off while the call runs, as somebody joins who has more time.
    pub fn extendable(deadline: watch::Receiver<Instant>) -> Self {
        Self { instant: deadline, state: Arc::new(Mutex::new(CommitState::Open)) }
    }

    /// When nothing is begun any more, as of now.
    pub fn instant(&self) -> Instant {
        match *self.lock() {
            CommitState::Committed { until } => until,
            CommitState::Open | CommitState::Abandoned => *self.instant.borrow(),
        }
    }

    /// Comes back when the deadline has passed.
    pub async fn elapsed(&self) {
        loop {
            let deadline = self.instant();
            if deadline <= Instant::now() {
                return;
            }
            sleep_until(deadline).await;
        }
    }

    /// Whether a read may be sent now.
    pub fn is_open(&self) -> bool {
        Instant::now() < self.instant()
    }

    /// Whether a write may be sent now; from then on it is followed for the time `carry`.
    pub fn commit_write(&self, carry: Duration) -> bool {
        let now = Instant::now();
        let mut stage = self.lock();
        match *stage {
            CommitState::Open if now < *self.instant.borrow() => {
                *stage = CommitState::Committed { until: now + carry };
                true
            }
            CommitState::Committed { until } => now < until,
            CommitState::Open | CommitState::Abandoned => false,
        }
    }

    /// Gives a write up. True where nothing was sent, and then nothing will be.
    pub fn abandon(&self) -> bool {
        let mut stage = self.lock();
        match *stage {
            CommitState::Committed { .. } => false,
            CommitState::Open | CommitState::Abandoned => {
                *stage = CommitState::Abandoned;
                true
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, CommitState> {
        // It is one value, whole at any time.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CARRY: Duration = Duration::from_secs(60);

    fn ahead() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn an_abandoned_write_is_not_sent_and_a_committed_one_not_abandoned() {
        let given_up = Deadline::at(ahead());
        assert!(given_up.abandon() && !given_up.commit_write(CARRY) && given_up.abandon());
        let sent = Deadline::at(ahead());
        assert!(sent.commit_write(CARRY) && !sent.abandon() && sent.commit_write(CARRY));
    }

    #[test]
    fn nothing_is_sent_past_the_deadline_but_what_was_sent_before_is_followed() {
        let late = Deadline::at(Instant::now());
        assert!(!late.is_open() && !late.commit_write(CARRY) && late.abandon());
        let (sender, deadline) = watch::channel(ahead());
        let sent = Deadline::extendable(deadline);
        assert!(sent.commit_write(CARRY));
        sender.send_replace(Instant::now());
        assert!(sent.is_open() && sent.commit_write(CARRY));
    }

    #[tokio::test(start_paused = true)]
    async fn an_extended_deadline_is_awaited() {
        let (sender, deadline) = watch::channel(Instant::now() + Duration::from_secs(1));
        let patience = Deadline::extendable(deadline);
        let later = Instant::now() + Duration::from_secs(5);
        sender.send_replace(later);
        patience.elapsed().await;
        assert!(Instant::now() >= later);
    }
}
