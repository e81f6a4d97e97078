//! The rate limit per caller, in units: one for a request, and one for each upstream call that its operation plans.
//! Callers are identified by a digest, so the table contains no name and no address.
//!
//! The limit belongs to this instance. The upstream has limits of its own, which all callers with the same key share.
//! A caller that meets them gets `UPSTREAM_RATE_LIMITED`.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use serde::Deserialize;

use super::ClientKey;
use crate::error::{ErrorCode, PublicError};
use crate::setting::{self, Switch};
use crate::telemetry::names;

/// The number of charges after which idle callers are removed from the table.
const CHECKS_PER_CLEANUP: u32 = 1024;

/// Units for each caller; see `[rate_limit]` in `config/default.toml`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Whether there is a limit.
    #[serde(deserialize_with = "setting::word")]
    pub enabled: Switch,
    pub units_per_second: NonZeroU32,
    /// How many units a caller may use at once after a pause.
    pub burst: NonZeroU32,
}

/// The remaining units of each caller.
#[derive(Debug)]
pub struct RateLimit {
    budgets: DefaultKeyedRateLimiter<u128>,
    clock: DefaultClock,
    checks: AtomicU32,
}

impl RateLimit {
    /// Creates a limit. Every caller may use its whole burst.
    pub fn new(settings: Settings) -> Self {
        let quota = Quota::per_second(settings.units_per_second).allow_burst(settings.burst);
        Self { budgets: RateLimiter::keyed(quota), clock: DefaultClock::default(), checks: AtomicU32::new(0) }
    }

    /// Charges units to a caller.
    ///
    /// # Errors
    /// `RATE_LIMITED` with the time to wait, and nothing is charged. `OPERATION_TOO_LARGE` if the units exceed the
    /// burst.
    pub fn charge(&self, client: ClientKey, units: usize) -> Result<(), PublicError> {
        if self.checks.fetch_add(1, Ordering::Relaxed) % CHECKS_PER_CLEANUP == CHECKS_PER_CLEANUP - 1 {
            self.budgets.retain_recent();
            self.budgets.shrink_to_fit();
        }
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let units = NonZeroU32::new(units).unwrap_or(NonZeroU32::MIN);
        match self.budgets.check_key_n(&client.digest, units) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(not_yet)) => {
                let pause = not_yet.wait_time_from(self.clock.now());
                let message = "You exceed your rate limit. Wait, then try again.";
                Err(PublicError { retry_after: Some(pause), ..PublicError::new(ErrorCode::RateLimited, message) })
            }
            Err(never) => {
                metrics::counter!(names::LIMITS_REACHED, "limit" => "burst").increment(1);
                let message = format!("The operation costs {units} units, and a caller may use {} at once.", never.0);
                Err(PublicError::new(ErrorCode::OperationTooLarge, message))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(units_per_second: u32, burst: u32) -> RateLimit {
        let number = |n| NonZeroU32::new(n).expect("a number above zero");
        RateLimit::new(Settings {
            enabled: Switch::On,
            units_per_second: number(units_per_second),
            burst: number(burst),
        })
    }

    #[test]
    fn a_caller_over_its_rate_is_told_when_to_come_back_and_others_are_not_touched() {
        let limit = limit(1, 10);
        let (one, other) = (ClientKey::verified(1), ClientKey::verified(2));
        assert!(limit.charge(one, 10).is_ok());
        let refused = limit.charge(one, 5).expect_err("an empty budget");
        assert_eq!((refused.code, refused.retry_after_seconds()), (ErrorCode::RateLimited, Some(5)));
        assert!(limit.charge(other, 10).is_ok());
    }

    #[test]
    fn what_no_budget_ever_holds_is_refused_for_good() {
        let refused = limit(1, 10).charge(ClientKey::verified(1), 11).expect_err("too much");
        assert!(refused.code == ErrorCode::OperationTooLarge && !refused.is_retryable());
        let more_than_a_number = limit(1, 11).charge(ClientKey::verified(1), usize::MAX).expect_err("too much");
        assert_eq!(more_than_a_number.code, ErrorCode::OperationTooLarge);
    }
}
