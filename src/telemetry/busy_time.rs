//! Measures how long at least one of several concurrent activities was running.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The time during which at least one activity was running.
#[derive(Debug, Default)]
pub struct BusyTime(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    active: u32,
    since: Option<Instant>,
    total: Duration,
}

impl BusyTime {
    /// Starts an activity. It ends when the guard is dropped.
    pub fn start(&self) -> BusyGuard<'_> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.active == 0 {
            state.since = Some(Instant::now());
        }
        state.active += 1;
        BusyGuard(self)
    }

    /// The time until now, including running activities.
    pub fn total(&self) -> Duration {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.total + state.since.map(|since| since.elapsed()).unwrap_or_default()
    }
}

/// A running activity.
#[derive(Debug)]
pub struct BusyGuard<'a>(&'a BusyTime);

impl Drop for BusyGuard<'_> {
    fn drop(&mut self) {
        let mut state = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.active -= 1;
        if state.active == 0 {
            let took = state.since.take().map(|since| since.elapsed()).unwrap_or_default();
            state.total += took;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn concurrent_activities_count_once() {
        const STEP: Duration = Duration::from_millis(5);
        let busy = BusyTime::default();
        let (first, second) = (busy.start(), busy.start());
        tokio::time::advance(STEP).await;
        assert_eq!(busy.total(), STEP, "running activities count");
        drop(first);
        tokio::time::advance(STEP).await;
        drop(second);
        assert_eq!(busy.total(), 2 * STEP);
        tokio::time::advance(STEP).await;
        assert_eq!(busy.total(), 2 * STEP, "no activity is running");
    }
}
