//! How many connections are held at once, how long an idle one is kept, and how long a client may leave its answer unread.
//!
//! One connection more than the bound is closed at once, since what waits in line holds a file handle too. A connection
//! that has no request open, and whose answers went out, is idle: after the keep-alive time it comes to its end of input
//! here, which ends it without cutting anything off. Where the next request of HTTP/1.1 has begun to arrive, its head has
//! the time for headers instead. The server's own time for headers cannot tell the two apart, and the keep-alive of HTTP/2
//! only finds out that the other side still answers.
//!
//! A socket that takes nothing of what is written for the write time-out is reset.

use std::future::{self, Ready};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
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
use tokio::time::{Instant, Sleep, sleep};
use tower::Service;

use super::timeout_body::TimeoutBody;
use crate::telemetry::metrics::GaugeGuard;
use crate::telemetry::names;

/// Writes up to this size say nothing of a request: they answer a ping or settings, of which some may go together.
const CONTROL_FRAMES_MAX_BYTES: usize = 256;

/// How often the log says that there are too many connections, at most; the metric counts each.
const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// How long a connection may take for what.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// To begin with the next request.
    pub keep_alive: Duration,
    /// To send the head of a request that has begun.
    pub header: Duration,
    /// To take some more of an answer.
    pub write: Duration,
}

/// Counts an answer that was given up since its client did not read it.
pub fn count_write_timeout() {
    metrics::counter!(names::WRITE_TIMEOUTS).increment(1);
}

/// When the log was last told something. Whoever floods us with connections does not flood the log.
#[derive(Debug, Default)]
struct LogThrottle(Mutex<Option<Instant>>);

impl LogThrottle {
    /// Whether it is to be told again.
    fn is_due(&self) -> bool {
        let now = Instant::now();
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = said.is_none_or(|said| now.duration_since(said) >= LOG_INTERVAL);
        if is_due {
            *said = Some(now);
        }
        is_due
    }
}

/// Counts connections that the system does not give out for want of files, and tells the log.
pub fn accept_failed() -> impl Fn(Option<&SocketAddr>, &io::Error) + Send + Sync + 'static {
    let said = LogThrottle::default();
    move |_, error| {
        if matches!(error.raw_os_error(), Some(EMFILE | ENFILE)) {
            metrics::counter!(names::LIMITS_REACHED, "limit" => "open_files").increment(1);
            if said.is_due() {
                tracing::warn!(%error, "connections cannot be accepted: raise the limit on open files");
            }
        }
    }
}

/// `EMFILE` and `ENFILE`, the same on every Unix.
const EMFILE: i32 = 24;
const ENFILE: i32 = 23;

/// Accepts connections up to a bound.
#[derive(Clone, Debug)]
pub struct ConnectionLimit {
    permits: Arc<Semaphore>,
    timeouts: Timeouts,
    open_gauge: Gauge,
    /// When the log was last told that there were too many.
    log_throttle: Arc<LogThrottle>,
}

impl ConnectionLimit {
    /// An acceptor for at most `most` connections of a listener, which the metrics call by its name.
    pub fn new(most: usize, timeouts: Timeouts, listener: &'static str) -> Self {
        let held = metrics::gauge!(names::CONNECTIONS, "listener" => listener);
        Self { permits: Arc::new(Semaphore::new(most)), timeouts, open_gauge: held, log_throttle: Arc::default() }
    }
}

impl<S> Accept<TcpStream, S> for ConnectionLimit {
    type Stream = IdleTimeoutStream;
    type Service = TrackedService<S>;
    type Future = Ready<io::Result<(IdleTimeoutStream, TrackedService<S>)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let Ok(place) = Arc::clone(&self.permits).try_acquire_owned() else {
            metrics::counter!(names::LIMITS_REACHED, "limit" => "max_connections").increment(1);
            if self.log_throttle.is_due() {
                tracing::warn!("connections are closed: the bound `server.max_connections` is reached");
            }
            return future::ready(Err(io::Error::other("too many connections")));
        };
        let place = Arc::new((place, GaugeGuard::new(self.open_gauge.clone())));
        let life = Arc::new(Activity::default());
        let watched = IdleTimeoutStream {
            stream,
            activity: Arc::clone(&life),
            timeouts: self.timeouts,
            timer: Box::pin(sleep(self.timeouts.keep_alive)),
            write_timer: None,
        };
        // Answers are written whole; waiting to fill a segment would only add 40 ms.
        let nodelay = watched.stream.set_nodelay(true);
        let write_timeout = self.timeouts.write;
        future::ready(
            nodelay.map(|()| (watched, TrackedService { service, activity: life, write_timeout, _permit: place })),
        )
    }
}

/// What a connection's two sides know of it: its service when it works, its stream when it rests.
#[derive(Debug, Default)]
struct Activity {
    requests: Mutex<RequestActivity>,
    /// The stream's reader, which waits for the next request.
    reader: AtomicWaker,
}

