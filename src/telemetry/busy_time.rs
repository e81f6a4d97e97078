//! For how long something was waited for, where several things are waited for at once.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// For how long at least one thing was under way.
#[derive(Debug, Default)]
pub struct BusyTime(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    active: u32,
    since: Option<Instant>,
    total: Duration,
}

impl BusyTime {
    /// One more thing is under way, until what this gives is dropped.
    pub fn start(&self) -> BusyGuard<'_> {
        let mut waited = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waited.active == 0 {
            waited.since = Some(Instant::now());
        }
        waited.active += 1;
        BusyGuard(self)
    }

    /// So far.
    pub fn total(&self) -> Duration {
        let waited = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waited.total + waited.since.map(|since| since.elapsed()).unwrap_or_default()
    }
}

/// Something that is under way.
#[derive(Debug)]
pub struct BusyGuard<'a>(&'a BusyTime);

impl Drop for BusyGuard<'_> {
    fn drop(&mut self) {
        let mut waited = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        waited.active -= 1;
        if waited.active == 0 {
            let took = waited.since.take().map(|since| since.elapsed()).unwrap_or_default();
            waited.total += took;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_at_once_are_waited_for_once() {
        let waiting = BusyTime::default();
        let (first, second) = (waiting.start(), waiting.start());
        std::thread::sleep(Duration::from_millis(5));
        drop(first);
        let so_far = waiting.total();
        assert!(so_far >= Duration::from_millis(5));
        drop(second);
        let ended = waiting.total();
        assert!(ended >= so_far);
        std::thread::sleep(Duration::from_millis(5));
        assert_eq!(waiting.total(), ended, "nothing is under way");
    }
}
