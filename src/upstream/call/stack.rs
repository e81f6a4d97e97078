//! The path of a call to the upstream: retries around attempts, and the steps of an attempt in their order.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tower::retry::RetryLayer;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
use tracing::{Span, debug};

use crate::upstream::call::breaker::CircuitBreaker;
use crate::upstream::call::concurrency::ConcurrencyLimit;
use crate::upstream::call::observe::CallTimer;
use crate::upstream::call::retry::RetryPolicy;
use crate::upstream::call::throttle::Throttle;
use crate::upstream::call::transport::{Request, UpstreamResponse};
use crate::upstream::call::{breaker, concurrency, metrics, recheck, retry};
use crate::upstream::error::{Error, ErrorKind};

/// How calls are sent; see `[upstream]` in `config/default.toml`.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The longest time of one attempt.
    pub attempt_timeout: Duration,
    pub retry: retry::Settings,
    pub breaker: breaker::Settings,
    pub concurrency: concurrency::Settings,
    /// How long the gateway waits for the outcome of a write that it has sent.
    pub write_grace: Duration,
}

/// Makes calls. There is one for each upstream host, and clones share its parts.
pub type Stack = BoxCloneSyncService<Request, UpstreamResponse, Error>;

/// A stack that sends requests with `transport`.
pub fn build<S>(transport: S, settings: &Settings, breaker: CircuitBreaker) -> Stack
where
    S: Service<Request, Response = UpstreamResponse, Error = Error, Future: Send> + Clone + Send + Sync + 'static,
{
    let guards = Arc::new(AttemptGuards {
        limit: ConcurrencyLimit::new(settings.concurrency),
        throttle: Throttle::default(),
        breaker,
        attempt_timeout: settings.attempt_timeout,
        write_grace: settings.write_grace,
    });
    let attempt = service_fn(move |request| {
        let (guards, transport) = (Arc::clone(&guards), transport.clone());
        async move { guards.send(transport, request).await }
    });
    // A call that pauses between two attempts holds no permit, and the breaker sees each attempt. All calls share one
    // retry budget, so that retries do not overload an upstream that fails.
    let stack = ServiceBuilder::new().layer(RetryLayer::new(RetryPolicy::new(settings.retry))).service(attempt);
    BoxCloneSyncService::new(stack)
}

/// What an attempt passes before it is sent. One for the host, not for each endpoint: hosts fail, not endpoints.
struct AttemptGuards {
    limit: ConcurrencyLimit,
    throttle: Throttle,
    breaker: CircuitBreaker,
    attempt_timeout: Duration,
    write_grace: Duration,
}

impl AttemptGuards {
    /// Sends a request once, or returns why it was not sent. The order of the steps is essential.
    async fn send<S>(&self, transport: S, request: Request) -> Result<UpstreamResponse, Error>
    where
        S: Service<Request, Response = UpstreamResponse, Error = Error>,
    {
        // Before the permit: a recheck makes a call, which would wait for a permit while the write holds one.
        recheck::check(&request).await?;
        // Before the breaker: a call that got no permit says nothing about the upstream. While the breaker is open,
        // permits are free at once, so no call waits only to be rejected.
        let _permit = self.limit.acquire(&request).await?;
        // After the permit: the key may have been throttled while the call waited.
        let key = self.throttle.check(&request)?;
        // As late as possible: from here on a write counts as sent.
        let is_in_time = match request.is_write() {
            true => request.deadline.commit_write(self.write_grace),
            false => request.deadline.is_open(),
        };
        if !is_in_time {
            return Err(ErrorKind::DeadlineExceeded.into());
        }
        let outcome = self.breaker.call(self.timed_attempt(transport, request)).await;
        self.throttle.record_outcome(key, &outcome);
        outcome
    }

    /// One attempt within its timeout, with its metrics. The timeout is inside the breaker: an attempt that hangs is a
    /// failure there, and not a cancelled call.
    async fn timed_attempt<S>(&self, transport: S, request: Request) -> Result<UpstreamResponse, Error>
    where
        S: Service<Request, Response = UpstreamResponse, Error = Error>,
    {
        let route = request.route;
        let _in_flight = metrics::attempt_started();
        if let Some(reason) = request.retry_reason {
            metrics::record_retry(route, reason);
        }
        let mut timer = CallTimer::new(route, metrics::record_attempt, Span::none());
        let sent = timeout(self.attempt_timeout, transport.oneshot(request)).await;
        let outcome = sent.unwrap_or_else(|_elapsed| Err(ErrorKind::TimedOut.into()));
        let name = timer.finish(outcome.as_ref().err());
        debug!(route, outcome = name, "upstream attempt");
        outcome
    }
}

#[cfg(test)]
mod tests;
