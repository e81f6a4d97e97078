//! Counts and logs request heads that hyper rejects.
//!
//! A head of HTTP/1.1 that does not fit into the buffer of hyper never becomes a request, so no layer sees it. hyper returns
//! 431 without a body, which this acceptor detects in the written bytes. Responses of the gateway have a request id.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum_server::accept::Accept;
use futures_util::TryFutureExt;
use futures_util::future::MapOk;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::telemetry::names;

/// An acceptor that counts rejected heads. It wraps the TLS acceptor, so that it sees the decrypted bytes.
#[derive(Clone, Debug)]
pub struct CountRejectedHeads<A>(pub A);

/// A stream and its service.
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

/// A stream whose written bytes are inspected.
#[derive(Debug)]
pub struct InspectedStream<S>(S);

fn inspect(written: &[u8]) {
    if is_rejected_head(written) {
        metrics::counter!(names::LIMITS_REACHED, "limit" => "max_header_bytes").increment(1);
        tracing::info!(
            status = 431,
            "a request was rejected before it was read: its head exceeds twice server.max_header_bytes"
        );
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
