//! How many connections are held at once: one more is closed at once, since what waits in line holds a file handle too.

use std::future::{Ready, ready};
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum_server::accept::Accept;
use http::Request;
use metrics::Gauge;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::Service;

use crate::telemetry::metrics::Present;
use crate::telemetry::names;

/// Accepts connections up to a bound.
#[derive(Clone, Debug)]
pub struct Bounded {
    places: Arc<Semaphore>,
    held: Gauge,
}

impl Bounded {
    /// An acceptor for at most `most` connections of a listener, which the metrics call by its name.
    pub fn new(most: usize, listener: &'static str) -> Self {
        let held = metrics::gauge!(names::CONNECTIONS, "listener" => listener);
        Self { places: Arc::new(Semaphore::new(most)), held }
    }
}

impl<S> Accept<TcpStream, S> for Bounded {
    type Stream = TcpStream;
    type Service = Held<S>;
    type Future = Ready<io::Result<(TcpStream, Held<S>)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            metrics::counter!(names::BOUNDS_REACHED, "bound" => "max_connections").increment(1);
            tracing::warn!("a connection was closed: the bound `server.max_connections` is reached");
            return ready(Err(io::Error::other("too many connections")));
        };
        // Answers are written whole; waiting to fill a segment would only add 40 ms.
        ready(
            stream
                .set_nodelay(true)
                .map(|()| (stream, Held { service, _place: Arc::new((place, Present::new(self.held.clone()))) })),
        )
    }
}

/// A connection's service. It lives as long as the connection, and its place with it.
#[derive(Clone, Debug)]
pub struct Held<S> {
    service: S,
    _place: Arc<(OwnedSemaphorePermit, Present)>,
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for Held<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> S::Future {
        self.service.call(request)
    }
}
