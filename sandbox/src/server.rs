//! The accept loop of the sandbox. axum's own loop cannot reset a connection, which a fault needs, and waits for
//! hanging responses at shutdown. This loop gives open connections one second.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

const MAX_CONNECTIONS: usize = 2048;
const SHUTDOWN_GRACE: Duration = Duration::from_secs(1);
/// An accept mostly fails for lack of file descriptors. An immediate retry would busy-loop.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(50);

/// The connection of a request.
#[derive(Clone, Default)]
pub(crate) struct Connection {
    ended: CancellationToken,
    reset: Arc<AtomicBool>,
}

impl Connection {
    /// Closes the connection with a TCP reset.
    pub(crate) fn reset(&self) {
        self.reset.store(true, Ordering::Relaxed);
        self.ended.cancel();
    }
}

/// Accepts connections and serves them until `shutdown`, then waits at most one second for open connections.
pub(crate) async fn run(listener: TcpListener, router: Router, shutdown: CancellationToken) -> io::Result<()> {
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    while let Some(permit) = shutdown.run_until_cancelled(Arc::clone(&permits).acquire_owned()).await {
        let permit = permit.map_err(io::Error::other)?;
        match shutdown.run_until_cancelled(listener.accept()).await {
            None => break,
            Some(Ok((stream, _))) => {
                let served = serve_connection(stream, router.clone(), shutdown.clone());
                connections.spawn(async move {
                    served.await;
                    drop(permit);
                });
            }
            Some(Err(error)) => {
                tracing::warn!(%error, "sandbox could not accept a connection");
                sleep(ACCEPT_RETRY_DELAY).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    let all_done = async { while connections.join_next().await.is_some() {} };
    let _result = timeout(SHUTDOWN_GRACE, all_done).await;
    connections.shutdown().await;
    Ok(())
}

async fn serve_connection(stream: TcpStream, router: Router, shutdown: CancellationToken) {
    // Responses are small and written at once, so Nagle's algorithm would only add a delay. A failure is harmless.
    let _result = stream.set_nodelay(true);
    let connection = Connection::default();
    let ended = connection.ended.clone();
    let stream = ResettableStream { stream, reset: Arc::clone(&connection.reset) };
    let service = tower::service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(connection.clone());
        router.clone().oneshot(request)
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    builder.http2().timer(TokioTimer::new());
    let mut served = pin!(builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)));
    tokio::select! {
        // An error of a client's connection concerns only that client.
        _ = &mut served => return,
        () = ended.cancelled() => return,
        () = shutdown.cancelled() => served.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        _ = served => {}
        () = ended.cancelled() => {}
    }
}

/// A TCP stream that closes with a reset when `reset` is set.
struct ResettableStream {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Drop for ResettableStream {
    fn drop(&mut self) {
        if self.reset.load(Ordering::Relaxed) {
            // If this fails, the connection closes normally.
            let _result = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for ResettableStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for ResettableStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }
}