/// The requests on a connection.
#[derive(Clone, Copy, Debug, Default)]
struct RequestActivity {
    open: usize,
    /// When the last one ended, or a part of its answer went out; none before the first one, which has a time of its own.
    last_ended: Option<Instant>,
    /// When the first byte of the next one came. Of HTTP/1 alone: that of HTTP/2 can be anything.
    next_started: Option<Instant>,
    is_http_2: bool,
}

impl Activity {
    fn update(&self, change: impl FnOnce(&mut RequestActivity)) {
        change(&mut self.requests.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Notes that something came.
    fn record_input(&self) {
        self.update(|requests| {
            if requests.open == 0 && requests.last_ended.is_some() && !requests.is_http_2 {
                requests.next_started.get_or_insert_with(Instant::now);
            }
        });
    }

    /// Until when the next request has to come; none while one is open, and before the first one.
    fn next_deadline(&self, timeouts: Timeouts) -> Option<Instant> {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let last = requests.last_ended.filter(|_| requests.open == 0)?;
        Some(requests.next_started.map_or(last + timeouts.keep_alive, |began| began + timeouts.header))
    }
}

/// A request that is open, until it is dropped.
#[derive(Debug)]
struct OpenRequest(Arc<Activity>);

impl OpenRequest {
    fn new(life: &Arc<Activity>, version: Version) -> Self {
        life.update(|requests| {
            requests.open += 1;
            requests.next_started = None;
            requests.is_http_2 = version == Version::HTTP_2;
        });
        Self(Arc::clone(life))
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.update(|requests| {
            requests.open = requests.open.saturating_sub(1);
            requests.last_ended = Some(Instant::now());
        });
        self.0.reader.wake();
    }
}

/// A connection's service. It lives as long as the connection, and its place with it.
#[derive(Clone, Debug)]
pub struct TrackedService<S> {
    service: S,
    activity: Arc<Activity>,
    write_timeout: Duration,
    _permit: Arc<(OwnedSemaphorePermit, GaugeGuard)>,
}

impl<S, B> Service<Request<B>> for TrackedService<S>
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
        let version = request.version();
        let open = OpenRequest::new(&self.activity, version);
        let write_timeout = self.write_timeout;
        let answered = self.service.call(request);
        Box::pin(async move {
            let response = answered.await?;
            // The request is open until the whole of its answer was taken.
            Ok(response.map(|body| {
                if version == Version::HTTP_2 {
                    return Body::new(TimeoutBody::new(body, write_timeout, open));
                }
                Body::new(body.map_frame(move |frame| {
                    let _open = &open;
                    frame
                }))
            }))
        })
    }
}

/// A connection's stream, whose input ends where it has been idle for too long, and which breaks where what is written to it
/// is not taken.
#[derive(Debug)]
pub struct IdleTimeoutStream {
    stream: TcpStream,
    activity: Arc<Activity>,
    timeouts: Timeouts,
    timer: Pin<Box<Sleep>>,
    /// Runs while the socket takes nothing.
    write_timer: Option<Pin<Box<Sleep>>>,
}

impl AsyncRead for IdleTimeoutStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // What has come goes first: it may be the next request.
        if let read @ Poll::Ready(_) = Pin::new(&mut self.stream).poll_read(cx, buffer) {
            self.activity.record_input();
            return read;
        }
        self.activity.reader.register(cx.waker());
        // An answer that is still on its way is not cut off; it has a time of its own.
        if self.write_timer.is_some() {
            return Poll::Pending;
        }
        let Some(until) = self.activity.next_deadline(self.timeouts) else { return Poll::Pending };
        if self.timer.deadline() != until {
            self.timer.as_mut().reset(until);
        }
        // Nothing was put into the buffer: the end of the input.
        self.timer.as_mut().poll(cx).map(Ok)
    }
}

impl IdleTimeoutStream {
    /// Notes what went out, or breaks the connection where nothing did for too long.
    fn record_write(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_pending() {
            let timer = self.write_timer.get_or_insert_with(|| Box::pin(sleep(self.timeouts.write)));
            ready!(timer.as_mut().poll(cx));
            count_write_timeout();
            // What the system holds for this client is dropped as well.
            let _closed_already = self.stream.set_zero_linger();
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        if self.write_timer.take().is_some() {
            self.activity.reader.wake();
        }
        if let Poll::Ready(Ok(bytes)) = written
            && bytes > CONTROL_FRAMES_MAX_BYTES
        {
            self.activity.update(|requests| requests.last_ended = requests.last_ended.map(|_| Instant::now()));
        }
        written
    }
}

impl AsyncWrite for IdleTimeoutStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.record_write(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.record_write(cx, written)
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
