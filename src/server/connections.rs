//! How many connections are held at once, and how long an idle one is.
//!
//! One connection more than the bound is closed at once, since what waits in line holds a file handle too. Idle ones of
//! HTTP/1 are ended by the server's own time for headers. HTTP/2 has no such time: its keep-alive only finds out that the
//! other side still answers. So a connection of HTTP/2 that has no request open, and whose answers went out, comes to its
//! end of input here after the same time, which ends it without cutting anything off.

use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use axum_server::accept::Accept;
use futures_util::future::BoxFuture;
use futures_util::task::AtomicWaker;
use http::{Request, Version};
use http_body_util::BodyExt;
use metrics::Gauge;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep_until};
use tower::Service;

use crate::telemetry::metrics::Present;
use crate::telemetry::names;

/// Writes up to this size say nothing of a request: they answer a ping or settings, of which some may go together.
const SMALL_TALK: usize = 256;

/// How often the log says that there are too many connections, at most; the metric counts each.
const BETWEEN_LINES: Duration = Duration::from_secs(1);

/// Accepts connections up to a bound.
#[derive(Clone, Debug)]
pub struct Bounded {
    places: Arc<Semaphore>,
    most_idle: Duration,
    held: Gauge,
    /// When the log was last told that there were too many.
    said: Arc<Mutex<Option<Instant>>>,
}

impl Bounded {
    /// An acceptor for at most `most` connections of a listener, which the metrics call by its name; one of HTTP/2 may be
    /// idle so long.
    pub fn new(most: usize, most_idle: Duration, listener: &'static str) -> Self {
        let held = metrics::gauge!(names::CONNECTIONS, "listener" => listener);
        Self { places: Arc::new(Semaphore::new(most)), most_idle, held, said: Arc::default() }
    }
}

impl<S> Accept<TcpStream, S> for Bounded {
    type Stream = Watched;
    type Service = Held<S>;
    type Future = Ready<io::Result<(Watched, Held<S>)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            metrics::counter!(names::BOUNDS_REACHED, "bound" => "max_connections").increment(1);
            // Whoever floods us with connections does not flood the log.
            let now = Instant::now();
            let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            if said.is_none_or(|said| now.duration_since(said) >= BETWEEN_LINES) {
                *said = Some(now);
                tracing::warn!("connections are closed: the bound `server.max_connections` is reached");
            }
            return ready(Err(io::Error::other("too many connections")));
        };
        let place = Arc::new((place, Present::new(self.held.clone())));
        let life = Arc::new(Life::default());
        let watched = Watched {
            stream,
            life: Arc::clone(&life),
            most_idle: self.most_idle,
            timer: Box::pin(sleep_until(Instant::now() + self.most_idle)),
        };
        // Answers are written whole; waiting to fill a segment would only add 40 ms.
        let nodelay = watched.stream.set_nodelay(true);
        ready(nodelay.map(|()| (watched, Held { service, life, _place: place })))
    }
}

/// What a connection's two sides know of it: its service when it works, its stream when it rests.
#[derive(Debug, Default)]
struct Life {
    requests: Mutex<Requests>,
    /// The stream's reader, which waits for the next request.
    reader: AtomicWaker,
}

/// The requests of HTTP/2 on a connection.
#[derive(Clone, Copy, Debug, Default)]
struct Requests {
    open: usize,
    /// When the last one ended, or a part of its answer went out; none before the first one.
    last: Option<Instant>,
}

impl Life {
    fn change(&self, change: impl FnOnce(&mut Requests)) {
        change(&mut self.requests.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Since when nothing has been going on.
    fn idle_since(&self) -> Option<Instant> {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.last.filter(|_| requests.open == 0)
    }
}

/// A request that is open, until it is dropped.
#[derive(Debug)]
struct Open(Arc<Life>);

impl Open {
    fn new(life: &Arc<Life>) -> Self {
        life.change(|requests| requests.open += 1);
        Self(Arc::clone(life))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.change(|requests| {
            requests.open = requests.open.saturating_sub(1);
            requests.last = Some(Instant::now());
        });
        self.0.reader.wake();
    }
}

/// A connection's service. It lives as long as the connection, and its place with it.
#[derive(Clone, Debug)]
pub struct Held<S> {
    service: S,
    life: Arc<Life>,
    _place: Arc<(OwnedSemaphorePermit, Present)>,
}

impl<S, B> Service<Request<B>> for Held<S>
where
    S: Service<Request<B>, Response = Response>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let open = (request.version() == Version::HTTP_2).then(|| Open::new(&self.life));
        let answered = self.service.call(request);
        Box::pin(async move {
            let response = answered.await?;
            // The request is open until the whole of its answer was taken.
            Ok(match open {
                None => response,
                Some(open) => response.map(|body| {
                    Body::new(body.map_frame(move |frame| {
                        let _open = &open;
                        frame
                    }))
                }),
            })
        })
    }
}

/// A connection's stream, whose input ends where it has been idle for too long.
#[derive(Debug)]
pub struct Watched {
    stream: TcpStream,
    life: Arc<Life>,
    most_idle: Duration,
    timer: Pin<Box<Sleep>>,
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // What has come goes first: it may be the next request.
        if let read @ Poll::Ready(_) = Pin::new(&mut self.stream).poll_read(cx, buffer) {
            return read;
        }
        self.life.reader.register(cx.waker());
        let Some(since) = self.life.idle_since() else { return Poll::Pending };
        let until = since + self.most_idle;
        if self.timer.deadline() != until {
            self.timer.as_mut().reset(until);
        }
        // Nothing was put into the buffer: the end of the input.
        self.timer.as_mut().poll(cx).map(Ok)
    }
}

impl Watched {
    /// Notes what went out.
    fn wrote(&self, written: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(bytes)) = written
            && *bytes > SMALL_TALK
        {
            self.life.change(|requests| requests.last = requests.last.map(|_| Instant::now()));
        }
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.wrote(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
