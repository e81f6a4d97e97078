//! Traces: the spans that a collector gets, the context that the upstream gets, and the callers whose context is trusted.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use http::{HeaderMap, StatusCode};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Number;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::json;

use super::{Shown, lines};
use crate::process::Process;
use crate::support::stub::{Reply, Stub, id_in, person};

const ID: &str = "0190b2de-7c11-7c3a-8f10-2f6b2c3d4e5f";

/// The attributes of spans. The exporter's library adds others of its own.
const ATTRIBUTES: [&str; 15] = [
    "request_id",
    "status",
    "outcome",
    "codes",
    "operation_type",
    "operation_name",
    "document",
    "planned_calls",
    "upstream_calls",
    "cache_hits",
    "shared_calls",
    "store",
    "cache_status",
    "upstream_request_id",
    "target",
];

/// The bodies that the collector received, with their credentials.
#[derive(Clone, Default)]
pub struct Collected(Arc<Mutex<Vec<Sent>>>);

/// A body and its credential.
type Sent = (Bytes, Option<String>);

impl Collected {
    fn spans(&self) -> Vec<Span> {
        let requests = self.0.lock().unwrap().clone();
        let requests = requests.iter().map(|(body, _)| ExportTraceServiceRequest::decode(body.clone()).unwrap());
        let resources = requests.flat_map(|request| request.resource_spans);
        resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
    }

