//! Traces: spans of this program, sent to a collector by OTLP over HTTP, and their context in and out by the W3C's
//! `traceparent`.
//!
//! Off, a span costs a look at a flag. On, spans hold what the log's line holds and no more: no document, no variable,
//! no address, nothing personal. The exporter has a thread of its own and an HTTP client that blocks there: the other
//! kinds need a reactor that the batch's thread has not.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::HeaderMap;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_http::HeaderInjector;
use opentelemetry_otlp::{ExporterBuildError, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider, SpanData, SpanExporter};
use opentelemetry_sdk::{Resource, trace};
use secrecy::{ExposeSecret, SecretString};
use tracing::{Span, info, warn};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use url::Url;

use super::names;

/// Where spans go; see `[traces]` in `config/default.toml`.
#[derive(Clone, Debug)]
pub struct Settings {
    pub endpoint: Url,
    pub authorization: Option<SecretString>,
    /// Of traces that begin here, which part is kept: 0 to 1.
    pub sample_ratio: f64,
}

/// Traces that cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    #[error("the exporter's HTTP client cannot be made: {0}")]
    Client(#[source] reqwest::Error),
    #[error("the exporter cannot be made: {0}")]
    Exporter(#[from] ExporterBuildError),
    #[error("the exporter's thread cannot be started")]
    ThreadFailed,
    #[error("the header's value cannot be sent")]
    Authorization,
}

/// How long one batch may take to be sent.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// The way to the collector.
#[derive(Clone, Debug)]
pub struct TraceExporter {
    provider: SdkTracerProvider,
}

impl TraceExporter {
    /// Starts the thread that sends. It is to be called outside of the runtime.
    ///
    /// # Errors
    /// Where the exporter cannot be made.
    pub fn start(settings: &Settings) -> Result<Self, TracesError> {
        let client = client(settings)?;
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
            .with_endpoint(settings.endpoint.as_str())
            .with_timeout(EXPORT_TIMEOUT)
            .build()?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(CountingExporter { exporter, failing: AtomicBool::new(false) })
            // A parent is there only where its context is taken over, which is a setting.
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(settings.sample_ratio))))
            .with_span_limits(trace::SpanLimits {
                max_events_per_span: 32,
                max_attributes_per_span: 32,
                max_links_per_span: 4,
                max_attributes_per_event: 16,
                max_attributes_per_link: 4,
            })
            .with_resource(
                Resource::builder()
                    .with_service_name("customers-gateway")
                    .with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
                    .build(),
            )
            .build();
        Ok(Self { provider })
    }

    /// What makes the spans.
    pub fn tracer(&self) -> SdkTracer {
        self.provider.tracer("customers-gateway")
    }

    /// Sends what is left and ends. It blocks, for about `most` at most.
    pub fn shutdown(&self, most: Duration) {
        if let Err(problem) = self.provider.shutdown_with_timeout(most) {
            warn!(error = %problem, "not all spans could be sent");
        }
    }
}

/// The client is made on a thread of its own: it brings a runtime, which must not be made within another.
fn client(settings: &Settings) -> Result<reqwest::blocking::Client, TracesError> {
    let mut headers = HeaderMap::new();
    if let Some(authorization) = &settings.authorization {
        let value = http::HeaderValue::from_str(authorization.expose_secret());
        let mut value = value.map_err(|_| TracesError::Authorization)?;
        value.set_sensitive(true);
        headers.insert(http::header::AUTHORIZATION, value);
    }
    let build = move || {
        reqwest::blocking::Client::builder()
            .user_agent(concat!("customers-gateway/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            // A redirect would carry the credential elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(EXPORT_TIMEOUT)
            .build()
    };
    std::thread::spawn(build).join().map_err(|_| TracesError::ThreadFailed)?.map_err(TracesError::Client)
}

/// The exporter, with its outcomes counted: a collector that is away shows in the metrics, and twice in the log.
#[derive(Debug)]
struct CountingExporter {
    exporter: opentelemetry_otlp::SpanExporter,
    failing: AtomicBool,
}

impl SpanExporter for CountingExporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let outcome = self.exporter.export(batch).await;
        let failed = outcome.is_err();
        metrics::counter!(names::TRACE_EXPORTS, "outcome" => if failed { "failed" } else { "ok" }).increment(1);
        match (self.failing.swap(failed, Ordering::Relaxed), failed) {
            // The error's text holds the address, and what the collector answered.
            (false, true) => warn!("spans cannot be sent: look at traces.endpoint and its collector"),
            (true, false) => info!("spans are sent again"),
            _ => {}
        }
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// The one header of a request that is looked at. `tracestate` is not: it could hold anything, and would be sent on.
struct Traceparent<'a>(&'a HeaderMap);

const TRACEPARENT: &str = "traceparent";

impl Extractor for Traceparent<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        let value = Some(key).filter(|key| key.eq_ignore_ascii_case(TRACEPARENT)).and_then(|key| self.0.get(key))?;
        value.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}

/// Makes a span that has not begun part of the trace that a request's headers name.
pub fn continue_trace(span: &Span, headers: &HeaderMap) {
    if span.is_disabled() || !headers.contains_key(TRACEPARENT) {
        return;
    }
    // Where that cannot be done the trace begins here, which is as well.
    let _begins_here = span.set_parent(TraceContextPropagator::new().extract(&Traceparent(headers)));
}

/// Puts the context of the span that we are in into a request's headers, as `traceparent`; nothing where traces are off.
pub fn inject_context(headers: &mut HeaderMap) {
    let span = Span::current();
    if !span.is_disabled() {
        TraceContextPropagator::new().inject_context(&span.context(), &mut HeaderInjector(headers));
        headers.remove("tracestate");
    }
}

/// Gives a span that has begun another name.
pub fn rename(span: &Span, name: String) {
    span.context().span().update_name(name);
}

/// The id of a span's trace; none where traces are off.
pub fn trace_id(span: &Span) -> Option<Cow<'static, str>> {
    if span.is_disabled() {
        return None;
    }
    let context = span.context();
    let context = context.span().span_context().clone();
    context.is_valid().then(|| context.trace_id().to_string().into())
}
