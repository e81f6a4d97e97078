//! `/metrics`: it matches the table of names, labels have closed sets of values, and only the admin listener serves it.

use std::collections::BTreeSet;

use customers_gateway::error::ErrorCode;
use customers_gateway::telemetry::names::{self, METRICS, MetricKind};
use customers_sandbox::seed::{ADA, REX};
use serde_json::json;

use super::{Series, Shown, traffic};
use crate::process::{Directory, Process};
use crate::support::stub::{Reply, Stub, person};

/// Metrics that ordinary traffic over the sandbox need not show: those of tokens, and of calls that wait or fail.
const NOT_HERE: [&str; 2] = [names::JWKS_AGE, names::UPSTREAM_QUEUE_DURATION];

#[tokio::test(flavor = "multi_thread")]
async fn exported_metrics_match_the_table() {
    let process = Process::start(&[]).await;
    traffic(&process).await;
    let got = process.admin("/metrics").await;
    assert_eq!(got.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(got.headers["x-content-type-options"], "nosniff");
    assert_eq!(got.headers["cache-control"], "no-store");
    let shown = Shown(Series::all(&got.text));
    for series in &shown.0 {
        let metric = METRICS.iter().find(|metric| metric.name == series.metric());
        let metric = metric.unwrap_or_else(|| panic!("{} is not in the table", series.name));
        for (label, value) in series.labels.iter().filter(|(label, _)| *label != "le") {
            let known = metric.labels.iter().find(|(name, _)| name == label);
            let (_, values) = known.unwrap_or_else(|| panic!("{}: no label {label}", series.name));
            let of_the_team = ["operation", "version", "rustc", "commit"].contains(&label.as_str());
            assert!(of_the_team || values.contains(&value.as_str()), "{}: {label}={value}", series.name);
        }
    }
    let missing: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
    let missing: Vec<&str> =
        missing.difference(&shown.metrics()).copied().filter(|name| !NOT_HERE.contains(name)).collect();
    assert_eq!(missing, [""; 0], "in the table and not shown");

    let took = "gateway_request_duration_seconds_count";
    assert_eq!(shown.sum(took, &[("type", "query"), ("outcome", "ok")]), 4.0);
    assert_eq!(shown.sum(took, &[("type", "mutation"), ("outcome", "ok")]), 2.0);
    assert_eq!(shown.sum(took, &[("outcome", "rejected")]), 3.0);
    assert_eq!(shown.sum(names::ERRORS, &[("code", "GRAPHQL_PARSE_FAILED")]), 1.0);
    assert_eq!(shown.sum(names::CACHE_LOOKUPS, &[("store", "reviews"), ("outcome", "miss")]), 1.0);
    assert!(shown.sum(names::CACHE_LOOKUPS, &[("store", "reviews"), ("outcome", "hit")]) >= 1.0);
    assert!(shown.sum(names::CACHE_BYTES, &[("store", "reviews")]) > 0.0);
    assert_eq!(
        shown.sum("gateway_upstream_call_duration_seconds_count", &[("route", "GET /v1/customers/{id}/review")]),
        1.0
    );
    assert_eq!(shown.sum(names::AUDIT_RECORDS, &[("outcome", "ok")]), 2.0);
    assert_eq!(shown.sum(names::CACHE_INVALIDATIONS, &[("scope", "customer")]), 1.0);
    assert_eq!(shown.sum(names::REQUESTS_IN_FLIGHT, &[]), 0.0);
    assert_eq!(shown.sum(names::CONNECTIONS, &[("listener", "admin")]), 1.0, "the one that asks");
    assert_eq!(shown.sum(names::BUILD_INFO, &[("version", env!("CARGO_PKG_VERSION"))]), 1.0);
    assert!(shown.sum(names::MEMORY, &[]) > 1e6 && shown.sum(names::OPEN_FILES, &[]) > 3.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn reached_limits_are_counted_by_name() {
    let process = Process::start(&[
        ("GATEWAY__GRAPHQL__MAX_DEPTH", "3"),
        ("GATEWAY__PRIVACY__MAX_UNMASK_PER_OPERATION", "1"),
        ("GATEWAY__PRIVACY__MAX_UNMASK_PER_MINUTE", "1"),
    ])
    .await;
    let shown = Shown::by(&process).await;
    assert!(shown.0.iter().any(|series| series.labels.get("limit").is_some_and(|limit| limit == "max_depth")));
    assert_eq!(shown.sum(names::LIMITS_REACHED, &[]), 0.0);
    process.ask("{ __schema { types { fields { name } } } }", json!({})).await;
    let id = process.somebody_else();
    for _ in 0..2 {
        let unmask = "mutation($id: ID!) { unmaskCustomer(input: {id: $id}) { userErrors { code } } }";
        process.ask(unmask, json!({ "id": id })).await;
    }
    let shown = Shown::by(&process).await;
    assert_eq!(shown.sum(names::LIMITS_REACHED, &[("limit", "max_depth")]), 1.0);
    assert_eq!(shown.sum(names::RATE_LIMITED, &[("limit", "unmask")]), 1.0);
    let limited = [("type", "mutation"), ("outcome", "rate_limited")];
    assert_eq!(shown.sum("gateway_request_duration_seconds_count", &limited), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn operation_names_are_recorded_for_trusted_documents_only() {
    let directory = Directory::new();
    let trusted = "query Trusted { viewer { permissions } }";
    std::fs::write(directory.path("manifest.json"), json!({ "doc-1": trusted }).to_string()).unwrap();
    let manifest = directory.path("manifest.json");
    let settings = [("GATEWAY__DOCUMENTS__MANIFEST", manifest.to_str().unwrap())];
    let process = Process::start_in(directory, &settings).await;
    process.post(json!({"documentId": "doc-1"}).to_string()).await;
    process.ask(trusted, json!({})).await;
    process.ask("query PlantedName { viewer { subject } }", json!({})).await;
    let shown = Shown::by(&process).await;
    let took = "gateway_request_duration_seconds_count";
    assert_eq!(shown.sum(took, &[("operation", "Trusted")]), 2.0);
    assert_eq!(shown.sum(took, &[]), 3.0);
    assert_eq!(shown.sum(names::DOCUMENTS_BY_TRUST, &[("trust", "trusted")]), 2.0);
    let said = process.said();
    let lines = super::lines(&said);
    assert_eq!((lines[0]["operation_name"].as_str(), lines[0]["document"].as_str()), (Some("Trusted"), Some("doc-1")));
    assert!(!said.contains("PlantedName") && lines[2]["document"].as_str().is_some_and(|digest| digest.len() == 16));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_server_serves_probes_and_metrics_only() {
    let process = Process::start(&[]).await;
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(process.admin(path).await.status, 200, "{path}");
    }
    for path in ["/", "/graphql", "/metrics/", "/debug", "/config", "/graphql?query={viewer{subject}}"] {
        assert_eq!(process.admin(path).await.status, 404, "{path}");
    }
    assert_eq!(process.public("/metrics").await.status, 404);
    let callers = process.public("/readyz").await;
    assert_eq!(callers.text, r#"{"status":"ok"}"#, "callers are not told what is wrong behind");
}

/// Prometheus does not see the first increase of a counter that did not exist before.
#[tokio::test(flavor = "multi_thread")]
async fn counters_exist_before_the_first_increase() {
    let process = Process::start(&[]).await;
    let shown = Shown::by(&process).await;
    let there = shown.metrics();
    let missing = METRICS.iter().filter(|metric| metric.kind == MetricKind::Counter && !there.contains(metric.name));
    assert_eq!(missing.map(|metric| metric.name).collect::<Vec<_>>(), [""; 0]);
    let first = [("route", "GET /v1/customers/{id}"), ("outcome", "timed_out")];
    let series = shown
        .0
        .iter()
        .filter(|series| first.iter().all(|(label, value)| series.labels.get(*label).is_some_and(|is| is == value)));
    assert_eq!(series.filter(|series| series.name == names::UPSTREAM_CALLS).count(), 1);
}

#[test]
fn the_tables_of_codes_agree() {
    let errors = METRICS.iter().find(|metric| metric.name == names::ERRORS).unwrap();
    assert_eq!(errors.labels[0].1, ErrorCode::ALL.iter().map(|code| code.name()).collect::<Vec<_>>());
}

/// The distinct texts between two markers in a source file.
fn quoted(path: &str, before: &str, after: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    text.split(before).skip(1).filter_map(|rest| rest.split_once(after)).map(|(word, _)| word.to_owned()).collect()
}

/// A route or an outcome that is missing in the table would have no series until its first increase.
#[test]
fn the_table_knows_every_route_and_every_outcome_of_a_call() {
    let calls = METRICS.iter().find(|metric| metric.name == names::UPSTREAM_CALLS).unwrap();
    let values = |label: usize| calls.labels[label].1.iter().map(|value| (*value).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(values(0), quoted("src/upstream/client.rs", "CallRequest::new(\"", "\""));
    let mut outcomes = quoted("src/upstream/error.rs", " => \"", "\",\n");
    outcomes.extend(["ok".to_owned(), "cancelled".to_owned()]);
    assert_eq!(values(1), outcomes);
}

/// The response is 200 and parses, but it is of no use: a dashboard must not show it as a success.
#[tokio::test(flavor = "multi_thread")]
async fn a_response_about_another_customer_is_an_invalid_call() {
    let upstream = Stub::start(|_| Reply::object(&json!({ "customer_details": person(REX) }))).await;
    let settings = [("GATEWAY__UPSTREAM__BASE_URL", upstream.base.as_str()), ("GATEWAY__AUTH__MODE", "passthrough")];
    let process = Process::start(&settings).await;
    let got = process
        .ask("query ($id: ID!) { customer(id: $id) { review { identity { decision } } } }", json!({ "id": ADA }))
        .await;
    assert_eq!(got.code(), "UPSTREAM_INVALID_RESPONSE", "{}", got.text);
    let shown = Shown::by(&process).await;
    let calls =
        |outcome| shown.sum(names::UPSTREAM_CALLS, &[("route", "GET /v1/customers/{id}/review"), ("outcome", outcome)]);
    assert_eq!((calls("ok"), calls("invalid_response")), (0.0, 1.0));
}
