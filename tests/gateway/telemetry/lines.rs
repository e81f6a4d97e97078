//! The request log: its fields, its format, and its callers' digests.

use std::collections::BTreeSet;

use customers_gateway::telemetry::names::REQUEST_FIELDS;
use serde_json::{Value, json};

use super::{lines, traffic};
use crate::process::Process;

/// The fields of every log line.
const OF_ANY_LINE: [&str; 3] = ["timestamp", "level", "message"];

#[tokio::test(flavor = "multi_thread")]
async fn the_request_log_has_the_documented_fields() {
    let mut process = Process::start(&[]).await;
    traffic(&process).await;
    process.admin("/readyz").await;
    process.stop().await;
    let said = process.said();
    let lines = lines(&said);
    assert_eq!(lines.len(), 9, "one a request, and none for probes: {said}");
    let known: BTreeSet<&str> = REQUEST_FIELDS.iter().map(|field| field.name).chain(OF_ANY_LINE).collect();
    for line in &lines {
        let fields: BTreeSet<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
        assert!(fields.is_subset(&known), "{line}");
        assert_eq!(line["level"], "INFO");
    }
    let (first, again) = (&lines[1], &lines[2]);
    assert_eq!((&first["operation_type"], &first["outcome"]), (&json!("query"), &json!("ok")));
    let costs = |line: &Value| ["planned_calls", "upstream_calls"].map(|field| line[field].as_u64());
    assert_eq!(costs(first), [Some(1), Some(1)]);
    assert_eq!((again["upstream_calls"].as_u64(), again["cache_hits"].as_u64() > Some(0)), (Some(0), true));
    assert_eq!(first["document"], again["document"], "the same document");
    assert_ne!(first["document"], lines[3]["document"]);
    assert_eq!(lines[8]["codes"], "BAD_REQUEST");
    assert_eq!(lines[8]["outcome"], "rejected");
}

#[tokio::test(flavor = "multi_thread")]
async fn caller_digests_stay_the_same_across_restarts_with_a_digest_key() {
    let key = ("GATEWAY__LOG__DIGEST_KEY", "0123456789abcdef0123456789abcdef");
    let passthrough = ("GATEWAY__AUTH__MODE", "passthrough");
    let caller = async |settings: &[(&str, &str)]| {
        let mut process = Process::start(settings).await;
        process.ask("{ viewer { subject } }", json!({})).await;
        process.stop().await;
        let said = process.said();
        assert!(!said.contains(Process::KEY), "{said}");
        lines(&said)[0]["caller"].as_str().map(str::to_owned)
    };
    let (one, two) = (caller(&[key, passthrough]).await, caller(&[key, passthrough]).await);
    assert_eq!((one.as_deref().map(str::len), &one), (Some(16), &two));
    assert_ne!(caller(&[passthrough]).await, one, "without a key each start has its own");
    assert_eq!(caller(&[key]).await, None, "nobody asks an anonymous caller who it is");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_request_is_logged_and_counted() {
    let process = Process::start(&[]).await;
    process.control("PUT", "latency", json!({"ms": 3000})).await;
    let asked = process.ask("{ customers { totalCount } }", json!({}));
    assert!(tokio::time::timeout(std::time::Duration::from_millis(300), asked).await.is_err());
    for _ in 0..500 {
        if let Some(line) = lines(&process.said()).iter().find(|line| line["outcome"] == "abandoned") {
            assert_eq!((&line["operation_type"], line.get("status")), (&json!("query"), None));
            assert_eq!((line["planned_calls"].as_u64(), line["upstream_calls"].as_u64()), (Some(1), Some(1)));
            assert!(line["duration_ms"].as_u64() >= Some(200), "{line}");
            let shown = super::Shown::by(&process).await;
            assert_eq!(shown.sum("gateway_requests_abandoned_total", &[]), 1.0);
            assert_eq!(shown.sum("gateway_requests_in_flight", &[]), 0.0);
            let abandoned = [("type", "query"), ("outcome", "abandoned")];
            assert_eq!(shown.sum("gateway_request_duration_seconds_count", &abandoned), 1.0);
            let cancelled = [("route", "GET /v1/customers"), ("outcome", "cancelled")];
            for counted in ["gateway_upstream_calls_total", "gateway_upstream_attempts_total"] {
                assert_eq!(shown.sum(counted, &cancelled), 1.0, "{counted}");
            }
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{}", process.said());
}
