//! The body of a response over HTTP/2, with a write timeout.
//!
//! The flow control window of a stream can stay full while its connection makes progress, so that the timeout of the socket
//! never fires. Therefore this body yields its bytes in parts. The server polls for the next part when the window has room
//! for the part before. The last part is one byte, so that the server polls for the end when the window has room for all
//! other bytes. If the server does not poll within the timeout, the response is abandoned and its memory is freed. The
//! connection and its other streams continue.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::telemetry::names;

/// The maximum size of a part. A stream holds at most two parts after its response was abandoned.
const MAX_PART_BYTES: usize = 16 * 1024;

/// Counts a response that was abandoned because its client did not read it.
pub fn count_write_timeout() {
    metrics::counter!(names::WRITE_TIMEOUTS).increment(1);
}

/// A body with a timeout. `T` is dropped when the server has read the whole body, or when the body is abandoned.
#[derive(Debug)]
pub struct TimeoutBody<T> {
    state: Arc<Mutex<BodyState<T>>>,
    timer: JoinHandle<()>,
}

#[derive(Debug)]
struct BodyState<T> {
    /// `None` after the timeout.
    body: Option<Body>,
    /// Bytes that were read from `body` and not yet yielded.
    unsent: Bytes,
    /// When the last part was yielded. `None` while the next part is produced.
    waiting_since: Option<Instant>,
    /// Whether a part was yielded.
    is_started: bool,
    guard: Option<T>,
}

impl<T: Send + 'static> TimeoutBody<T> {
    /// Holds `held` until the server has read the body, or until it has not polled for `timeout`.
    pub fn new(body: Body, timeout: Duration, held: T) -> Self {
        let waiting_since = Some(Instant::now());
        let answer =
            BodyState { body: Some(body), unsent: Bytes::new(), waiting_since, is_started: false, guard: Some(held) };
        let answer = Arc::new(Mutex::new(answer));
        let watch = tokio::spawn(abort_after(timeout, Arc::clone(&answer)));
        Self { state: answer, timer: watch }
    }
}

impl<T> TimeoutBody<T> {
    fn lock(&self) -> MutexGuard<'_, BodyState<T>> {
        lock(&self.state)
    }
}

impl<T> Drop for TimeoutBody<T> {
    fn drop(&mut self) {
        self.timer.abort();
    }
}

fn lock<T>(answer: &Mutex<BodyState<T>>) -> MutexGuard<'_, BodyState<T>> {
    answer.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn abort_after<T>(timeout: Duration, answer: Arc<Mutex<BodyState<T>>>) {
    loop {
        let since = lock(&answer).waiting_since.unwrap_or_else(Instant::now);
        sleep_until(since + timeout).await;
        let mut answer = lock(&answer);
        if answer.waiting_since.is_some_and(|since| since.elapsed() >= timeout) {
            (answer.body, answer.unsent, answer.guard) = (None, Bytes::new(), None);
            drop(answer);
            count_write_timeout();
            return;
        }
    }
}

impl<T> BodyState<T> {
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::TimedOut).into())));
        };
        if self.unsent.is_empty() {
            self.waiting_since = None;
            match ready!(HttpBody::poll_frame(Pin::new(body), cx)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.unsent = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
            }
        }
        let whole = self.unsent.len();
        let is_last = HttpBody::is_end_stream(body);
        let part = if is_last && whole > 1 { whole - 1 } else { whole }.min(MAX_PART_BYTES);
        (self.waiting_since, self.is_started) = (Some(Instant::now()), true);
        Poll::Ready(Some(Ok(Frame::data(self.unsent.split_to(part)))))
    }
}

type BoxError = Box<dyn Error + Send + Sync>;

impl<T> HttpBody for TimeoutBody<T> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.lock().poll_part(cx)
    }

    /// True only for a body without bytes. For other bodies the server must poll for the end, which shows what it has read.
    fn is_end_stream(&self) -> bool {
        let answer = self.lock();
        !answer.is_started && answer.body.as_ref().is_some_and(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let answer = self.lock();
        let mut hint = answer.body.as_ref().map(HttpBody::size_hint).unwrap_or_default();
        let rest = answer.unsent.len() as u64;
        match hint.exact() {
            Some(more) => hint.set_exact(more + rest),
            None => hint.set_lower(hint.lower() + rest),
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use rstest::rstest;
    use tokio::sync::oneshot;
    use tokio::time::advance;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(30);

    /// A body, and a channel that closes when the guard of the body is dropped.
    fn timed(body: impl Into<Body>) -> (TimeoutBody<oneshot::Sender<()>>, oneshot::Receiver<()>) {
        let (held, released) = oneshot::channel();
        (TimeoutBody::new(body.into(), TIMEOUT, held), released)
    }

    #[rstest]
    #[case(0, &[])]
    #[case(1, &[1])]
    #[case(2, &[1, 1])]
    #[case(MAX_PART_BYTES, &[MAX_PART_BYTES - 1, 1])]
    #[case(MAX_PART_BYTES + 1, &[MAX_PART_BYTES, 1])]
    #[case(2 * MAX_PART_BYTES + 2, &[MAX_PART_BYTES, MAX_PART_BYTES, 1, 1])]
    #[tokio::test]
    async fn a_body_is_yielded_in_parts_and_the_last_part_is_one_byte(#[case] length: usize, #[case] parts: &[usize]) {
        let bytes: Vec<u8> = (0..=255).cycle().take(length).collect();
        let (mut body, _released) = timed(bytes.clone());
        let (mut lengths, mut told) = (Vec::new(), Vec::new());
        assert_eq!(HttpBody::is_end_stream(&body), length == 0);
        assert_eq!(HttpBody::size_hint(&body).exact(), Some(length as u64));
        while let Some(part) = body.frame().await {
            let part = part.expect("a part").into_data().expect("bytes");
            lengths.push(part.len());
            told.extend_from_slice(&part);
        }
        assert_eq!((lengths.as_slice(), told), (parts, bytes));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_is_not_polled_is_abandoned() {
        let (mut body, released) = timed(vec![7; 3 * MAX_PART_BYTES]);
        for _ in 0..2 {
            advance(TIMEOUT - Duration::from_millis(1)).await;
            assert!(body.frame().await.expect("a frame").is_ok(), "each part has its own timeout");
        }
        // Paused time advances when all tasks are idle.
        let _dropped = released.await;
        assert!(body.frame().await.expect("a frame").is_err(), "a truncated response does not look complete");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_is_still_produced_is_not_abandoned() {
        let (maker, made) = oneshot::channel::<Bytes>();
        let stream = futures_util::stream::once(made);
        let (mut body, _released) = timed(Body::from_stream(stream));
        let asking = tokio::spawn(async move { body.frame().await.expect("a frame").expect("a part").into_data() });
        tokio::time::sleep(10 * TIMEOUT).await;
        maker.send(Bytes::from_static(b"late")).expect("the body waits");
        assert_eq!(asking.await.expect("a part").expect("bytes"), "late");
    }
}
