//! Idempotency keys of writes.

use customers_sandbox::seed;
use reqwest::Method;
use serde_json::{Value, json};

use super::{RunningSandbox, TestResponse, at, minimal_customer, start, with};

const IDEMPOTENCY_KEY: &str = "test-key-0001";

async fn create(sandbox: &RunningSandbox, key: &str, body: &Value) -> TestResponse {
    let request = sandbox.request(Method::POST, "/v1/customers").header("idempotency-key", key).json(body);
    TestResponse::from(request.send().await.unwrap()).await
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_response() {
    let sandbox = start().await;
    let body = minimal_customer("once@example.test");
    let first = create(&sandbox, IDEMPOTENCY_KEY, &body).await;
    let second = create(&sandbox, IDEMPOTENCY_KEY, &body).await;
    assert_eq!((first.status, second.status), (201, 201));
    assert_eq!(first.text, second.text);
    assert_eq!((first.header("idempotent-replayed"), second.header("idempotent-replayed")), (None, Some("true")));
    assert_eq!(sandbox.get("/_sandbox/writes").await.json().as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn another_request_with_the_same_key_is_a_conflict() {
    let sandbox = start().await;
    create(&sandbox, IDEMPOTENCY_KEY, &minimal_customer("one@example.test")).await;
    let other = create(&sandbox, IDEMPOTENCY_KEY, &minimal_customer("two@example.test")).await;
    assert_eq!((other.status, other.json()["error"]["type"].as_str()), (409, Some("/conflict")));
    let path = sandbox.request(Method::DELETE, &at(seed::ADA)).header("idempotency-key", IDEMPOTENCY_KEY);
    assert_eq!(path.send().await.unwrap().status(), 409);
}

#[tokio::test]
async fn a_400_uses_up_its_idempotency_key() {
    let sandbox = start().await;
    let bad = with(minimal_customer("used@example.test"), json!({"colour": "red"}));
    assert_eq!(create(&sandbox, IDEMPOTENCY_KEY, &bad).await.status, 400);
    assert_eq!(create(&sandbox, IDEMPOTENCY_KEY, &minimal_customer("used@example.test")).await.status, 409);
    assert_eq!(create(&sandbox, "test-key-0002", &minimal_customer("used@example.test")).await.status, 201);
}

#[tokio::test]
async fn a_422_is_stored_and_replayed() {
    let sandbox = start().await;
    let taken = minimal_customer("ada@example.test");
    assert_eq!(create(&sandbox, IDEMPOTENCY_KEY, &taken).await.status, 422);
    sandbox.delete(&at(seed::ADA)).await;
    let again = create(&sandbox, IDEMPOTENCY_KEY, &taken).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (422, Some("true")));
}

#[tokio::test]
async fn a_key_of_the_wrong_length_is_a_400_without_a_field() {
    let sandbox = start().await;
    for key in ["short", &"k".repeat(43)] {
        let got = create(&sandbox, key, &minimal_customer("k@example.test")).await;
        assert_eq!(got.status, 400);
        let items = got.json()["error"]["items"].clone();
        assert_eq!(items.as_array().unwrap().len(), 1);
        assert!(items[0].get("reference").is_none());
    }
    // A key of the wrong length is not stored, so the same body succeeds with a valid key.
    assert_eq!(create(&sandbox, &"k".repeat(37), &minimal_customer("k@example.test")).await.status, 201);
}

#[tokio::test]
async fn a_request_with_the_key_of_a_running_request_is_a_conflict() {
    let sandbox = start().await;
    sandbox.put("/_sandbox/latency", json!({"ms": 2000})).await;
    let body = minimal_customer("running@example.test");
    let request = || create(&sandbox, IDEMPOTENCY_KEY, &body);
    let (one, other) = tokio::join!(request(), request());
    // Either request may arrive first.
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
}

#[tokio::test]
async fn a_fault_before_the_write_does_not_use_up_the_key() {
    let sandbox = start().await;
    sandbox.fault(json!({"route": "POST /v1/customers", "times": 1, "fault": {"status": 503}})).await;
    let body = minimal_customer("free@example.test");
    assert_eq!(create(&sandbox, IDEMPOTENCY_KEY, &body).await.status, 503);
    let second = create(&sandbox, IDEMPOTENCY_KEY, &body).await;
    assert_eq!((second.status, second.header("idempotent-replayed")), (201, None));
}

#[tokio::test]
async fn a_lost_response_is_replayed_by_its_key() {
    let sandbox = start().await;
    sandbox.fault(json!({"times": 1, "fault": {"reset": "before_headers"}, "after_write": true})).await;
    let body = minimal_customer("lost@example.test");
    let request = sandbox.request(Method::POST, "/v1/customers").header("idempotency-key", IDEMPOTENCY_KEY).json(&body);
    assert!(request.send().await.is_err());
    let second = create(&sandbox, IDEMPOTENCY_KEY, &body).await;
    assert_eq!((second.status, second.header("idempotent-replayed")), (201, Some("true")));
}

#[tokio::test]
async fn idempotency_keys_belong_to_a_tenant() {
    let sandbox = start().await;
    let body = minimal_customer("tenant@example.test");
    create(&sandbox, IDEMPOTENCY_KEY, &body).await;
    let request = sandbox.client.post(format!("{}/v1/customers", sandbox.base)).bearer_auth("another-key");
    let got =
        TestResponse::from(request.header("idempotency-key", IDEMPOTENCY_KEY).json(&body).send().await.unwrap()).await;
    assert_eq!((got.status, got.header("idempotent-replayed")), (201, None));
}

#[tokio::test]
async fn every_write_accepts_an_idempotency_key() {
    let sandbox = start().await;
    let path = at(seed::ADA);
    let calls = [
        (Method::PUT, format!("{path}/refresh_review"), json!({})),
        (Method::PATCH, format!("{path}/review"), json!({"status": "verified"})),
        (Method::PUT, path.clone(), super::minimal_update("ada@example.test", "verified")),
        (Method::DELETE, path, json!({})),
    ];
    for (number, (method, path, body)) in calls.into_iter().enumerate() {
        let mut responses = Vec::new();
        for _ in 0..2 {
            let request =
                sandbox.request(method.clone(), &path).header("idempotency-key", format!("every-write-{number}"));
            responses.push(TestResponse::from(request.json(&body).send().await.unwrap()).await);
        }
        assert_eq!((responses[0].status, responses[1].status), (200, 200), "{method} {path}");
        assert_eq!(responses[0].text, responses[1].text);
        assert_eq!(responses[1].header("idempotent-replayed"), Some("true"));
    }
}
