//! What is sent again, when, and how often.
//!
//! A read: where no connection was made or it broke, on time-outs (408 as well), 429 and 5xx. A write: only while it is
//! not known whether it was carried out, or where the upstream says that the first one still runs; always with the same
//! idempotency key and the same bytes, so that it is carried out once. A 400 has used its key up, and so may a 429: both
//! are told as they are. What was held back was not sent at all: it is, as soon as the pause allows it. After an attempt
//! without an answer only the API's own word ends it ([`Error::is_own`]): a balancer's 400 or "no route" says nothing about
//! what that attempt did.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};
use tower::retry;
use tower::retry::budget::{Budget, TpsBudget};
use tower::util::rng::{HasherRng, Rng};

use super::error::{Error, Kind};
use super::exchange::{Reply, Request};
use super::metrics::{self, Forgone};

/// The longest pause before the first repetition; it doubles with each one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause of all.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How long a success pays for the repetitions of others.
const BUDGET_WINDOW: Duration = Duration::from_secs(3);
/// How many repetitions a second are there for a gateway that asks little.
const BUDGET_PER_SECOND: u32 = 1;

/// How much patience; see `[upstream]` in `config/default.toml`.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How often one call is sent at most.
    pub max_attempts: u32,
    /// How many repetitions there may be for a hundred successes.
    pub budget_percent: u8,
}

/// Decides about one call; its clones share the budget.
#[derive(Clone, Debug)]
pub struct Policy {
    max_attempts: u32,
    budget: Arc<TpsBudget>,
    /// Attempts that came to an end of their own.
    attempts: u32,
    /// Pauses made.
    pauses: u32,
    /// When the last attempt began.
    began: Instant,
    /// What the last attempt that was sent came to: of a write, why it is not known whether it was carried out.
    before: Option<Error>,
}

impl Policy {
    /// A policy with a full budget.
    pub fn new(settings: Settings) -> Self {
        let share = f32::from(settings.budget_percent) / 100.0;
        Self {
            max_attempts: settings.max_attempts,
            budget: Arc::new(TpsBudget::new(BUDGET_WINDOW, BUDGET_PER_SECOND, share)),
            attempts: 0,
            pauses: 0,
            began: Instant::now(),
            before: None,
        }
    }

    /// Whether another attempt could give a better answer.
    fn could_help(&self, request: &Request, error: &Error) -> bool {
        let kind = &error.kind;
        if request.is_write() {
            match kind {
                // It can be asked what became of it; and it was not sent, but may be in a moment.
                Kind::Running | Kind::HeldBack { .. } => true,
                // With whom, the upstream did not say in words that are known: most likely with the attempt before.
                Kind::Conflict(_) => self.before.is_some(),
                // The write's own answer.
                _ if error.is_own => false,
                // These come before the write is looked at, and say nothing about an earlier attempt.
                Kind::Unauthenticated | Kind::Forbidden | Kind::TooLate => false,
                // Somebody else's change would be undone, or could be. The look has been repeated as a read is.
                Kind::Superseded { .. } | Kind::Unchecked(_) => false,
                _ => self.before.is_some(),
            }
        } else {
            kind.is_trouble() || matches!(kind, Kind::RateLimited { .. } | Kind::HeldBack { .. })
        }
    }

    /// How long to wait before the next attempt, or why there is none.
    fn pause(&mut self, request: &Request, kind: &Kind) -> Result<Duration, Forgone> {
        // What was not sent, or has to wait for its own first attempt, is bounded by the time alone: it is no more for the
        // upstream to do, and a write that still runs is not given up because others fail.
        let is_free =
            matches!(kind, Kind::Conflict(_) | Kind::Running | Kind::Busy | Kind::Open { .. } | Kind::HeldBack { .. });
        let was_none = is_free || (request.is_write() && matches!(kind, Kind::Unreachable(_)));
        self.attempts += u32::from(!was_none);
        if self.attempts >= self.max_attempts {
            return Err(Forgone::Attempts);
        }
        let now = Instant::now();
        let longest = FIRST_PAUSE.saturating_mul(1 << self.pauses.min(10)).min(LONGEST_PAUSE);
        // Full jitter: calls that failed together do not come back together. A new source each time, since the clones of
        // one would all say the same.
        let jitter = longest.mul_f64(HasherRng::new().next_f64());
        let pause = match kind {
            // It runs: asking again at once would only be told the same.
            Kind::Conflict(_) | Kind::Running => longest / 2 + jitter / 2,
            _ => kind.retry_after().map_or(jitter, |asked| asked + jitter.min(FIRST_PAUSE)),
        };
        // The next attempt is taken to need as long as the last one.
        let ends = now + pause + (now - self.began);
        if ends >= request.patience.deadline() {
            return Err(Forgone::Deadline);
        }
        if !is_free && !self.budget.withdraw() {
            return Err(Forgone::Budget);
        }
        self.pauses += 1;
        Ok(pause)
    }
}

impl retry::Policy<Request, Reply, Error> for Policy {
    type Future = Sleep;

    fn retry(&mut self, request: &mut Request, result: &mut Result<Reply, Error>) -> Option<Sleep> {
        let error = match result {
            Ok(_) => {
                self.budget.deposit();
                return None;
            }
            Err(error) => error,
        };
        if request.is_write() && error.outcome_is_unknown() || !request.is_write() && !error.kind.is_unsent() {
            self.before = Some(error.clone());
        }
        if self.could_help(request, error) {
            match self.pause(request, &error.kind) {
                Ok(pause) => {
                    // What was kept back was no attempt, and what comes then repeats none.
                    if !error.kind.is_kept_back() {
                        request.repeats = Some(error.kind.name());
                    }
                    request.is_repeated = true;
                    return Some(sleep(pause));
                }
                Err(why) => metrics::forgone(request.route, why),
            }
        }
        // The API's own refusal is the write's answer, given again for its key. Anything else leaves open what became of
        // an attempt before, and that is what has to be told. Of a read: what the upstream did, and not that it was spared
        // another attempt.
        let says_more = match request.is_write() {
            true => error.is_own || matches!(error.kind, Kind::Superseded { .. }),
            // And for how long it is held back: the pause before may have been a shorter one.
            false => !error.kind.is_unsent() || matches!(error.kind, Kind::HeldBack { .. }),
        };
        if !says_more && let Some(before) = self.before.take() {
            *error = before;
        }
        None
    }

    fn clone_request(&mut self, request: &Request) -> Option<Request> {
        self.began = Instant::now();
        Some(request.clone())
    }
}
