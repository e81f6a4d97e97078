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
pub struct Patience {
    deadline: watch::Receiver<Instant>,
    stage: Arc<Mutex<Stage>>,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// Nothing that could change anything was sent.
    Waiting,
    /// Nothing was sent, and nothing will be.
    GivenUp,
    /// A write is on its way; so long it is followed.
    Sent { until: Instant },
}

impl Patience {
    /// Until a deadline.
    pub fn until(deadline: Instant) -> Self {
        Self::following(watch::channel(deadline).1)
    }

    /// Until a deadline that can be put off while the call runs, as somebody joins who has more time.
    pub fn following(deadline: watch::Receiver<Instant>) -> Self {
        Self { deadline, stage: Arc::new(Mutex::new(Stage::Waiting)) }
    }

    /// When nothing is begun any more, as of now.
    pub fn deadline(&self) -> Instant {
        match *self.stage() {
            Stage::Sent { until } => until,
            Stage::Waiting | Stage::GivenUp => *self.deadline.borrow(),
        }
    }

    /// Comes back when the deadline has passed.
    pub async fn over(&self) {
        loop {
            let deadline = self.deadline();
            if deadline <= Instant::now() {
                return;
            }
            sleep_until(deadline).await;
        }
    }

    /// Whether a read may be sent now.
    pub fn lasts(&self) -> bool {
        Instant::now() < self.deadline()
    }

    /// Whether a write may be sent now; from then on it is followed for the time `carry`.
    pub fn send(&self, carry: Duration) -> bool {
        let now = Instant::now();
        let mut stage = self.stage();
        match *stage {
            Stage::Waiting if now < *self.deadline.borrow() => {
                *stage = Stage::Sent { until: now + carry };
                true
            }
            Stage::Sent { until } => now < until,
            Stage::Waiting | Stage::GivenUp => false,
        }
    }

    /// Gives a write up. True where nothing was sent, and then nothing will be.
    pub fn give_up(&self) -> bool {
        let mut stage = self.stage();
        match *stage {
            Stage::Sent { .. } => false,
            Stage::Waiting | Stage::GivenUp => {
                *stage = Stage::GivenUp;
                true
            }
        }
    }

    fn stage(&self) -> std::sync::MutexGuard<'_, Stage> {
        // It is one value, whole at any time.
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn what_was_given_up_is_not_sent_and_what_was_sent_is_not_given_up() {
        let given_up = Patience::until(ahead());
        assert!(given_up.give_up() && !given_up.send(CARRY) && given_up.give_up());
        let sent = Patience::until(ahead());
        assert!(sent.send(CARRY) && !sent.give_up() && sent.send(CARRY));
    }

    #[test]
    fn nothing_is_sent_past_the_deadline_but_what_was_sent_before_is_followed() {
        let late = Patience::until(Instant::now());
        assert!(!late.lasts() && !late.send(CARRY) && late.give_up());
        let (sender, deadline) = watch::channel(ahead());
        let sent = Patience::following(deadline);
        assert!(sent.send(CARRY));
        sender.send_replace(Instant::now());
        assert!(sent.lasts() && sent.send(CARRY));
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_is_put_off_is_waited_for() {
        let (sender, deadline) = watch::channel(Instant::now() + Duration::from_secs(1));
        let patience = Patience::following(deadline);
        let later = Instant::now() + Duration::from_secs(5);
        sender.send_replace(later);
        patience.over().await;
        assert!(Instant::now() >= later);
    }
}
