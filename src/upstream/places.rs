//! No more calls at once than the upstream is to bear, and a bounded queue for a place among them.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt};

use super::error::{Error, Kind};
use super::exchange::{Reply, Request};
use super::metrics::{self, OneMore};

/// Bounds; see `[upstream]` in `config/default.toml`.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How many calls may be in flight at once.
    pub max_in_flight: usize,
    /// How many may wait for a place.
    pub max_queue: usize,
    /// How long one waits at most.
    pub queue_timeout: Duration,
    /// How long a write that was sent is followed.
    pub carry: Duration,
}

/// Puts a service behind places.
#[derive(Clone, Debug)]
pub struct Places {
    places: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    settings: Settings,
}

impl Places {
    /// All places free.
    pub fn new(settings: Settings) -> Self {
        // A semaphore counts to 2^61 only.
        let free = |count: usize| Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        Self { places: free(settings.max_in_flight), queue: free(settings.max_queue), settings }
    }

    /// A place for a request, for as long as it is held.
    async fn place(&self, request: &Request) -> Result<OwnedSemaphorePermit, Kind> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(place);
        }
        let _queued = self.queue.try_acquire().map_err(|_full| Kind::Busy)?;
        let _counted = OneMore::of(metrics::QUEUED);
        let began = Instant::now();
        let place = tokio::select! {
            // A place that comes at the last moment is taken: what is too late is seen before it is sent.
            biased;
            place = Arc::clone(&self.places).acquire_owned() => place.map_err(|_closed| Kind::Busy),
            () = request.patience.over() => Err(Kind::TooLate),
            () = tokio::time::sleep(self.settings.queue_timeout) => Err(Kind::Busy),
        };
        metrics::waited_for_place(began.elapsed());
        place
    }
}

impl<S> Layer<S> for Places {
    type Service = WithPlaces<S>;

    fn layer(&self, inner: S) -> WithPlaces<S> {
        WithPlaces { inner, places: self.clone() }
    }
}

/// A service behind places.
#[derive(Clone, Debug)]
pub struct WithPlaces<S> {
    inner: S,
    places: Places,
}

impl<S> Service<Request> for WithPlaces<S>
where
    S: Service<Request, Response = Reply, Error = Error, Future: Send> + Clone + Send + 'static,
{
    type Response = Reply;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Reply, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // It is asked whether it is ready once there is a place: the breaker inside keeps to the answer that it gave, and
        // may have closed during the wait.
        let mut inner = self.inner.clone();
        let places = self.places.clone();
        Box::pin(async move {
            let _place = places.place(&request).await?;
            let inner = inner.ready().await?;
            let sendable = match request.is_write() {
                true => request.patience.send(places.settings.carry),
                false => request.patience.lasts(),
            };
            if !sendable {
                return Err(Kind::TooLate.into());
            }
            inner.call(request).await
        })
    }
}
