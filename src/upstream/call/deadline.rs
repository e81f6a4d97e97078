//! The deadline of a call, and the commit point of a write.
//!
//! Each request has one deadline. It ends every wait: for a permit, between attempts, for a load of another request. It
//! does not end an attempt that was sent. An attempt of a read may end later, within its own timeout: so its response
//! can be cached, and callers with short deadlines do not start the same load again and again. A write that was sent
//! runs to its end within [`commit_write`](Deadline::commit_write)'s time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// The deadline of a call. Clones share the state of its write.
#[derive(Clone, Debug)]
pub struct Deadline {
    instant: watch::Receiver<Instant>,
    state: Arc<Mutex<CommitState>>,
}

#[derive(Clone, Copy, Debug)]
enum CommitState {
    /// No write was sent.
    Open,
    /// No write was sent, and none will be.
    Abandoned,
    /// A write was sent. The gateway waits for its outcome until then.
    Committed { until: Instant },
}

impl Deadline {
    /// A fixed deadline.
    pub fn at(deadline: Instant) -> Self {
        Self::extendable(watch::channel(deadline).1)
    }

    /// A deadline that moves when a caller with a later deadline joins the call.
    pub fn extendable(deadline: watch::Receiver<Instant>) -> Self {
        Self { instant: deadline, state: Arc::new(Mutex::new(CommitState::Open)) }
    }

    /// The current deadline: no attempt starts after it.
    pub fn instant(&self) -> Instant {
        match *self.lock() {
            CommitState::Committed { until } => until,
            CommitState::Open | CommitState::Abandoned => *self.instant.borrow(),
        }
    }

    /// Waits until the deadline has passed.
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

    /// Returns whether a write may be sent now. If so, the gateway waits for its outcome for at least `write_grace`.
    pub fn commit_write(&self, write_grace: Duration) -> bool {
        let now = Instant::now();
        let mut state = self.lock();
        match *state {
            CommitState::Open if now < *self.instant.borrow() => {
                *state = CommitState::Committed { until: now + write_grace };
                true
            }
            CommitState::Committed { until } => now < until,
            CommitState::Open | CommitState::Abandoned => false,
        }
    }

    /// Abandons a write. Returns true if no write was sent; then none will be.
    pub fn abandon(&self) -> bool {
        let mut state = self.lock();
        match *state {
            CommitState::Committed { .. } => false,
            CommitState::Open | CommitState::Abandoned => {
                *state = CommitState::Abandoned;
                true
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, CommitState> {
        // The state is one value, so a poisoned one is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(60);

    fn ahead() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn an_abandoned_write_is_not_sent_and_a_committed_one_not_abandoned() {
        let given_up = Deadline::at(ahead());
        assert!(given_up.abandon() && !given_up.commit_write(GRACE) && given_up.abandon());
        let sent = Deadline::at(ahead());
        assert!(sent.commit_write(GRACE) && !sent.abandon() && sent.commit_write(GRACE));
    }

    #[test]
    fn nothing_is_sent_past_the_deadline_but_what_was_sent_before_is_followed() {
        let late = Deadline::at(Instant::now());
        assert!(!late.is_open() && !late.commit_write(GRACE) && late.abandon());
        let (sender, deadline) = watch::channel(ahead());
        let sent = Deadline::extendable(deadline);
        assert!(sent.commit_write(GRACE));
        sender.send_replace(Instant::now());
        assert!(sent.is_open() && sent.commit_write(GRACE));
    }

    #[tokio::test(start_paused = true)]
    async fn an_extended_deadline_is_awaited() {
        let (sender, deadline) = watch::channel(Instant::now() + Duration::from_secs(1));
        let extended = Deadline::extendable(deadline);
        let later = Instant::now() + Duration::from_secs(5);
        sender.send_replace(later);
        extended.elapsed().await;
        assert!(Instant::now() >= later);
    }
}
