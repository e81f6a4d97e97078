//! The deadline of a request: the gateway's or the caller's, whichever is shorter. It ends every wait.

use std::sync::Arc;
use std::time::{Duration, Instant};

use customers_sandbox::seed::{ADA, REX};
use rstest::rstest;
use serde_json::{Value, json};

use super::{code, name_of, patient};
use crate::support::gateway::{Got, send};
use crate::support::stub::{Reply, Stub, id_in, person};
use crate::support::{CUSTOMER, Gateway, count};

/// Sends a query with the caller's own timeout.
async fn within(gateway: &Gateway, seconds: &str, query: &str) -> Value {
    send(gateway.post(&json!({"query": query})).header("request-timeout", seconds)).await
}

fn delete(id: uuid::Uuid) -> String {
    format!("mutation {{ deleteCustomer(input: {{id: \"{id}\"}}) {{ deletedCustomerId }} }}")
}

#[rstest]
#[case::an_attempt(json!({"hang": true}))]
#[case::a_body(json!({"slow_body_ms": 600_000}))]
#[case::a_pause(json!({"status": 503}))]
#[tokio::test]
async fn a_shorter_request_timeout_is_honoured(#[case] fault: Value) {
    let (gateway, sandbox) = Gateway::with(|settings| {
        patient(settings);
        settings.server.deadline = Duration::from_secs(60);
        settings.upstream.timeout = Duration::from_secs(60);
    })
    .await;
    sandbox.fault(json!({"fault": fault})).await;
    let started = Instant::now();
    let answer = within(&gateway, "0.3", &name_of(ADA)).await;
    assert!(["UPSTREAM_TIMEOUT", "UPSTREAM_ERROR"].contains(&code(&answer)), "{answer}");
    assert_eq!(answer["errors"][0]["extensions"]["retryable"], true);
    assert!(started.elapsed() < Duration::from_secs(20), "without the deadline it would hang for a minute");
}

#[rstest]
#[case("soon")]
#[case("-1")]
#[case("0")]
#[case("1e1")]
#[tokio::test]
async fn an_invalid_request_timeout_is_rejected(#[case] seconds: &str) {
    let (gateway, _sandbox) = Gateway::start().await;
    let request = gateway.post(&json!({"query": "{ viewer { permissions } }"})).header("request-timeout", seconds);
    let got = Got::from(request.send().await.unwrap()).await;
    assert_eq!((got.status, code(&got.json())), (400, "BAD_REQUEST"));
}

#[tokio::test]
async fn timed_out_callers_share_a_load_that_fills_the_cache() {
    let (gateway, sandbox) = Gateway::start().await;
    sandbox.latency(1500).await;
    for _ in 0..5 {
        assert_eq!(code(&within(&gateway, "0.1", &name_of(ADA)).await), "UPSTREAM_TIMEOUT");
    }
    assert_eq!(gateway.data(&name_of(ADA)).await["customer"]["name"], "Ada Example");
    assert_eq!(sandbox.calls().await, json!({CUSTOMER: 1}));
}

#[tokio::test]
async fn a_joining_caller_with_a_later_deadline_gets_the_result() {
    let (gateway, sandbox) = Gateway::with(patient).await;
    let gateway = Arc::new(gateway);
    // The first attempt hangs past the first caller's deadline. The retry is for the caller that joined.
    sandbox.fault(json!({"route": CUSTOMER, "times": 1, "fault": {"hang": true}})).await;
    let hurried = tokio::spawn({
        let gateway = Arc::clone(&gateway);
        async move { within(&gateway, "0.3", &name_of(ADA)).await }
    });
    sandbox.until_calls(|calls| count(calls, CUSTOMER) == 1).await;
    assert_eq!(gateway.data(&name_of(ADA)).await["customer"]["name"], "Ada Example");
    assert_eq!(code(&hurried.await.unwrap()), "UPSTREAM_TIMEOUT");
    assert_eq!(sandbox.calls().await, json!({CUSTOMER: 2}));
}

#[tokio::test]
async fn a_write_still_queued_at_its_deadline_is_never_sent() {
    let stub = Stub::start(|seen| Reply::object(&person(id_in(&seen.path)))).await;
    let gateway = Arc::new(Gateway::over(&stub.base, |settings| settings.upstream.concurrency.max_in_flight = 1).await);
    stub.hold();
    let read = tokio::spawn({
        let gateway = Arc::clone(&gateway);
        async move { gateway.data(&name_of(ADA)).await }
    });
    stub.until_arrived(1).await;
    let answer = within(&gateway, "0.2", &delete(REX)).await;
    let extensions = &answer["errors"][0]["extensions"];
    assert_eq!((code(&answer), &extensions["retryable"]), ("UPSTREAM_TIMEOUT", &json!(true)), "nothing was changed");
    stub.release();
    read.await.unwrap();
    // By now a call that waited before has had its permit.
    assert_eq!(gateway.data(&name_of(REX)).await["customer"]["name"], "Ada Example");
    assert!(stub.seen().iter().all(|seen| seen.method == "GET"), "{:?}", stub.routes());
}

#[tokio::test]
async fn a_full_or_slow_queue_is_overloaded() {
    for (max_queue, queue_timeout) in [(1, Duration::from_secs(60)), (100, Duration::from_millis(100))] {
        let (gateway, sandbox) = Gateway::with(|settings| {
            settings.upstream.concurrency.max_in_flight = 1;
            settings.upstream.concurrency.max_queue = max_queue;
            settings.upstream.concurrency.queue_timeout = queue_timeout;
        })
        .await;
        sandbox.latency(700).await;
        let fields: String =
            (1..=4_u128).map(|i| format!("a{i}: customer(id: \"{}\") {{ id }} ", uuid::Uuid::from_u128(i))).collect();
        let answer = gateway.ask(&format!("{{ {fields} }}")).await;
        let codes = crate::support::codes(&answer);
        assert!(!codes.is_empty() && codes.iter().all(|code| *code == "OVERLOADED"), "{answer}");
        assert_eq!(count(&sandbox.calls().await, CUSTOMER) as usize, 4 - codes.len());
    }
}
