//! Each kind of fault, as a client observes it.

use std::time::{Duration, Instant};

use customers_sandbox::seed;
use reqwest::Method;
use serde_json::{Value, json};

use super::{RunningSandbox, at, minimal_customer, start};

async fn total(sandbox: &RunningSandbox) -> Value {
    sandbox.get("/v1/customers?page_size=1").await.json()["meta"]["total_items"].clone()
}

#[tokio::test]
async fn a_status_fault_hits_its_route_as_often_as_requested() {
    let sandbox = start().await;
    let route = "GET /v1/customers/{id}";
    sandbox.fault(json!({"route": route, "times": 2, "fault": {"status": 503, "retry_after": 2}})).await;
    assert_eq!(sandbox.get("/v1/customers").await.status, 200);
    for _ in 0..2 {
        let got = sandbox.get(&at(seed::ADA)).await;
        assert_eq!((got.status, got.header("retry-after")), (503, Some("2")));
        assert_eq!(got.json()["error"]["status"], 503);
    }
    assert_eq!(sandbox.get(&at(seed::ADA)).await.status, 200);
}

#[tokio::test]
async fn a_fault_without_times_hits_its_customer_until_cleared() {
    let sandbox = start().await;
    sandbox.fault(json!({"customer_id": seed::REX, "fault": {"status": 429}})).await;
    for _ in 0..3 {
        assert_eq!(sandbox.get(&at(seed::REX)).await.status, 429);
        assert_eq!(sandbox.get(&at(seed::ADA)).await.status, 200);
    }
    sandbox.delete("/_sandbox/faults").await;
    assert_eq!(sandbox.get(&at(seed::REX)).await.status, 200);
}

#[tokio::test]
async fn an_injected_401_has_no_body() {
    let sandbox = start().await;
    sandbox.fault(json!({"fault": {"status": 401}})).await;
    let got = sandbox.get("/v1/customers").await;
    assert_eq!((got.status, got.text.as_str(), got.header("content-type")), (401, "", None));
}

#[tokio::test]
async fn a_hang_sends_no_response_until_the_sandbox_stops() {
    let sandbox = start().await;
    sandbox.fault(json!({"fault": {"hang": true}})).await;
    let request = sandbox.request(Method::GET, "/v1/customers").timeout(Duration::from_millis(300));
    assert!(request.send().await.unwrap_err().is_timeout());
    let hanging = tokio::spawn(sandbox.request(Method::GET, "/v1/customers").send());
    sandbox.wait_for_calls(2).await;
    sandbox.shutdown.cancel();
    let stopped = tokio::time::timeout(Duration::from_secs(30), hanging).await.expect("the hang ends").unwrap();
    assert!(stopped.is_err() || stopped.unwrap().status().is_server_error());
}

#[tokio::test]
async fn a_reset_before_the_headers_is_a_request_error() {
    let sandbox = start().await;
    sandbox.fault(json!({"times": 1, "fault": {"reset": "before_headers"}})).await;
    let error = sandbox.request(Method::GET, "/v1/customers").send().await.unwrap_err();
    assert!(error.is_request(), "{error:?}");
    assert_eq!(sandbox.get("/v1/customers").await.status, 200);
}

#[tokio::test]
async fn a_reset_in_the_body_comes_after_the_headers() {
    let sandbox = start().await;
    sandbox.fault(json!({"times": 1, "fault": {"reset": "mid_body"}})).await;
    let response = sandbox.request(Method::GET, "/v1/customers").send().await.expect("headers come");
    assert_eq!(response.status(), 200);
    assert!(response.content_length().unwrap() > 1000);
    response.bytes().await.expect_err("half of the body is missing");
}

#[tokio::test]
async fn a_slow_body_arrives_complete() {
    let sandbox = start().await;
    sandbox.fault(json!({"times": 1, "fault": {"slow_body_ms": 400}})).await;
    let begun = Instant::now();
    let response = sandbox.request(Method::GET, "/v1/customers").send().await.unwrap();
    let body: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    assert_eq!(body["data"].as_array().unwrap().len(), 100);
    assert!(begun.elapsed() >= Duration::from_millis(350), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn garbage_has_the_json_content_type_and_does_not_parse() {
    let sandbox = start().await;
    sandbox.fault(json!({"times": 1, "fault": {"garbage": true}})).await;
    let got = sandbox.get("/v1/customers").await;
    assert_eq!((got.status, got.header("content-type")), (200, Some("application/json; charset=utf-8")));
    assert!(serde_json::from_str::<Value>(&got.text).is_err());
}

#[tokio::test]
async fn a_fault_replaces_the_write_unless_after_write_is_set() {
    let sandbox = start().await;
    let before = total(&sandbox).await;
    for fault in [json!({"status": 500}), json!({"garbage": true}), json!({"reset": "before_headers"})] {
        sandbox.fault(json!({"route": "POST /v1/customers", "times": 1, "fault": fault})).await;
        let _lost =
            sandbox.request(Method::POST, "/v1/customers").json(&minimal_customer("f@example.test")).send().await;
    }
    assert_eq!(total(&sandbox).await, before);
    for (number, fault) in
        [json!({"status": 500}), json!({"garbage": true}), json!({"reset": "mid_body"})].into_iter().enumerate()
    {
        let fault = json!({"route": "POST /v1/customers", "times": 1, "after_write": true, "fault": fault});
        sandbox.fault(fault).await;
        let body = minimal_customer(&format!("f{number}@example.test"));
        let _lost = sandbox.request(Method::POST, "/v1/customers").json(&body).send().await;
        assert_eq!(total(&sandbox).await.as_u64(), before.as_u64().map(|before| before + 1 + number as u64));
    }
}

#[tokio::test]
async fn a_write_completes_after_the_caller_disconnects() {
    let sandbox = start().await;
    sandbox.put("/_sandbox/latency", json!({"ms": 1000})).await;
    let request = tokio::spawn(sandbox.request(Method::DELETE, &at(seed::ADA)).send());
    sandbox.wait_for_calls(1).await;
    request.abort();
    assert!(request.await.is_err_and(|error| error.is_cancelled()), "the caller disconnects before the response");
    sandbox.wait_until(async || sandbox.get("/_sandbox/writes").await.json() != json!([])).await;
    sandbox.put("/_sandbox/latency", json!({"ms": 0})).await;
    assert_eq!(sandbox.get(&at(seed::ADA)).await.status, 404);
}

#[tokio::test]
async fn a_read_returns_the_state_from_before_its_latency() {
    let sandbox = start().await;
    sandbox.put("/_sandbox/latency", json!({"ms": 1000})).await;
    let path = at(seed::ADA);
    let late_write = async {
        sandbox.wait_for_calls(1).await;
        sandbox.put("/_sandbox/latency", json!({"ms": 0})).await;
        sandbox.delete(&path).await
    };
    let (read, write) = tokio::join!(sandbox.get(&path), late_write);
    assert_eq!((read.status, write.status), (200, 200));
    assert_eq!(sandbox.get(&path).await.status, 404);
}

#[tokio::test]
async fn a_stopped_sandbox_refuses_connections() {
    let sandbox = start().await;
    assert_eq!(sandbox.get("/v1/customers").await.status, 200);
    sandbox.shutdown.cancel();
    sandbox.wait_until(async || sandbox.request(Method::GET, "/v1/customers").send().await.is_err()).await;
}
