//! Shutdown: readiness fails first, then running requests finish, and every write ends in a known state.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::{Shown, lines};
use crate::process::Process;
use crate::support::Sandbox;

fn create(name: &str) -> String {
    let input = json!({"name": name, "type": "INDIVIDUAL", "email": format!("{name}@example.test"),
        "phone": "+12025550177", "device": {"ipAddress": "203.0.113.77"}});
    let query =
        "mutation($i: CreateCustomerInput!) { createCustomer(input: $i) { customer { id } userErrors { code } } }";
    let body = json!({"query": query, "variables": {"i": input}}).to_string();
    format!(
        "POST /graphql HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn start(sandbox: &Sandbox, delay: &str) -> (Process, TcpStream) {
    let settings = [("GATEWAY__UPSTREAM__BASE_URL", sandbox.base.as_str()), ("GATEWAY__SERVER__DRAIN_DELAY", delay)];
    let process = Process::start(&settings).await;
    let stream = TcpStream::connect(process.base().trim_start_matches("http://")).await.unwrap();
    (process, stream)
}

/// Waits until the process has handled a signal. The system merges two pending signals into one.
async fn going_down(process: &Process) {
    for _ in 0..3000 {
        if process.said().contains("shutting down") {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("it takes no notice: {}", process.said());
}

/// Reads until the peer closes the connection.
async fn rest(stream: &mut TcpStream) -> String {
    let mut told = Vec::new();
    let _ended = timeout(Duration::from_secs(30), stream.read_to_end(&mut told)).await.expect("it ends");
    String::from_utf8(told).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_after_sigterm_is_answered_or_never_started() {
    let sandbox = Sandbox::start().await;
    let (mut process, mut stream) = start(&sandbox, "0s").await;
    sandbox.latency(600).await;
    stream.write_all(create("first").as_bytes()).await.unwrap();
    sandbox.until_calls(|calls| calls["POST /v1/customers"] == 1).await;
    process.signal("TERM");
    going_down(&process).await;
    // On the same connection, while the first request still runs.
    let _refused_or_not = stream.write_all(create("second").as_bytes()).await;
    let told = rest(&mut stream).await;
    process.ends().await;
    let answers = told.matches("\"customer\":{\"id\":").count();
    assert!(told.contains("HTTP/1.1 200 ") && answers >= 1, "the first was running: {told}");
    assert_eq!(sandbox.writes().await.len(), answers, "what was done was told: {told}");
    assert!(process.said().contains("shutting down"));
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_fails_before_the_drain_starts() {
    let sandbox = Sandbox::start().await;
    // Far longer than the test. A second signal ends it.
    let (mut process, mut stream) = start(&sandbox, "10m").await;
    process.signal("TERM");
    going_down(&process).await;
    // The process writes the log line just before that.
    let mut ready = process.admin("/readyz").await;
    while ready.status == 200 {
        ready = process.admin("/readyz").await;
    }
    assert_eq!((ready.status, ready.json()["status"].as_str()), (503, Some("draining")));
    assert_eq!(process.admin("/livez").await.status, 200);
    assert_eq!(Shown::by(&process).await.sum("gateway_draining", &[]), 1.0);
    stream.write_all(create("late").as_bytes()).await.unwrap();
    let mut told = String::new();
    while !told.contains("\"customer\":{\"id\":") {
        let mut some = [0; 4096];
        let read = timeout(Duration::from_secs(30), stream.read(&mut some)).await.expect("it is answered").unwrap();
        assert!(read > 0, "the connection is kept: {told}");
        told.push_str(std::str::from_utf8(&some[..read]).unwrap());
    }
    assert!(told.contains("HTTP/1.1 200 "), "{told}");
    process.signal("TERM");
    assert_eq!(process.ends().await, Some(0));
    assert_eq!(sandbox.writes().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn upstream_failures_show_on_admin_readyz_only() {
    let sandbox = Sandbox::start().await;
    let (process, _stream) = start(&sandbox, "0s").await;
    let upstream = async || process.admin("/readyz").await.json()["upstream"].clone();
    process.ask("{ customers { totalCount } }", json!({})).await;
    assert_eq!(upstream().await, json!({"status": "ok", "failuresInARow": 0, "breaker": "closed"}));
    sandbox.fault(json!({"fault": {"status": 503}})).await;
    for size in 1..=4 {
        process.ask(&format!("{{ customers(first: {size}) {{ nodes {{ id }} }} }}"), json!({})).await;
    }
    let told = process.admin("/readyz").await;
    assert_eq!((told.status, told.json()["status"].as_str()), (200, Some("ok")));
    assert_eq!(upstream().await["status"], "failing");
    sandbox.clear_faults().await;
    process.ask("{ customers(first: 9) { nodes { id } } }", json!({})).await;
    assert_eq!(upstream().await["status"], "ok");
}

/// A gateway with a write that never ends, and the connection of its caller.
async fn hanging(sandbox: &Sandbox, settings: &[(&str, &str)]) -> (Process, TcpStream) {
    let settings = [&[("GATEWAY__UPSTREAM__BASE_URL", sandbox.base.as_str())], settings].concat();
    let process = Process::start(&settings).await;
    sandbox.fault(json!({"route": "POST /v1/customers", "fault": {"hang": true}})).await;
    let mut stream = TcpStream::connect(process.base().trim_start_matches("http://")).await.unwrap();
    stream.write_all(create("hangs").as_bytes()).await.unwrap();
    sandbox.until_calls(|calls| calls["POST /v1/customers"] == 1).await;
    (process, stream)
}

fn assert_recorded_as_unknown(process: &Process, said: &str) {
    let records = process.records();
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!((&records[0]["action"], &records[0]["outcome"]), (&json!("create"), &json!("unknown")), "{records:?}");
    assert!(process.said().contains(said), "{}", process.said());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_cut_by_shutdown_is_recorded_as_unknown() {
    let sandbox = Sandbox::start().await;
    let (mut process, mut stream) = hanging(&sandbox, &[("GATEWAY__SERVER__DRAIN_TIMEOUT", "300ms")]).await;
    process.signal("TERM");
    assert_eq!(process.ends().await, Some(0));
    assert_recorded_as_unknown(&process, "writes were still running at shutdown");
    let said = process.said();
    let outcomes: Vec<_> = lines(&said).iter().map(|line| line["outcome"].clone()).collect();
    assert_eq!(outcomes, [json!("shutdown")], "its caller did not hang up: {said}");
    assert_eq!(rest(&mut stream).await, "", "nobody is told anything of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_stops_at_once() {
    let sandbox = Sandbox::start().await;
    let long = [
        ("GATEWAY__SERVER__DRAIN_TIMEOUT", "10m"),
        ("GATEWAY__SERVER__DEADLINE", "10m"),
        ("GATEWAY__UPSTREAM__TIMEOUT", "10m"),
    ];
    let (mut process, _stream) = hanging(&sandbox, &long).await;
    process.signal("INT");
    going_down(&process).await;
    process.signal("INT");
    assert_eq!(process.ends().await, Some(0));
    assert_recorded_as_unknown(&process, "second signal: stopping now");
}
