//! One request on the wire: sent, and its answer read up to a bound.
//!
//! The client follows no redirects and repeats nothing: what is sent again is decided in `crate::upstream::call::retry` alone.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{self, HeaderValue};
use http::{HeaderMap, Method};
use tower::Service;
use url::Url;

use crate::outbound::{self, ConnectFailure, Proxy};
use crate::upstream::call::deadline::Deadline;
use crate::upstream::call::decoding::{self, BodyDecoder};
use crate::upstream::call::recheck::Recheck;
use crate::upstream::error::{Error, ErrorKind};
use crate::upstream::wire::envelope;

/// A call as it goes through the stack; each attempt sends the same bytes.
#[derive(Clone)]
pub struct Request {
    /// The endpoint's template, for logs and metrics; the path itself is in neither.
    pub route: &'static str,
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Option<Bytes>,
    pub parse: ParseBody,
    /// Who asks, as a digest: calls that wait are served by turns.
    pub client_key: u128,
    pub deadline: Deadline,
    /// Where it is sent again: the outcome that was not good enough.
    pub retry_reason: Option<&'static str>,
    /// Whether it has been through the stack before, sent or kept back.
    pub is_retry: bool,
    /// Of a write: looks whether it may be sent again.
    pub recheck: Option<Recheck>,
    /// Counts calls that went out.
    pub calls: Arc<AtomicU64>,
}

impl Request {
    /// Whether it changes something. Each of these carries an idempotency key.
    pub fn is_write(&self) -> bool {
        self.method != Method::GET
    }
}

/// Parses the body of a success into the type that the call expects.
pub type ParseBody = Arc<dyn Fn(&[u8]) -> serde_json::Result<Content> + Send + Sync>;

/// The parsed body of a success. The stack does not know its type.
pub type Content = Box<dyn Any + Send>;

/// A success. It has no `Debug`: the body holds personal data.
pub struct UpstreamResponse {
    /// An error if the body is an envelope of the API with another content than the documented one. Such a response is no
    /// sign of an upstream that fails, so it is no error for the stack.
    pub content: Result<Content, Error>,
    /// Bytes of the body, decompressed.
    pub bytes: usize,
}

/// Sends requests.
#[derive(Clone, Debug)]
pub struct Transport {
    http: reqwest::Client,
    max_response_bytes: usize,
}

impl Transport {
    /// A client with connections of its own.
    ///
    /// # Errors
    /// Where TLS or DNS cannot be set up on this machine.
    pub fn new(
        base_url: &Url,
        proxy: Option<&Proxy>,
        connect_timeout: Duration,
        max_response_bytes: usize,
    ) -> Result<Self, reqwest::Error> {
        let http = outbound::client(base_url, proxy)?
            // Codings are the business of `crate::upstream::coding`: the client knows them in small letters alone.
            .no_gzip()
            .no_brotli()
            .connect_timeout(connect_timeout)
            // Below the minute after which load balancers close idle connections.
            .pool_idle_timeout(Duration::from_secs(45))
            // Over HTTP/2 all calls share a connection, and a time-out gives up its call alone: one that has died without a
            // word (a balancer that forgot it, a cable) would be used on and on. So while calls are on it and nothing has
            // come for a second, it is asked for a sign of life; without one in two more it is closed, and what was on it
            // is sent again over a new one. Both are within an attempt's 4 s, and any HTTP/2 stack answers at once, however
            // long its application takes.
            .http2_keep_alive_interval(Duration::from_secs(1))
            .http2_keep_alive_timeout(Duration::from_secs(2))
            // Nobody is hurt by a dead one that is idle, and some servers take pings without calls for abuse.
            .http2_keep_alive_while_idle(false)
            .build()?;
        Ok(Self { http, max_response_bytes })
    }

    async fn send(self, request: Request) -> Result<UpstreamResponse, Error> {
        let mut out = reqwest::Request::new(request.method, request.url);
        *out.headers_mut() = request.headers;
        out.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static(decoding::ACCEPT_ENCODING));
        *out.body_mut() = request.body.map(reqwest::Body::from);
        // A call is one however often it is sent.
        if request.retry_reason.is_none() {
            request.calls.fetch_add(1, Ordering::Relaxed);
        }
        let response = self.http.execute(out).await.map_err(|error| error_kind(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = envelope::normalize_json(self.read_body(response).await?);
        // Parsed here, inside the breaker and the retries: a web page with status 200 must neither close the breaker nor pay
        // for retries, and it does not tell the outcome of a write.
        let content = envelope::decode(status, &headers, &body, |body| (request.parse)(body))?;
        Ok(UpstreamResponse { content, bytes: body.len() })
    }

    /// The body, up to the bound; counted after decompression, so that a small bomb is none.
    async fn read_body(&self, mut response: reqwest::Response) -> Result<Bytes, Error> {
        let mut decoder = BodyDecoder::new(response.headers(), self.max_response_bytes)?;
        let mut is_empty = true;
        while let Some(chunk) = response.chunk().await.map_err(|error| error_kind(&error))? {
            is_empty &= chunk.is_empty();
            decoder.push(&chunk)?;
        }
        // No body at all is in no coding, whatever the headers say.
        if is_empty { Ok(Bytes::new()) } else { Ok(decoder.finish()?) }
    }
}

impl Service<Request> for Transport {
    type Response = UpstreamResponse;
    type Error = Error;
    type Future = BoxFuture<'static, Result<UpstreamResponse, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        Box::pin(self.clone().send(request))
    }
}

/// What a transport error means. Its text is dropped: it holds the URL.
fn error_kind(error: &reqwest::Error) -> ErrorKind {
    if error.is_timeout() && !error.is_connect() {
        ErrorKind::TimedOut
    } else if error.is_connect() {
        ErrorKind::Unreachable(ConnectFailure::from_reqwest(error))
    } else {
        ErrorKind::ConnectionLost
    }
}
