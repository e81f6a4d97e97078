//! One HTTP round trip: sends a request, and reads its response up to a limit.
//!
//! The HTTP client follows no redirects and retries nothing. Only `crate::upstream::call::retry` decides on retries.

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

/// A call in the stack. Each attempt sends the same bytes.
#[derive(Clone)]
pub struct Request {
    /// The template of the endpoint, for logs and metrics. They never contain the path.
    pub route: &'static str,
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Option<Bytes>,
    pub parse: ParseBody,
    /// A digest of the caller. Waiting calls are served round robin over the callers.
    pub client_key: u128,
    pub deadline: Deadline,
    /// Of a retry: the outcome of the attempt before.
    pub retry_reason: Option<&'static str>,
    /// Whether the stack has tried the call before, sent or not.
    pub is_retry: bool,
    /// Of a write: checks whether it may be sent again.
    pub recheck: Option<Recheck>,
    /// Counts calls. A retry is no call of its own.
    pub calls: Arc<AtomicU64>,
}

impl Request {
    /// Whether the request is a write. Each write has an idempotency key.
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
    /// An error if the body is an envelope of the API with another content than the documented one. Such a response is
    /// no sign of an upstream that fails, so it is no error for the stack.
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
    /// A transport with its own connection pool.
    ///
    /// # Errors
    /// If TLS or DNS cannot be set up on this machine.
    pub fn new(
        base_url: &Url,
        proxy: Option<&Proxy>,
        connect_timeout: Duration,
        max_response_bytes: usize,
    ) -> Result<Self, reqwest::Error> {
        let http = outbound::client(base_url, proxy)?
            // `crate::upstream::call::decoding` decodes bodies: the client knows codings only in lower case.
            .no_gzip()
            .no_brotli()
            .connect_timeout(connect_timeout)
            // Below the minute after which load balancers close idle connections.
            .pool_idle_timeout(Duration::from_secs(45))
            // Over HTTP/2 all calls share a connection, and a timeout cancels only its call. So a dead connection
            // (dropped by a load balancer, a cut cable) would stay in use. Therefore the client sends a ping when calls
            // are in flight and nothing was received for a second. Without a response within two more seconds it closes
            // the connection, and the calls are retried over a new one. Both times are within an attempt's 4 s. HTTP/2
            // servers respond to pings at once, however long the application takes.
            .http2_keep_alive_interval(Duration::from_secs(1))
            .http2_keep_alive_timeout(Duration::from_secs(2))
            // An idle dead connection delays no call, and some servers treat pings without calls as abuse.
            .http2_keep_alive_while_idle(false)
            .build()?;
        Ok(Self { http, max_response_bytes })
    }

    async fn send(self, request: Request) -> Result<UpstreamResponse, Error> {
        let mut out = reqwest::Request::new(request.method, request.url);
        *out.headers_mut() = request.headers;
        out.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static(decoding::ACCEPT_ENCODING));
        *out.body_mut() = request.body.map(reqwest::Body::from);
        // A call with retries counts once.
        if request.retry_reason.is_none() {
            request.calls.fetch_add(1, Ordering::Relaxed);
        }
        let response = self.http.execute(out).await.map_err(|error| error_kind(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = envelope::normalize_json(self.read_body(response).await?);
        // Parsed here, inside the breaker and the retries: a web page with status 200 must neither close the breaker
        // nor pay for retries, and it does not tell the outcome of a write.
        let content = envelope::decode(status, &headers, &body, |body| (request.parse)(body))?;
        Ok(UpstreamResponse { content, bytes: body.len() })
    }

    /// The body, up to the limit. Decompressed bytes count, so a small compressed body cannot exhaust the memory.
    async fn read_body(&self, mut response: reqwest::Response) -> Result<Bytes, Error> {
        let mut decoder = BodyDecoder::new(response.headers(), self.max_response_bytes)?;
        let mut is_empty = true;
        while let Some(chunk) = response.chunk().await.map_err(|error| error_kind(&error))? {
            is_empty &= chunk.is_empty();
            decoder.push(&chunk)?;
        }
        // An empty body has no coding, whatever the headers say.
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

/// The kind of a transport error. Its text contains the URL, so it is dropped.
fn error_kind(error: &reqwest::Error) -> ErrorKind {
    if error.is_timeout() && !error.is_connect() {
        ErrorKind::TimedOut
    } else if error.is_connect() {
        ErrorKind::Unreachable(ConnectFailure::from_reqwest(error))
    } else {
        ErrorKind::ConnectionLost
    }
}
