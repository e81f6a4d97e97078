//! What is sent again, when, and how often.
//!
//! A read: where no connection was made or it broke, on time-outs (408 as well), 429 and 5xx. A write: only while it is
//! not known whether it was carried out, or where the upstream says that the first one still runs; always with the same
//! idempotency key and the same bytes, so that it is carried out once. A 400 has used its key up, and so may a 429: both
//! are told as they are. What was held back was not sent at all: it is, as soon as the pause allows it. After an attempt
//! without an answer only the API's own word ends it ([`Error::is_from_api`]): a balancer's 400 or "no route" says nothing about
//! what that attempt did.

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

/// The longest pause before the first repetition; it doubles with each one.
const BASE_BACKOFF: Duration = Duration::from_millis(100);
/// The longest pause of all.
const MAX_BACKOFF: Duration = Duration::from_secs(2);
/// How long a success pays for the repetitions of others.
const BUDGET_WINDOW: Duration = Duration::from_secs(3);
/// How many repetitions a second are there for a gateway that asks little.
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
    /// Attempts that came to an end of their own.
    attempts: u32,
    /// Pauses made.
    backoffs: u32,
    /// When the last attempt began.
    attempt_started: Instant,
    /// What the last attempt that was sent came to: of a write, why it is not known whether it was carried out.
    last_sent_error: Option<Error>,
}

impl RetryPolicy {
    /// A policy with a full budget.
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

    /// Whether another attempt could give a better answer.
    fn is_retryable(&self, request: &Request, error: &Error) -> bool {
        let kind = &error.kind;
        if request.is_write() {
            match kind {
                // It can be asked what became of it; and it was not sent, but may be in a moment.
                ErrorKind::InProgress | ErrorKind::Throttled { .. } => true,
                // With whom, the upstream did not say in words that are known: most likely with the attempt before.
                ErrorKind::Conflict(_) => self.last_sent_error.is_some(),
                // The write's own answer.
                _ if error.is_from_api => false,
                // These come before the write is looked at, and say nothing about an earlier attempt.
                ErrorKind::Unauthenticated | ErrorKind::Forbidden | ErrorKind::DeadlineExceeded => false,
                // Somebody else's change would be undone, or could be. The look has been repeated as a read is.
                ErrorKind::Superseded { .. } | ErrorKind::Unchecked(_) => false,
                _ => self.last_sent_error.is_some(),
            }
        } else {
            kind.is_unavailable() || matches!(kind, ErrorKind::RateLimited { .. } | ErrorKind::Throttled { .. })
        }
    }

    /// How long to wait before the next attempt, or why there is none.
    fn backoff(&mut self, request: &Request, kind: &ErrorKind) -> Result<Duration, RetrySkipped> {
        // What was not sent, or has to wait for its own first attempt, is bounded by the time alone: it is no more for the
        // upstream to do, and a write that still runs is not given up because others fail.
        let is_free = matches!(
            kind,
            ErrorKind::Conflict(_)
                | ErrorKind::InProgress
                | ErrorKind::QueueFull
                | ErrorKind::BreakerOpen { .. }
                | ErrorKind::Throttled { .. }
        );
        let was_none = is_free || (request.is_write() && matches!(kind, ErrorKind::Unreachable(_)));
        self.attempts += u32::from(!was_none);
        if self.attempts >= self.max_attempts {
            return Err(RetrySkipped::MaxAttempts);
        }
        let now = Instant::now();
        let longest = BASE_BACKOFF.saturating_mul(1 << self.backoffs.min(10)).min(MAX_BACKOFF);
        // Full jitter: calls that failed together do not come back together. A new source each time, since the clones of
        // one would all say the same.
        let jitter = longest.mul_f64(HasherRng::new().next_f64());
        let pause = match kind {
            // It runs: asking again at once would only be told the same.
            ErrorKind::Conflict(_) | ErrorKind::InProgress => longest / 2 + jitter / 2,
            _ => kind.retry_after().map_or(jitter, |asked| asked + jitter.min(BASE_BACKOFF)),
        };
        // The next attempt is taken to need as long as the last one.
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
                    // What was kept back was no attempt, and what comes then repeats none.
                    if !error.kind.is_not_attempted() {
                        request.retry_reason = Some(error.kind.name());
                    }
                    request.is_retry = true;
                    return Some(sleep(pause));
                }
                Err(why) => metrics::record_retry_skipped(request.route, why),
            }
        }
        // The API's own refusal is the write's answer, given again for its key. Anything else leaves open what became of
        // an attempt before, and that is what has to be told. Of a read: what the upstream did, and not that it was spared
        // another attempt.
        let says_more = match request.is_write() {
            true => error.is_from_api || matches!(error.kind, ErrorKind::Superseded { .. }),
            // And for how long it is held back: the pause before may have been a shorter one.
            false => !error.kind.is_not_sent() || matches!(error.kind, ErrorKind::Throttled { .. }),
        };
        if !says_more && let Some(before) = self.last_sent_error.take() {
            *error = before;
        }
        None
    }

    fn clone_request(&mut self, request: &Request) -> Option<Request> {
        self.attempt_started = Instant::now();
        Some(request.clone())
    }
}
