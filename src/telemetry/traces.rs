//! Traces: exports spans to a collector by OTLP over HTTP, and propagates their context by the W3C header `traceparent`.
//!
//! When traces are off, a span costs the check of a flag. Spans have the fields of the request log only: no document, no
//! variable, no address, no personal data. The exporter runs on its own thread and uses a blocking HTTP client, because
//! asynchronous clients need a reactor, which that thread does not have.

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

/// The settings of `[traces]` in `config/default.toml`.
#[derive(Clone, Debug)]
pub struct Settings {
    pub endpoint: Url,
    pub authorization: Option<SecretString>,
    /// The share of the traces starting at the gateway that is sampled: 0 to 1.
    pub sample_ratio: f64,
}

/// An exporter that cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    #[error("the exporter's HTTP client cannot be built: {0}")]
    Client(#[source] reqwest::Error),
    #[error("the exporter cannot be built: {0}")]
    Exporter(#[from] ExporterBuildError),
    #[error("the exporter's thread cannot be started")]
    ThreadFailed,
    #[error("the value of `authorization` is not a valid header")]
    Authorization,
}

/// The timeout for exporting one batch.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// Sends spans to the collector. Clones share its thread.
#[derive(Clone, Debug)]
pub struct TraceExporter {
    provider: SdkTracerProvider,
}

impl TraceExporter {
    /// Starts the exporter's thread. Call it outside of the runtime.
    ///
    /// # Errors
    /// If the HTTP client or the exporter cannot be built.
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
            // A span has a remote parent only if a setting allows the gateway to trust the caller's context.
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

    /// The tracer that creates the spans.
    pub fn tracer(&self) -> SdkTracer {
        self.provider.tracer("customers-gateway")
    }

    /// Exports the remaining spans and stops. It blocks for about `most` at most.
    pub fn shutdown(&self, most: Duration) {
        if let Err(problem) = self.provider.shutdown_with_timeout(most) {
            warn!(error = %problem, "some spans could not be exported");
        }
    }
}

/// Builds the client on a thread of its own: it contains a runtime, which cannot be built inside another one.
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
            // A redirect would send the credential to another host.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(EXPORT_TIMEOUT)
            .build()
    };
    std::thread::spawn(build).join().map_err(|_| TracesError::ThreadFailed)?.map_err(TracesError::Client)
}

/// Counts the outcomes of the exporter, and logs when exports start to fail and when they recover.
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
            // The error itself is not logged: it contains the address and the collector's response.
            (false, true) => warn!("spans cannot be exported: check traces.endpoint and its collector"),
            (true, false) => info!("span export recovered"),
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

/// Extracts `traceparent` only. `tracestate` is ignored: it can contain anything, and the gateway would pass it on.
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

/// Makes a new span part of the trace that a request's headers name. The span must not have been entered.
pub fn continue_trace(span: &Span, headers: &HeaderMap) {
    if span.is_disabled() || !headers.contains_key(TRACEPARENT) {
        return;
    }
    // If that fails, the trace starts here.
    let _begins_here = span.set_parent(TraceContextPropagator::new().extract(&Traceparent(headers)));
}

/// Adds the current span's context to request headers as `traceparent`. It adds nothing if traces are off.
pub fn inject_context(headers: &mut HeaderMap) {
    let span = Span::current();
    if !span.is_disabled() {
        TraceContextPropagator::new().inject_context(&span.context(), &mut HeaderInjector(headers));
        headers.remove("tracestate");
    }
}

/// Renames a span that was entered.
pub fn rename(span: &Span, name: String) {
    span.context().span().update_name(name);
}

/// The id of a span's trace in hexadecimal; `None` if traces are off.
pub fn trace_id(span: &Span) -> Option<Cow<'static, str>> {
    if span.is_disabled() {
        return None;
    }
    let context = span.context();
    let context = context.span().span_context().clone();
    context.is_valid().then(|| context.trace_id().to_string().into())
}
