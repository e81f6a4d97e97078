//! For how long something was waited for, where several things are waited for at once.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// For how long at least one thing was under way.
#[derive(Debug, Default)]
pub struct Waiting(Mutex<Waited>);

#[derive(Debug, Default)]
struct Waited {
    under_way: u32,
    since: Option<Instant>,
    ended: Duration,
}

impl Waiting {
    /// One more thing is under way, until what this gives is dropped.
    pub fn begin(&self) -> Under<'_> {
        let mut waited = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waited.under_way == 0 {
            waited.since = Some(Instant::now());
        }
        waited.under_way += 1;
        Under(self)
    }

    /// So far.
    pub fn so_far(&self) -> Duration {
        let waited = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waited.ended + waited.since.map(|since| since.elapsed()).unwrap_or_default()
    }
}

/// Something that is under way.
#[derive(Debug)]
pub struct Under<'a>(&'a Waiting);

impl Drop for Under<'_> {
    fn drop(&mut self) {
        let mut waited = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        waited.under_way -= 1;
        if waited.under_way == 0 {
            let took = waited.since.take().map(|since| since.elapsed()).unwrap_or_default();
            waited.ended += took;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_at_once_are_waited_for_once() {
        let waiting = Waiting::default();
        let (first, second) = (waiting.begin(), waiting.begin());
        std::thread::sleep(Duration::from_millis(5));
        drop(first);
        let so_far = waiting.so_far();
        assert!(so_far >= Duration::from_millis(5));
        drop(second);
        let ended = waiting.so_far();
        assert!(ended >= so_far);
        std::thread::sleep(Duration::from_millis(5));
        assert_eq!(waiting.so_far(), ended, "nothing is under way");
    }
}
