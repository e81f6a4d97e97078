//! Concurrency limits: the gateway rejects operations above its limit at once, and no caller can use all permits.

use std::sync::Arc;

use customers_gateway::auth::AuthMode;
use customers_sandbox::seed::{ADA, REX};
use serde_json::{Value, json};

use super::{code, name_of};
use crate::support::gateway::{Got, send};
use crate::support::stub::{Reply, Stub, id_in, person};
use crate::support::{CUSTOMER, Gateway, count};

#[tokio::test]
async fn operations_are_shared_fairly_between_callers() {
    let stub = Stub::start(|seen| match seen.path.as_str() {
        "/v1/customers" => Reply::page(seen, &[], 0),
        path => Reply::object(&person(id_in(path))),
    })
    .await;
    let gateway = Gateway::over(&stub.base, |settings| {
        settings.auth.mode = AuthMode::Passthrough;
        settings.server.max_operations = 4;
    });
    let gateway = Arc::new(gateway.await);
    for key in ["key-a", "key-b"] {
        // A key is a caller of its own after the upstream has accepted it.
        gateway.ask_as(key, "{ customers { totalCount } }", json!({})).await;
    }
    stub.hold();
    let ask = |key: &'static str, id: uuid::Uuid| {
        let gateway = Arc::clone(&gateway);
        tokio::spawn(async move { gateway.ask_as(key, &name_of(id), json!({})).await })
    };
    // A single caller gets half of the limit.
    let greedy = [ask("key-a", ADA), ask("key-a", REX)];
    stub.until_arrived(2 + 2).await;
    let body = json!({"query": name_of(ADA)});
    let refused = gateway.post(&body).bearer_auth("key-a").header("accept", "application/graphql-response+json");
    let refused = Got::from(refused.send().await.unwrap()).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    let extensions = &refused.json()["errors"][0]["extensions"];
    assert_eq!(
        (&extensions["code"], &extensions["retryable"], &extensions["retryAfterSeconds"]),
        (&json!("OVERLOADED"), &json!(true), &json!(1))
    );
    // Another caller gets a permit without a wait.
    let other = ask("key-b", ADA);
    stub.until_arrived(2 + 3).await;
    assert!(!greedy[0].is_finished());
    stub.release();
    for caller in greedy.into_iter().chain([other]) {
        assert_eq!(caller.await.unwrap()["errors"], Value::Null);
    }
    let again = send(gateway.post(&body).bearer_auth("key-a")).await;
    assert_eq!(again["errors"], Value::Null, "the permits are free again");
}

#[tokio::test]
async fn a_disconnected_caller_releases_its_permit() {
    let (gateway, sandbox) = Gateway::with(|settings| settings.server.max_operations = 1).await;
    let gateway = Arc::new(gateway);
    sandbox.fault(json!({"route": CUSTOMER, "fault": {"hang": true}})).await;
    let caller = tokio::spawn({
        let gateway = Arc::clone(&gateway);
        async move { gateway.ask(&name_of(ADA)).await }
    });
    sandbox.until_calls(|calls| count(calls, CUSTOMER) == 1).await;
    assert_eq!(code(&gateway.ask("{ viewer { permissions } }").await), "OVERLOADED");
    caller.abort();
    for round in 0.. {
        assert!(round < 1000, "the permit was never free again");
        if gateway.ask("{ viewer { permissions } }").await["errors"].is_null() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_small_request_does_not_wait_behind_a_large_one() {
    let (gateway, sandbox) = Gateway::with(|settings| {
        settings.auth.mode = AuthMode::Passthrough;
        settings.upstream.concurrency.max_in_flight = 2;
        settings.upstream.concurrency.queue_timeout = std::time::Duration::from_secs(60);
    })
    .await;
    let gateway = Arc::new(gateway);
    for key in ["key-a", "key-b"] {
        gateway.ask_as(key, "{ customers { totalCount } }", json!({})).await;
    }
    sandbox.latency(200).await;
    sandbox.forget_calls().await;
    let fields: String =
        (0..60_u128).map(|i| format!("a{i}: customer(id: \"{}\") {{ id }} ", uuid::Uuid::from_u128(i))).collect();
    let many = tokio::spawn({
        let gateway = Arc::clone(&gateway);
        async move { gateway.ask_as("key-a", &format!("{{ {fields} }}"), json!({})).await }
    });
    sandbox.until_calls(|calls| count(calls, CUSTOMER) >= 2).await;
    let one = gateway.ask_as("key-b", &name_of(ADA), json!({})).await;
    assert_eq!(one["data"]["customer"]["name"], "Ada Example");
    assert!(!many.is_finished());
    let calls = count(&sandbox.calls().await, CUSTOMER);
    assert!(calls < 40, "{calls} of 60 calls were sent before it");
    assert_eq!(many.await.unwrap()["errors"], Value::Null);
}

#[tokio::test]
async fn a_write_keeps_its_permit_after_its_caller_disconnects() {
    let stub = Stub::start(|seen| Reply::object(&person(id_in(&seen.path)))).await;
    let gateway = Arc::new(Gateway::over(&stub.base, |settings| settings.server.max_operations = 1).await);
    stub.hold();
    let caller = tokio::spawn({
        let gateway = Arc::clone(&gateway);
        let delete = format!("mutation {{ deleteCustomer(input: {{id: \"{ADA}\"}}) {{ deletedCustomerId }} }}");
        async move { gateway.ask(&delete).await }
    });
    stub.until_arrived(1).await;
    caller.abort();
    // Time for the gateway to notice the disconnection. If it is too short, the test covers less.
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert_eq!(code(&gateway.ask("{ viewer { permissions } }").await), "OVERLOADED");
    stub.release();
    for round in 0.. {
        assert!(round < 1000, "the permit was never free again");
        if gateway.ask("{ viewer { permissions } }").await["errors"].is_null() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}
