//! A write that was sent runs to its end and is never sent twice. An unknown outcome is reported as unknown.

use std::sync::Arc;
use std::time::Duration;

use customers_sandbox::seed::{ADA, REX};
use rstest::rstest;
use serde_json::{Value, json};

use super::{CREATE, DELETE, UPDATE, complaints, for_customer, run, smallest};
use crate::support::{Gateway, UNMASKED, count, only_error};

const CREATED: &str = "POST /v1/customers";
const REPLACED: &str = "PUT /v1/customers/{id}";

#[rstest]
#[case::an_error(json!({"status": 502}), "UPSTREAM_ERROR")]
#[case::an_error_that_says_when(json!({"status": 503, "retry_after": 3}), "UPSTREAM_ERROR")]
#[case::no_answer(json!({"hang": true}), "UPSTREAM_TIMEOUT")]
#[case::a_reset(json!({"reset": "before_headers"}), "UPSTREAM_UNAVAILABLE")]
#[case::half_an_answer(json!({"reset": "mid_body"}), "UPSTREAM_UNAVAILABLE")]
#[case::garbage(json!({"garbage": true}), "UPSTREAM_INVALID_RESPONSE")]
#[tokio::test]
async fn a_write_whose_answer_is_lost_is_told_as_unknown_and_not_sent_again(#[case] fault: Value, #[case] code: &str) {
    let (gateway, sandbox) = Gateway::with(|settings| settings.upstream.timeout = Duration::from_millis(800)).await;
    sandbox.fault(json!({"route": CREATED, "after_write": true, "fault": fault})).await;
    let answer = gateway.ask_with(CREATE, json!({"input": smallest("n@example.test")})).await;
    let error = only_error(&answer);
    assert_eq!((&error["extensions"]["code"], &error["extensions"]["retryable"]), (&json!(code), &json!(false)));
    assert_eq!(error["extensions"]["outcome"], "UNKNOWN");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("may have been made") && !message.contains("idempotency"), "{error}");
    assert_eq!((sandbox.calls().await, sandbox.writes().await.len()), (json!({CREATED: 1}), 1));
}

#[tokio::test]
async fn a_write_that_was_surely_not_done_can_be_repeated() {
    let (gateway, sandbox) = Gateway::start().await;
    sandbox.fault(json!({"route": CREATED, "times": 1, "fault": {"status": 429, "retry_after": 2}})).await;
    let answer = gateway.ask_with(CREATE, json!({"input": smallest("n@example.test")})).await;
    let extensions = &only_error(&answer)["extensions"];
    assert_eq!(
        (&extensions["code"], &extensions["retryable"], &extensions["retryAfterSeconds"]),
        (&json!("UPSTREAM_RATE_LIMITED"), &json!(true), &json!(2))
    );
    assert_eq!(extensions.get("outcome"), None);
    sandbox.fault(json!({"route": UNMASKED, "times": 1, "fault": {"status": 500}})).await;
    let answer = gateway.ask_with(UPDATE, json!({"input": for_customer(ADA, json!({"name": "N"}))})).await;
    let extensions = &only_error(&answer)["extensions"];
    assert_eq!((&extensions["code"], &extensions["retryable"]), (&json!("UPSTREAM_ERROR"), &json!(true)));
    assert_eq!(extensions.get("outcome"), None, "it failed before anything was written");
    assert_eq!((sandbox.calls().await, sandbox.writes().await.len()), (json!({CREATED: 1, UNMASKED: 1}), 0));
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_with_the_same_key() {
    let (gateway, sandbox) = Gateway::start().await;
    sandbox
        .fault(json!({"route": CREATED, "times": 1, "after_write": true, "fault": {"reset": "before_headers"}}))
        .await;
    let mut input = smallest("n@example.test");
    input["idempotencyKey"] = json!("my-own-key-1");
    only_error(&gateway.ask_with(CREATE, json!({"input": input})).await);
    assert_eq!(run(&gateway, CREATE, input).await["customer"]["name"], "Tess Planted");
    assert_eq!(sandbox.writes().await.len(), 1);
}

/// Sends a mutation, disconnects during a call of this route, and waits for the write.
async fn hang_up(route: &str) -> (Arc<Gateway>, crate::support::Sandbox) {
    let (gateway, sandbox) = Gateway::start().await;
    let gateway = Arc::new(gateway);
    let name = format!("{{ customer(id: \"{REX}\") {{ name }} }}");
    assert_eq!(gateway.data(&name).await["customer"]["name"], "Rex Example");
    // Far longer than a busy machine takes to disconnect.
    sandbox.latency(1500).await;
    let caller = tokio::spawn({
        let gateway = Arc::clone(&gateway);
        async move { gateway.ask_with(UPDATE, json!({"input": for_customer(REX, json!({"name": "Rex Renamed"}))})).await }
    });
    sandbox.until_calls(|calls| count(calls, route) == 1).await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled(), "the caller left before its answer");
    (gateway, sandbox)
}

#[rstest]
#[case::while_the_record_is_read(UNMASKED)]
#[case::while_the_write_is_under_way(REPLACED)]
#[tokio::test]
async fn a_write_whose_caller_hung_up_takes_effect_once_and_is_seen(#[case] route: &str) {
    let (gateway, sandbox) = hang_up(route).await;
    sandbox.latency(0).await;
    let name = format!("{{ customer(id: \"{REX}\") {{ name }} }}");
    for round in 0.. {
        assert!(round < 1000, "the write was never seen");
        if gateway.data(&name).await["customer"]["name"] == "Rex Renamed" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(sandbox.writes().await.len(), 1);
    assert_eq!(count(&sandbox.calls().await, REPLACED), 1);
}

#[tokio::test]
async fn a_write_goes_on_past_its_requests_deadline_and_the_caller_is_told() {
    let (gateway, sandbox) = Gateway::with(|settings| settings.server.deadline = Duration::from_millis(300)).await;
    sandbox.latency(1000).await;
    let answer = gateway.ask_with(DELETE, json!({"input": {"id": REX}})).await;
    let error = only_error(&answer);
    assert_eq!(
        (&error["extensions"]["code"], &error["extensions"]["retryable"]),
        (&json!("UPSTREAM_TIMEOUT"), &json!(false))
    );
    assert!(error["message"].as_str().unwrap().contains("may have been made"));
    assert_eq!(error["extensions"]["outcome"], "UNKNOWN");
    for round in 0.. {
        assert!(round < 1000, "the write was never done");
        if sandbox.writes().await.len() == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_second_delete_is_not_found() {
    let (gateway, _sandbox) = Gateway::start().await;
    assert_eq!(run(&gateway, DELETE, json!({"id": ADA})).await, json!({"deletedCustomerId": ADA, "userErrors": []}));
    let again = run(&gateway, DELETE, json!({"id": ADA})).await;
    assert_eq!(complaints(&again), [("NOT_FOUND".to_owned(), "input.id".to_owned())]);
}

#[tokio::test]
async fn a_customer_in_clear_is_not_shown_where_the_upstream_forbids_it() {
    let (gateway, _sandbox) = Gateway::passthrough().await;
    let answer = gateway.ask_as("key-no-unmask", super::UNMASK, json!({"input": {"id": ADA}})).await;
    assert_eq!(only_error(&answer)["extensions"]["code"], "FORBIDDEN");
}
