//! Keeps all calls of a key to the pause that the upstream asks of one of them: a 429 with `Retry-After` is about the key
//! and not about the call, and the next ones would only be told the same.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::header;
use tokio::time::Instant;
use tower::{Layer, Service};

use super::error::{Error, Kind};
use super::exchange::{Reply, Request};

/// For how long others are kept back by the word of one answer; after it one asks again, and is told again.
const LONGEST: Duration = Duration::from_secs(60);
/// How many keys are remembered. With more of them in trouble at once the rest finds out by itself.
const MOST_KEYS: usize = 1024;

/// Which keys are to be left alone, and until when. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Pauses {
    /// By a hash that no other process makes.
    keys: Arc<Mutex<HashMap<u64, Instant>>>,
    hasher: RandomState,
}

impl Pauses {
    fn key(&self, request: &Request) -> u64 {
        self.hasher.hash_one(request.headers.get(header::AUTHORIZATION))
    }

    /// What is left of a key's pause.
    fn rest(&self, key: u64) -> Option<Duration> {
        let left = self.keys().get(&key)?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// Notes a pause; a longer one stays.
    fn note(&self, key: u64, pause: Duration) {
        let now = Instant::now();
        let until = now + pause.min(LONGEST);
        let mut keys = self.keys();
        if keys.len() >= MOST_KEYS {
            keys.retain(|_, until| *until > now);
        }
        if keys.len() < MOST_KEYS || keys.contains_key(&key) {
            keys.entry(key).and_modify(|known| *known = until.max(*known)).or_insert(until);
        }
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<u64, Instant>> {
        // Nothing in here panics half way, so a poisoned table is a whole one.
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Layer<S> for Pauses {
    type Service = WithPauses<S>;

    fn layer(&self, inner: S) -> WithPauses<S> {
        WithPauses { inner, pauses: self.clone() }
    }
}

/// A service that keeps to pauses.
#[derive(Clone, Debug)]
pub struct WithPauses<S> {
    inner: S,
    pauses: Pauses,
}

impl<S> Service<Request> for WithPauses<S>
where
    S: Service<Request, Response = Reply, Error = Error, Future: Send + 'static>,
{
    type Response = Reply;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Reply, Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let key = self.pauses.key(&request);
        if let Some(retry_after) = self.pauses.rest(key) {
            return Box::pin(async move { Err(Kind::HeldBack { retry_after }.into()) });
        }
        let (answer, pauses) = (self.inner.call(request), self.pauses.clone());
        Box::pin(async move {
            let answer = answer.await;
            if let Err(Error { kind: Kind::RateLimited { retry_after: Some(pause) }, .. }) = &answer {
                pauses.note(key, *pause);
            }
            answer
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_kept_to_and_believed_for_a_minute_at_most() {
        let pauses = Pauses::default();
        let (limited, other) = (1, 2);
        pauses.note(limited, Duration::from_secs(3600));
        pauses.note(limited, Duration::from_secs(1));
        assert_eq!((pauses.rest(limited), pauses.rest(other)), (Some(LONGEST), None));
        tokio::time::advance(LONGEST).await;
        assert_eq!(pauses.rest(limited), None);
        pauses.note(limited, Duration::ZERO);
        assert_eq!(pauses.rest(limited), None);
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_keys_are_remembered_and_no_more() {
        let pauses = Pauses::default();
        for key in 0..2 * MOST_KEYS as u64 {
            pauses.note(key, Duration::from_secs(9));
        }
        assert_eq!(pauses.keys().len(), MOST_KEYS);
        tokio::time::advance(Duration::from_secs(10)).await;
        pauses.note(u64::MAX, Duration::from_secs(9));
        assert_eq!(pauses.keys().len(), 1);
    }
}
