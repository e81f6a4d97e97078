//! The retry policy: which calls are sent again, when, and how often.
//!
//! - A read is retried if there was no connection or it was lost, and after timeouts (also 408), 429 and 5xx.
//! - A write is retried only while its outcome is unknown, or if the upstream reports that the first request still
//!   runs. Each attempt has the same idempotency key and the same bytes, so the write takes effect once. A 400 uses up
//!   the key, and a 429 may do so: the call returns both.
//! - A throttled call was not sent. It is sent when the pause is over.
//! - After an attempt of a write without a response, only a response of the API itself ends the retries
//!   ([`Error::is_from_api`]). A load balancer's 400 or "no route" does not tell what the first attempt did.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};
use tokio::time::{Instant, Sleep, sleep};
use tower::retry;
use tower::retry::budget::{Budget, TpsBudget};
use tower::util::rng::{HasherRng, Rng};

use crate::setting;
use crate::upstream::call::metrics::{self, RetrySkipped};
use crate::upstream::call::transport::{Request, UpstreamResponse};
use crate::upstream::error::{Error, ErrorKind};

/// The longest pause before the first retry. It doubles with each retry.
const BASE_BACKOFF: Duration = Duration::from_millis(100);
/// The longest pause before any retry.
const MAX_BACKOFF: Duration = Duration::from_secs(2);
/// How long a success counts for the retry budget.
const BUDGET_WINDOW: Duration = Duration::from_secs(3);
/// The retries per second that the budget always permits.
const MIN_RETRIES_PER_SECOND: u32 = 1;

/// How much patience; see `[upstream]` in `config/default.toml`.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Settings {
    /// How often one call is sent at most.
    #[serde(deserialize_with = "setting::positive")]
    pub max_attempts: u32,
    /// How many repetitions there may be for a hundred successes.
    #[serde(rename = "retry_budget_percent", deserialize_with = "budget_percent")]
    pub budget_percent: u8,
}

/// The budget counts how many successes pay for one repetition, in whole numbers: 60 percent would be 100.
fn budget_percent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    let percent = u8::deserialize(deserializer)?;
    if percent == 0 || 100 % percent == 0 {
        return Ok(percent);
    }
    Err(de::Error::custom("must be 0 or divide 100: 1, 2, 4, 5, 10, 20, 25, 50, 100"))
}

/// Decides about one call; its clones share the budget.
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    max_attempts: u32,
    budget: Arc<TpsBudget>,
    /// Attempts that count against the limit.
    attempts: u32,
    /// Pauses so far.
    backoffs: u32,
    /// When the last attempt started.
    attempt_started: Instant,
    /// The error of the last attempt that was sent. Of a write: why its outcome is unknown.
    last_sent_error: Option<Error>,
}

impl RetryPolicy {
    /// A policy with an unused budget.
    pub fn new(settings: Settings) -> Self {
        let share = f32::from(settings.budget_percent) / 100.0;
        Self {
            max_attempts: settings.max_attempts,
            budget: Arc::new(TpsBudget::new(BUDGET_WINDOW, MIN_RETRIES_PER_SECOND, share)),
            attempts: 0,
            backoffs: 0,
            attempt_started: Instant::now(),
            last_sent_error: None,
        }
    }

    /// Whether another attempt can give a better result.
    fn is_retryable(&self, request: &Request, error: &Error) -> bool {
        let kind = &error.kind;
        if request.is_write() {
            match kind {
                // A retry returns the outcome of the running write. A throttled write was not sent, and can be sent
                // later.
                ErrorKind::InProgress | ErrorKind::Throttled { .. } => true,
                // The response does not say which request the key belongs to: most likely to the attempt before.
                ErrorKind::Conflict(_) => self.last_sent_error.is_some(),
                // This is the outcome of the write.
                _ if error.is_from_api => false,
                // The upstream checks these before the write. They do not tell the outcome of an earlier attempt.
                ErrorKind::Unauthenticated | ErrorKind::Forbidden | ErrorKind::DeadlineExceeded => false,
                // A retry would or could undo another client's change. The recheck was retried as a read.
                ErrorKind::Superseded { .. } | ErrorKind::Unchecked(_) => false,
                _ => self.last_sent_error.is_some(),
            }
        } else {
            kind.is_unavailable() || matches!(kind, ErrorKind::RateLimited { .. } | ErrorKind::Throttled { .. })
        }
    }

