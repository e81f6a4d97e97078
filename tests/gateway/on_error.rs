//! The request parameter `onError` and its default: how far an error propagates in the response.

use customers_gateway::operation::OnError;
use customers_sandbox::seed::{ADA, REX, RHEA};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::gateway::{Got, send};
use crate::support::{CUSTOMER, Gateway, LIST, REVIEW, Sandbox, codes, count, only_error};

async fn ask(gateway: &Gateway, query: &str, on_error: &str) -> Value {
    send(gateway.post(&json!({"query": query, "onError": on_error}))).await
}

const FIVE: &str = "{ a: customers(filter: {statuses: PENDING}) { totalCount } b: customers(filter: {statuses: REVIEW}) { totalCount } \
    c: customers(filter: {statuses: VERIFIED}) { totalCount } d: customers(filter: {statuses: INACTIVE}) { totalCount } \
    e: customers(filter: {statuses: REJECTED}) { totalCount } }";

/// A gateway whose next list call fails.
async fn one_failure() -> (Gateway, Sandbox) {
    let (gateway, sandbox) = Gateway::start().await;
    sandbox.fault(json!({"route": LIST, "times": 1, "fault": {"status": 500}})).await;
    (gateway, sandbox)
}

#[tokio::test]
async fn on_error_null_returns_four_of_five_counts() {
    let (gateway, sandbox) = one_failure().await;
    let answer = ask(&gateway, FIVE, "NULL").await;
    let failed = only_error(&answer)["path"][0].as_str().unwrap().to_owned();
    let data = answer["data"].as_object().unwrap();
    assert_eq!(data.keys().collect::<Vec<_>>(), ["a", "b", "c", "d", "e"]);
    for (key, value) in data {
        assert_eq!(value.is_null(), *key == failed, "{answer}");
        assert!(value.is_null() || value["totalCount"].is_u64(), "{answer}");
    }
    assert_eq!(count(&sandbox.calls().await, LIST), 5);
}

#[rstest]
#[case("PROPAGATE")]
#[case("HALT")]
#[tokio::test]
async fn on_error_propagate_nulls_data_for_a_non_null_root_field(#[case] on_error: &str) {
    let (gateway, _sandbox) = one_failure().await;
    let answer = ask(&gateway, FIVE, on_error).await;
    assert_eq!((&answer["data"], codes(&answer)), (&Value::Null, vec!["UPSTREAM_ERROR"]), "{answer}");
}

#[tokio::test]
async fn a_field_that_can_be_null_is_null_and_under_halt_there_is_no_data() {
    let (gateway, sandbox) = Gateway::start().await;
    sandbox.fault(json!({"route": REVIEW, "fault": {"status": 500}})).await;
    let query =
        format!("{{ customer(id: \"{ADA}\") {{ name review {{ customer {{ id }} }} }} viewer {{ permissions }} }}");
    for on_error in ["PROPAGATE", "NULL"] {
        let answer = ask(&gateway, &query, on_error).await;
        assert_eq!(answer["data"]["customer"], json!({"name": "Ada Example", "review": null}), "{answer}");
        assert!(answer["data"]["viewer"]["permissions"].is_array());
        assert_eq!(only_error(&answer)["path"], json!(["customer", "review"]));
    }
    let answer = ask(&gateway, &query, "HALT").await;
    assert_eq!((&answer["data"], codes(&answer)), (&Value::Null, vec!["UPSTREAM_ERROR"]), "{answer}");
}

fn three_deletions() -> String {
    let delete = |key: &str, id: String| {
        format!("{key}: deleteCustomer(input: {{id: \"{id}\"}}) {{ deletedCustomerId userErrors {{ code }} }}")
    };
    let ids = [REX, RHEA, ADA].map(|id| id.to_string());
    format!(
        "mutation {{ {} {} {} }}",
        delete("a", ids[0].clone()),
        delete("b", ids[1].clone()),
        delete("c", ids[2].clone())
    )
}

/// A gateway that cannot delete the customer Rhea.
async fn rhea_stays() -> (Gateway, Sandbox) {
    let (gateway, sandbox) = Gateway::start().await;
    let fault = json!({"route": "DELETE /v1/customers/{id}", "customer_id": RHEA, "fault": {"status": 403}});
    sandbox.fault(fault).await;
    (gateway, sandbox)
}