    /// All bodies as lossy text, to search for words.
    pub fn text(&self) -> String {
        let bytes: Vec<u8> = self.0.lock().unwrap().iter().flat_map(|(body, _)| body.to_vec()).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// A collector that responds to all spans with `status`.
pub async fn collector(status: StatusCode) -> (String, Collected) {
    async fn take(
        State((status, collected)): State<(StatusCode, Collected)>,
        headers: HeaderMap,
        body: Bytes,
    ) -> StatusCode {
        let credential = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(headers["content-type"], "application/x-protobuf");
        collected.0.lock().unwrap().push((body, credential));
        status
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    let collected = Collected::default();
    let router = Router::new().route("/v1/traces", post(take)).with_state((status, collected.clone()));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (endpoint, collected)
}

async fn upstream() -> Stub {
    Stub::start(|seen| {
        if !seen.path.ends_with("/review") {
            return Reply::refusal(503, None, &[]);
        }
        Reply::object(&json!({ "customer_details": person(id_in(&seen.path)) }))
    })
    .await
}

async fn start(upstream: &Stub, endpoint: &str, settings: &[(&str, &str)]) -> Process {
    let all = [
        ("GATEWAY__UPSTREAM__BASE_URL", upstream.base.as_str()),
        ("GATEWAY__TRACES__ENDPOINT", endpoint),
        ("GATEWAY__AUTH__MODE", "passthrough"),
    ];
    Process::start(&[&all, settings].concat()).await
}

const QUERY: &str = "query PlantedOperation($id: ID!) { customer(id: $id) { name review { identity { decision } } } }";

fn ask() -> String {
    json!({"query": QUERY, "variables": { "id": ID }}).to_string()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_has_spans_for_request_wait_and_call_and_is_propagated() {
    let (upstream, (endpoint, collected)) = (upstream().await, collector(StatusCode::OK).await);
    let settings = [("GATEWAY__TRACES__SAMPLE_RATIO", "1"), ("GATEWAY__TRACES__AUTHORIZATION", "Bearer planted-token")];
    let mut process = start(&upstream, &endpoint, &settings).await;
    let strangers =
        [("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), ("tracestate", "x=planted")];
    let got = process.post_with(ask(), &strangers).await;
    assert_eq!(got.json()["data"]["customer"]["name"], "Ada Example");
    // This call fails, and its span has an error.
    let list = json!({"query": "{ customers { totalCount } }"}).to_string();
    process.post(list).await;
    process.stop().await;

    let spans = collected.spans();
    let named = |name: &str| spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{name}: {spans:?}"));
    let (call, query) = (named("GET /v1/customers/{id}/review"), named("query"));
    let wait = spans.iter().find(|span| span.name == "cache lookup" && span.span_id == call.parent_span_id).unwrap();
    let query = spans.iter().find(|span| span.span_id == wait.parent_span_id).unwrap_or(query);
    assert_eq!((query.parent_span_id.len(), query.kind, call.kind), (0, 2, 3), "a root, a server's, a client's");
    assert!(spans.iter().all(|span| span.name != "PlantedOperation"));
    let failed = named("GET /v1/customers");
    assert_eq!(failed.status.as_ref().map(|status| status.code), Some(2));
    assert_ne!(failed.trace_id, call.trace_id);

    let seen = upstream.seen();
    let told = seen[0].header("traceparent").unwrap();
    assert_eq!(told, format!("00-{}-{}-01", hex(&call.trace_id), hex(&call.span_id)));
    assert!(!told.contains("0af7651916cd43dd8448eb211c80319c"), "a stranger's context is not believed");
    assert_eq!(seen[0].header("tracestate"), None);
    let said = process.said();
    assert_eq!(lines(&said)[0]["trace_id"], json!(hex(&call.trace_id)));

    let attributes: BTreeSet<&str> =
        spans.iter().flat_map(|span| &span.attributes).map(|attribute| attribute.key.as_str()).collect();
    let known = |name: &&str| ATTRIBUTES.contains(name);
    assert_eq!(attributes.into_iter().filter(|name| !known(name)).collect::<Vec<_>>(), [""; 0]);
    let calls = query.attributes.iter().find(|attribute| attribute.key == "upstream_calls").unwrap().value.clone();
    assert_eq!(calls.unwrap().value, Some(Number::IntValue(1)), "a number, to be added up");
    let bytes = collected.text();
    for word in ["lanted", "Ada", "ada@", ID, "identity", "totalCount", &upstream.base] {
        assert!(!bytes.contains(word), "{word}");
    }
    assert!(bytes.contains("customers-gateway"));
    let credentials: BTreeSet<_> =
        collected.0.lock().unwrap().iter().map(|(_, credential)| credential.clone()).collect();
    assert_eq!(credentials, [Some("Bearer planted-token".to_owned())].into());
    assert!(!said.contains("planted-token"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incoming_context_is_used_only_if_the_setting_is_on() {
    let (upstream, (endpoint, collected)) = (upstream().await, collector(StatusCode::OK).await);
    let trust = [("GATEWAY__TRACES__SAMPLE_RATIO", "0"), ("GATEWAY__TRACES__TRUST_INCOMING", "true")];
    let mut process = start(&upstream, &endpoint, &trust).await;
    let theirs = "0af7651916cd43dd8448eb211c80319c";
    let kept = format!("00-{theirs}-b7ad6b7169203331-01");
    process.post_with(ask(), &[("traceparent", &kept), ("tracestate", "x=planted")]).await;
    // The caller does not sample this trace, and the gateway samples none of its own.
    process.post_with(ask(), &[("traceparent", "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")]).await;
    process.post_with(ask(), &[("traceparent", "nonsense")]).await;
    process.stop().await;
    let spans = collected.spans();
    assert!(spans.len() >= 3 && spans.iter().all(|span| hex(&span.trace_id) == theirs), "{spans:?}");
    assert!(spans.iter().all(|span| !span.trace_state.contains("planted")));
    let seen = upstream.seen();
    assert!(seen[0].header("traceparent").unwrap().starts_with(&format!("00-{theirs}-")));
    assert_eq!(seen[0].header("tracestate"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_traces_nothing_is_exported_or_propagated() {
    let upstream = upstream().await;
    let mut process = start(&upstream, "", &[]).await;
    process.post_with(ask(), &[("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")]).await;
    process.stop().await;
    assert_eq!(upstream.seen()[0].header("traceparent"), None);
    assert!(lines(&process.said())[0].get("trace_id").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_collector_delays_neither_requests_nor_exit() {
    let upstream = upstream().await;
    let (endpoint, collected) = collector(StatusCode::SERVICE_UNAVAILABLE).await;
    let mut process = start(&upstream, &endpoint, &[("GATEWAY__TRACES__SAMPLE_RATIO", "1")]).await;
    for _ in 0..3 {
        assert_eq!(process.post(ask()).await.status, 200);
    }
    let waited = Instant::now();
    loop {
        let shown = Shown::by(&process).await;
        if shown.sum("gateway_trace_exports_total", &[("outcome", "failed")]) >= 1.0 {
            break;
        }
        assert!(waited.elapsed() < Duration::from_secs(30), "it never tried");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    process.stop().await;
    assert!(!collected.0.lock().unwrap().is_empty());
    assert_eq!(process.said().matches("spans cannot be exported").count(), 1, "{}", process.said());
}
