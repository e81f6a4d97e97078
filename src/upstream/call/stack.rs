//! What a call goes through on its way out, from the outside in, and why in this order.
//!
//! The deadline is no layer but goes with the request ([`crate::upstream::patience`]), since each layer has its own part in it: the
//! outermost could only cut, and what has to be kept from being sent is deep inside.

use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tower::layer::layer_fn;
use tower::retry::RetryLayer;
use tower::timeout::TimeoutLayer;
use tower::timeout::error::Elapsed;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};
use tracing::{Span, debug};

use crate::upstream::call::breaker::CircuitBreaker;
use crate::upstream::call::concurrency::ConcurrencyLimit;
use crate::upstream::call::observe::CallTimer;
use crate::upstream::call::recheck::RecheckService;
use crate::upstream::call::retry::RetryPolicy;
use crate::upstream::call::throttle::Throttle;
use crate::upstream::call::transport::{Request, UpstreamResponse};
use crate::upstream::call::{breaker, concurrency, metrics, retry};
use crate::upstream::error::{Error, ErrorKind};

/// How calls are sent; see `[upstream]` in `config/default.toml`.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long one attempt may take.
    pub attempt_timeout: Duration,
    pub retry: retry::Settings,
    pub breaker: breaker::Settings,
    pub concurrency: concurrency::Settings,
    /// How long a write that was sent is followed.
    pub write_grace: Duration,
}

/// The way out. There is one for each upstream host, and clones share its parts.
pub type Stack = BoxCloneSyncService<Request, UpstreamResponse, Error>;

/// The stack around what sends a request.
pub fn build<S>(exchange: S, settings: &Settings, breaker: CircuitBreaker) -> Stack
where
    S: Service<Request, Response = UpstreamResponse, Error = Error, Future: Send + 'static>
        + Clone
        + Send
        + Sync
        + 'static,
{
    // Innermost, and inside the breaker: an attempt that hangs is to be a failure there, not a call that somebody gave up.
    let attempt = ServiceBuilder::new()
        // Seen from outside the time-out, so that attempts which are cut are counted as well.
        .layer(layer_fn(|inner| AttemptMetrics { inner }))
        .map_err(from_box_error)
        .layer(TimeoutLayer::new(settings.attempt_timeout))
        .service(exchange);
    // One for the host, not for each endpoint: what fails is the host. It sees each attempt, so it opens as fast as the
    // upstream fails, and repeated calls run into it too.
    let guarded = service_fn(move |request| {
        let (breaker, attempt) = (breaker.clone(), attempt.clone());
        async move { breaker.call(attempt.oneshot(request)).await }
    });
    let stack = ServiceBuilder::new()
        // Outermost, so that a call which pauses holds no place and is seen by the breaker each time. It keeps to a budget
        // that all calls share: an upstream in trouble is not given more to do.
        .layer(RetryLayer::new(RetryPolicy::new(settings.retry)))
        // Inside the repetitions, since it allows or refuses each; outside the places, so that its look, which is a call of its
        // own, never waits for a place while the write holds one.
        .layer(layer_fn(|inner| RecheckService { inner }))
        // Outside the breaker: a call that found no place says nothing about the upstream. While it is open the places are free at once, so nobody waits only to be refused.
        .layer(ConcurrencyLimit::new(settings.concurrency))
        // Inside the places, so that who waited for one is kept back by what was said meanwhile; outside the breaker, as those.
        .layer(Throttle::default())
        // As late as can be: from here on a write counts as sent, and what only waited until now does not.
        .layer(layer_fn(|inner| DeadlineService { inner, write_grace: settings.write_grace }))
        .service(guarded);
    BoxCloneSyncService::new(stack)
}

/// The time-out's errors as ours.
fn from_box_error(error: BoxError) -> Error {
    if error.is::<Elapsed>() {
        return ErrorKind::TimedOut.into();
    }
    match error.downcast::<Error>() {
        Ok(error) => *error,
        Err(_) => ErrorKind::Invalid("an error that no layer makes").into(),
    }
}

/// Sends nothing that is too late to be.
#[derive(Clone)]
struct DeadlineService<S> {
    inner: S,
    write_grace: Duration,
}

impl<S> Service<Request> for DeadlineService<S>
where
    S: Service<Request, Response = UpstreamResponse, Error = Error, Future: Send + 'static>,
{
    type Response = UpstreamResponse;
    type Error = Error;
    type Future = BoxFuture<'static, Result<UpstreamResponse, Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let sendable = match request.is_write() {
            true => request.deadline.commit_write(self.write_grace),
            false => request.deadline.is_open(),
        };
        if !sendable {
            return Box::pin(async { Err(ErrorKind::DeadlineExceeded.into()) });
        }
        Box::pin(self.inner.call(request))
    }
}

/// Counts attempts, and says in the log how each ended.
#[derive(Clone)]
struct AttemptMetrics<S> {
    inner: S,
}

impl<S> Service<Request> for AttemptMetrics<S>
where
    S: Service<Request, Response = UpstreamResponse, Error = Error, Future: Send + 'static>,
{
    type Response = UpstreamResponse;
    type Error = Error;
    type Future = BoxFuture<'static, Result<UpstreamResponse, Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let (route, repeats) = (request.route, request.retry_reason);
        let sent = self.inner.call(request);
        Box::pin(async move {
            let _counted = metrics::attempt_started();
            if let Some(why) = repeats {
                metrics::record_retry(route, why);
            }
            let mut attempt = CallTimer::new(route, metrics::record_attempt, Span::none());
            let outcome = sent.await;
            let name = attempt.finish(outcome.as_ref().err());
            debug!(route, outcome = name, "upstream attempt");
            outcome
        })
    }
}

#[cfg(test)]
mod tests;