    /// The pause before the next attempt, or why there is none.
    fn backoff(&mut self, request: &Request, kind: &ErrorKind) -> Result<Duration, RetrySkipped> {
        // A retry of a call that was not sent, or of a write that still runs, is limited only by the deadline. The
        // former is no additional work for the upstream. The latter must not fail because other calls fail.
        let is_free = matches!(
            kind,
            ErrorKind::Conflict(_)
                | ErrorKind::InProgress
                | ErrorKind::QueueFull
                | ErrorKind::BreakerOpen { .. }
                | ErrorKind::Throttled { .. }
        );
        let is_no_attempt = is_free || (request.is_write() && matches!(kind, ErrorKind::Unreachable(_)));
        self.attempts += u32::from(!is_no_attempt);
        if self.attempts >= self.max_attempts {
            return Err(RetrySkipped::MaxAttempts);
        }
        let now = Instant::now();
        let longest = BASE_BACKOFF.saturating_mul(1 << self.backoffs.min(10)).min(MAX_BACKOFF);
        // Full jitter: calls that failed together are not retried together. Each pause has a new random source, because
        // clones of one source return the same numbers.
        let jitter = longest.mul_f64(HasherRng::new().next_f64());
        let pause = match kind {
            // The write still runs: a retry at once would get the same response.
            ErrorKind::Conflict(_) | ErrorKind::InProgress => longest / 2 + jitter / 2,
            _ => kind.retry_after().map_or(jitter, |requested| requested + jitter.min(BASE_BACKOFF)),
        };
        // Assume that the next attempt takes as long as the last one.
        let ends = now + pause + (now - self.attempt_started);
        if ends >= request.deadline.instant() {
            return Err(RetrySkipped::Deadline);
        }
        if !is_free && !self.budget.withdraw() {
            return Err(RetrySkipped::Budget);
        }
        self.backoffs += 1;
        Ok(pause)
    }
}

impl retry::Policy<Request, UpstreamResponse, Error> for RetryPolicy {
    type Future = Sleep;

    fn retry(&mut self, request: &mut Request, result: &mut Result<UpstreamResponse, Error>) -> Option<Sleep> {
        let error = match result {
            Ok(_) => {
                self.budget.deposit();
                return None;
            }
            Err(error) => error,
        };
        if request.is_write() && error.is_outcome_unknown() || !request.is_write() && !error.kind.is_not_sent() {
            self.last_sent_error = Some(error.clone());
        }
        if self.is_retryable(request, error) {
            match self.backoff(request, &error.kind) {
                Ok(pause) => {
                    // If nothing was sent, the next attempt is no retry for the upstream.
                    if !error.kind.is_not_attempted() {
                        request.retry_reason = Some(error.kind.name());
                    }
                    request.is_retry = true;
                    return Some(sleep(pause));
                }
                Err(reason) => metrics::record_retry_skipped(request.route, reason),
            }
        }
        // Which error to return: this one, or the one of an earlier attempt? For a write, a rejection by the API is the
        // outcome of the key's first attempt. Every other error leaves the outcome of the earlier attempt unknown, and
        // this is what the caller must learn. For a read, what the upstream did says more than that a retry was not
        // sent.
        let returns_last = match request.is_write() {
            true => error.is_from_api || matches!(error.kind, ErrorKind::Superseded { .. }),
            // The remaining time of a throttled key may be longer than the pause of the earlier response.
            false => !error.kind.is_not_sent() || matches!(error.kind, ErrorKind::Throttled { .. }),
        };
        if !returns_last && let Some(before) = self.last_sent_error.take() {
            *error = before;
        }
        None
    }

    fn clone_request(&mut self, request: &Request) -> Option<Request> {
        self.attempt_started = Instant::now();
        Some(request.clone())
    }
}
