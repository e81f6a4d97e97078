//! Heads that the server refuses by itself: they are counted and logged.
//!
//! A head of HTTP/1.1 that does not fit into the server's buffer never becomes a request, so that nothing above sees it.
//! The server answers 431 without a body, and this is where that goes by. An answer of the gateway's own has a request id.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum_server::accept::Accept;
use futures_util::TryFutureExt;
use futures_util::future::MapOk;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::telemetry::names;

/// An acceptor whose connections' refused heads are counted. It is outside of TLS, to see what is in it.
#[derive(Clone, Debug)]
pub struct CountRejectedHeads<A>(pub A);

/// A stream, and the service that belongs to it.
type Accepted<I, S> = (I, S);

impl<I, S, A: Accept<I, S>> Accept<I, S> for CountRejectedHeads<A> {
    type Stream = InspectedStream<A::Stream>;
    type Service = A::Service;
    type Future =
        MapOk<A::Future, fn(Accepted<A::Stream, A::Service>) -> Accepted<InspectedStream<A::Stream>, A::Service>>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        self.0.accept(stream, service).map_ok(|(stream, service)| (InspectedStream(stream), service))
    }
}

/// A stream whose answers are looked at.
#[derive(Debug)]
pub struct InspectedStream<S>(S);

fn inspect(written: &[u8]) {
    if is_rejected_head(written) {
        metrics::counter!(names::LIMITS_REACHED, "limit" => "max_header_bytes").increment(1);
        tracing::info!(status = 431, "a request was refused unread: its head is over twice `server.max_header_bytes`");
    }
}

fn is_rejected_head(written: &[u8]) -> bool {
    written.starts_with(b"HTTP/1.1 431 ") && !written.windows(REQUEST_ID.len()).any(|part| part == REQUEST_ID)
}

const REQUEST_ID: &[u8] = b"request-id: ";

impl<S: AsyncRead + Unpin> AsyncRead for InspectedStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for InspectedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.0).poll_write(cx, bytes);
        if written.is_ready() {
            inspect(bytes);
        }
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.0).poll_write_vectored(cx, slices);
        if let (true, Some(first)) = (written.is_ready(), slices.first()) {
            inspect(first);
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