#[tokio::test]
async fn on_error_null_returns_successful_mutations_beside_failed_ones() {
    let (gateway, sandbox) = rhea_stays().await;
    let answer = ask(&gateway, &three_deletions(), "NULL").await;
    assert_eq!(only_error(&answer)["path"], json!(["b"]));
    let done = |id| json!({"deletedCustomerId": id, "userErrors": []});
    assert_eq!(answer["data"], json!({"a": done(REX), "b": null, "c": done(ADA)}));
    assert_eq!(sandbox.writes().await.len(), 2);
}

#[tokio::test]
async fn on_error_propagate_starts_no_further_mutation() {
    for on_error in ["PROPAGATE", "HALT"] {
        let (gateway, sandbox) = rhea_stays().await;
        let answer = ask(&gateway, &three_deletions(), on_error).await;
        assert_eq!((&answer["data"], codes(&answer)), (&Value::Null, vec!["FORBIDDEN"]), "{answer}");
        assert_eq!(sandbox.writes().await.len(), 1, "the first one");
    }
}

/// The review of the first payload fails. It is nullable, so only under HALT the second mutation does not start.
#[tokio::test]
async fn halt_ends_a_mutation_at_an_error_inside_a_payload() {
    for (on_error, writes) in [("HALT", 1), ("PROPAGATE", 2), ("NULL", 2)] {
        let (gateway, sandbox) = Gateway::start().await;
        sandbox.fault(json!({"route": REVIEW, "fault": {"status": 500}})).await;
        let update = |key: &str, id| {
            format!(
                "{key}: updateCustomer(input: {{id: \"{id}\", name: \"New Name\"}}) {{ customer {{ name review {{ customer {{ id }} }} }} }} "
            )
        };
        let query = format!("mutation {{ {} {} }}", update("a", REX), update("b", ADA));
        let answer = ask(&gateway, &query, on_error).await;
        assert_eq!(answer["data"].is_null(), on_error == "HALT", "{answer}");
        assert_eq!(sandbox.writes().await.len(), writes, "{on_error}: {answer}");
    }
}

#[tokio::test]
async fn on_error_null_makes_the_same_upstream_calls() {
    for on_error in ["PROPAGATE", "NULL"] {
        let (gateway, sandbox) = Gateway::start().await;
        let query = format!(
            "{{ a: customer(id: \"{ADA}\") {{ name }} b: customerReview(customerId: \"{ADA}\") {{ identity {{ decision }} }} \
              c: node(id: \"{ADA}\") {{ id }} d: customer(id: \"{REX}\") {{ name }} viewer {{ subject }} }}"
        );
        let answer = ask(&gateway, &query, on_error).await;
        assert_eq!(answer.get("errors"), None, "{answer}");
        assert_eq!(answer["data"].as_object().unwrap().keys().collect::<Vec<_>>(), ["a", "b", "c", "d", "viewer"]);
        assert_eq!(sandbox.calls().await, json!({CUSTOMER: 1, REVIEW: 1}));
    }
}

#[tokio::test]
async fn on_error_is_read_from_settings_and_query_parameters() {
    let (gateway, sandbox) = Gateway::with(|settings| settings.graphql.executor.on_error = OnError::Null).await;
    let missing = "{ customers(first: 1) { totalCount } viewer { permissions } }";
    sandbox.fault(json!({"route": LIST, "fault": {"status": 500}})).await;
    let by_setting = gateway.ask(missing).await;
    assert_eq!(by_setting["data"]["customers"], Value::Null);
    assert!(by_setting["data"]["viewer"]["permissions"].is_array());
    let asked = gateway.request(Method::GET, "/graphql").query(&[("query", missing), ("onError", "PROPAGATE")]);
    assert_eq!(send(asked).await["data"], Value::Null);
}

#[rstest]
#[case(json!("null"))]
#[case(json!("planted"))]
#[case(json!(1))]
#[case(json!({"planted": 1}))]
#[tokio::test]
async fn an_invalid_on_error_is_rejected_with_the_valid_ones(#[case] on_error: Value) {
    let (gateway, _sandbox) = Gateway::start().await;
    let got =
        Got::from(gateway.post(&json!({"query": "{ __typename }", "onError": on_error})).send().await.unwrap()).await;
    let answer = got.json();
    assert_eq!((got.status, codes(&answer)), (400, vec!["BAD_REQUEST"]));
    let message = answer["errors"][0]["message"].as_str().unwrap();
    assert!(["NULL", "PROPAGATE", "HALT"].iter().all(|mode| message.contains(mode)) && !got.text.contains("planted"));
    let none = gateway.post(&json!({"query": "{ __typename }", "onError": null}));
    assert_eq!(send(none).await["data"]["__typename"], "Query");
}
