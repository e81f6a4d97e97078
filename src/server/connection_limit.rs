//! The connection limit, the idle timeout of connections, and the write timeout of sockets.
//!
//! A connection above the limit is closed at once, because a connection in a queue needs a file handle as well. A connection
//! is idle while no request is open and all responses are written. After the keep-alive time, its stream reports the end of
//! the input, which closes the connection without truncating anything. If the next request of HTTP/1.1 has begun to arrive,
//! its head has the header timeout instead. The header timeout of hyper cannot tell these two cases apart. The keep-alive of
//! HTTP/2 only checks that the client still responds.
//!
//! A socket that accepts no bytes for the write timeout is reset.

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

use super::timeout_body::{TimeoutBody, count_write_timeout};
use crate::telemetry::metrics::GaugeGuard;
use crate::telemetry::names;

/// Writes up to this size do not count as activity: they can be responses to pings or settings, several in one write.
const CONTROL_FRAMES_MAX_BYTES: usize = 256;

/// The minimum time between two log lines about too many connections. The metric counts each connection.
const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// The timeouts of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Until the next request begins.
    pub keep_alive: Duration,
    /// From the first byte of a request to the end of its head.
    pub header: Duration,
    /// Until the client reads more of a response.
    pub write: Duration,
}

/// The time of the last log line. A flood of connections must not flood the log.
#[derive(Debug, Default)]
struct LogThrottle(Mutex<Option<Instant>>);

impl LogThrottle {
    /// Whether to log again.
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

/// Counts and logs connections that the system cannot accept because it has no free file handles.
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

/// Accepts connections up to a limit.
#[derive(Clone, Debug)]
pub struct ConnectionLimit {
    permits: Arc<Semaphore>,
    timeouts: Timeouts,
    open_gauge: Gauge,
    /// For the log lines about too many connections.
    log_throttle: Arc<LogThrottle>,
}

impl ConnectionLimit {
    /// An acceptor for at most `most` connections of a listener. `listener` is the label of the metrics.
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
                tracing::warn!("connections are closed: server.max_connections is reached");
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
        // Responses are written whole. Waiting for a full segment would only add 40 ms.
        let nodelay = watched.stream.set_nodelay(true);
        let write_timeout = self.timeouts.write;
        future::ready(
            nodelay.map(|()| (watched, TrackedService { service, activity: life, write_timeout, _permit: place })),
        )
    }
}

/// The state that the service and the stream of a connection share.
#[derive(Debug, Default)]
struct Activity {
    requests: Mutex<RequestActivity>,
    /// The reader of the stream, which waits for the next request.
    reader: AtomicWaker,
}

/// The requests on a connection.
#[derive(Clone, Copy, Debug, Default)]
struct RequestActivity {
    open: usize,
    /// When the last request ended, or the last part of its response was written. `None` before the first request, which
    /// has its own timeout.
    last_ended: Option<Instant>,
    /// When the first byte of the next request arrived. HTTP/1 only: over HTTP/2 the byte can belong to any frame.
    next_started: Option<Instant>,
    is_http_2: bool,
}

impl Activity {
    fn update(&self, change: impl FnOnce(&mut RequestActivity)) {
        change(&mut self.requests.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Records that bytes arrived.
    fn record_input(&self) {
        self.update(|requests| {
            if requests.open == 0 && requests.last_ended.is_some() && !requests.is_http_2 {
                requests.next_started.get_or_insert_with(Instant::now);
            }
        });
    }

    /// The deadline of the next request. `None` while a request is open, and before the first one.
    fn next_deadline(&self, timeouts: Timeouts) -> Option<Instant> {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let last = requests.last_ended.filter(|_| requests.open == 0)?;
        Some(requests.next_started.map_or(last + timeouts.keep_alive, |began| began + timeouts.header))
    }
}

/// An open request, until it is dropped.
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

/// The service of a connection. It holds the permit of the connection.
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
            // The request is open until the whole response is written.
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

/// The stream of a connection. Its input ends after the idle timeout. Its writes fail after the write timeout.
#[derive(Debug)]
pub struct IdleTimeoutStream {
    stream: TcpStream,
    activity: Arc<Activity>,
    timeouts: Timeouts,
    timer: Pin<Box<Sleep>>,
    /// Runs while the socket accepts no bytes.
    write_timer: Option<Pin<Box<Sleep>>>,
}

impl AsyncRead for IdleTimeoutStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // Bytes that have arrived have precedence: they can be the next request.
        if let read @ Poll::Ready(_) = Pin::new(&mut self.stream).poll_read(cx, buffer) {
            self.activity.record_input();
            return read;
        }
        self.activity.reader.register(cx.waker());
        // A response that is still being written has its own timeout.
        if self.write_timer.is_some() {
            return Poll::Pending;
        }
        let Some(until) = self.activity.next_deadline(self.timeouts) else { return Poll::Pending };
        if self.timer.deadline() != until {
            self.timer.as_mut().reset(until);
        }
        // An empty buffer is the end of the input.
        self.timer.as_mut().poll(cx).map(Ok)
    }
}

impl IdleTimeoutStream {
    /// Records a write. Resets the connection if the socket accepts no bytes for the write timeout.
    fn record_write(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_pending() {
            let timer = self.write_timer.get_or_insert_with(|| Box::pin(sleep(self.timeouts.write)));
            ready!(timer.as_mut().poll(cx));
            count_write_timeout();
            // The system drops its buffered bytes as well.
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
