//! Throttles all calls of a key after a 429 with `Retry-After`: the pause is for the key, and further calls would get
//! the same response.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::header;
use tokio::time::Instant;

use crate::upstream::call::transport::{Request, UpstreamResponse};
use crate::upstream::error::{Error, ErrorKind};

/// The longest time that one response throttles a key. After it, the next call gets a new response.
const MAX_PAUSE: Duration = Duration::from_secs(60);
/// The largest number of throttled keys. Calls of further keys are sent, and get their own 429.
const MAX_KEYS: usize = 1024;

/// The throttled keys, and until when.
#[derive(Debug, Default)]
pub struct Throttle {
    /// By a hash of the key that only this process can compute.
    until: Mutex<HashMap<u64, Instant>>,
    hasher: RandomState,
}

impl Throttle {
    /// The key of a request, if it is not throttled.
    ///
    /// # Errors
    /// [`ErrorKind::Throttled`] with the time that is left.
    pub fn check(&self, request: &Request) -> Result<u64, ErrorKind> {
        let key = self.hasher.hash_one(request.headers.get(header::AUTHORIZATION));
        self.remaining(key).map_or(Ok(key), |retry_after| Err(ErrorKind::Throttled { retry_after }))
    }

    /// Throttles the key if the upstream asks for it.
    pub fn record_outcome(&self, key: u64, outcome: &Result<UpstreamResponse, Error>) {
        if let Err(Error { kind: ErrorKind::RateLimited { retry_after: Some(pause) }, .. }) = outcome {
            self.record(key, *pause);
        }
    }

    /// The remaining time of a key's pause.
    fn remaining(&self, key: u64) -> Option<Duration> {
        let left = self.lock().get(&key)?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// Records a pause, unless the key has a longer one.
    fn record(&self, key: u64, pause: Duration) {
        let now = Instant::now();
        let until = now + pause.min(MAX_PAUSE);
        let mut keys = self.lock();
        if keys.len() >= MAX_KEYS {
            keys.retain(|_, until| *until > now);
        }
        if keys.len() < MAX_KEYS || keys.contains_key(&key) {
            keys.entry(key).and_modify(|known| *known = until.max(*known)).or_insert(until);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Instant>> {
        // No code panics while it holds the lock, so a poisoned map is a whole one.
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_key_is_throttled_for_a_minute_at_most() {
        let pauses = Throttle::default();
        let (limited, other) = (1, 2);
        pauses.record(limited, Duration::from_secs(3600));
        pauses.record(limited, Duration::from_secs(1));
        assert_eq!((pauses.remaining(limited), pauses.remaining(other)), (Some(MAX_PAUSE), None));
        tokio::time::advance(MAX_PAUSE).await;
        assert_eq!(pauses.remaining(limited), None);
        pauses.record(limited, Duration::ZERO);
        assert_eq!(pauses.remaining(limited), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_throttled_keys_is_limited() {
        let pauses = Throttle::default();
        for key in 0..2 * MAX_KEYS as u64 {
            pauses.record(key, Duration::from_secs(9));
        }
        assert_eq!(pauses.lock().len(), MAX_KEYS);
        tokio::time::advance(Duration::from_secs(10)).await;
        pauses.record(u64::MAX, Duration::from_secs(9));
        assert_eq!(pauses.lock().len(), 1);
    }
}
