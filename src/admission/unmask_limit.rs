//! Limits how many customers one caller may unmask per minute.
//!
//! The limit is a sliding window: it holds for any 60 seconds. A limit that refills step by step would admit twice as
//! many within its first minute. Callers are identified by a digest. The table is bounded: if more callers than it
//! holds unmask within one minute, the next caller has to wait.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::ClientKey;
use crate::error::{ErrorCode, PublicError};

const MINUTE: Duration = Duration::from_secs(60);

/// The maximum number of callers in a table within a minute.
const MAX_CALLERS: usize = 10_000;

/// The times at which each caller has unmasked customers.
///
/// Unverified callers have a table of their own. However many addresses send requests, they take no room from verified
/// callers.
#[derive(Debug)]
pub struct UnmaskLimit {
    max: usize,
    verified: Mutex<History>,
    unverified: Mutex<History>,
}

type History = HashMap<u128, VecDeque<Instant>>;

impl UnmaskLimit {
    /// Creates a limit of `most` customers per caller within any minute.
    pub fn new(most: NonZeroU32) -> Self {
        Self {
            max: usize::try_from(most.get()).unwrap_or(usize::MAX),
            verified: Mutex::default(),
            unverified: Mutex::default(),
        }
    }

    /// Records that a caller unmasks `customers` more customers. Zero is always admitted.
    ///
    /// # Errors
    /// `RATE_LIMITED` with the time to wait. Nothing is recorded then.
    pub fn charge(&self, client: ClientKey, customers: usize, now: Instant) -> Result<(), PublicError> {
        if customers == 0 {
            return Ok(());
        }
        let (caller, table) = (client.digest, if client.verified { &self.verified } else { &self.unverified });
        let mut seen = table.lock().unwrap_or_else(PoisonError::into_inner);
        if !seen.contains_key(&caller) && seen.len() >= MAX_CALLERS {
            seen.retain(|_, times| times.back().is_some_and(|time| is_recent(*time, now)));
            if seen.len() >= MAX_CALLERS {
                return Err(rate_limited(MINUTE));
            }
        }
        let times = seen.entry(caller).or_default();
        while times.front().is_some_and(|time| !is_recent(*time, now)) {
            times.pop_front();
        }
        let over = (times.len() + customers).saturating_sub(self.max);
        if over > 0 {
            // There is room when the oldest `over` unmaskings are a minute old.
            let last_to_go = times.get(over - 1).copied().unwrap_or(now);
            return Err(rate_limited((last_to_go + MINUTE).saturating_duration_since(now)));
        }
        times.extend(std::iter::repeat_n(now, customers));
        Ok(())
    }
}

fn is_recent(time: Instant, now: Instant) -> bool {
    now.saturating_duration_since(time) < MINUTE
}

fn rate_limited(pause: Duration) -> PublicError {
    let message = "You have unmasked as many customers as a caller may within a minute. Wait, then try again.";
    PublicError { retry_after: Some(pause), ..PublicError::new(ErrorCode::RateLimited, message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(most: u32) -> UnmaskLimit {
        UnmaskLimit::new(NonZeroU32::new(most).expect("a number above zero"))
    }

    #[test]
    fn no_minute_has_more_than_the_limit_and_others_are_not_touched() {
        let (limit, start) = (limit(3), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let (one, other) = (ClientKey::verified(1), ClientKey::verified(2));
        assert!(limit.charge(one, 2, at(0)).is_ok());
        assert!(limit.charge(one, 1, at(30)).is_ok());
        let refused = limit.charge(one, 1, at(45)).expect_err("a fourth within a minute");
        assert_eq!((refused.code, refused.retry_after_seconds()), (ErrorCode::RateLimited, Some(15)));
        assert!(limit.charge(other, 3, at(45)).is_ok());
        assert!(limit.charge(one, 2, at(60)).is_ok());
        let refused = limit.charge(one, 2, at(61)).expect_err("the one of second 30 still counts");
        assert_eq!(refused.retry_after_seconds(), Some(59));
    }

    #[test]
    fn the_table_of_callers_is_bounded_and_forgets_those_of_another_minute() {
        let (limit, start) = (limit(1), Instant::now());
        for caller in 0..MAX_CALLERS as u128 {
            assert!(limit.charge(ClientKey::unverified(caller), 1, start).is_ok());
        }
        let late = ClientKey::unverified(u128::MAX);
        assert!(limit.charge(late, 1, start).is_err());
        assert!(
            limit.charge(ClientKey::verified(u128::MAX), 1, start).is_ok(),
            "verified callers have a table of their own"
        );
        assert!(limit.charge(late, 1, start + MINUTE).is_ok());
    }
}
