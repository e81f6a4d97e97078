//! Each response key belongs to one call: a response never mixes two customers.

use customers_sandbox::seed::{ADA, REX};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::gateway::Got;
use crate::support::{CUSTOMER, Gateway, REVIEW, codes, only_error};

/// `A` and `B` stand for two customers.
fn of_two(query: &str) -> String {
    query.replace("\"A\"", &format!("\"{ADA}\"")).replace("\"B\"", &format!("\"{REX}\""))
}

#[rstest]
#[case::read_by_an_inline_fragment(
    "{ c: customer(id: \"A\") { name } ... on Query { c: customer(id: \"B\") { email } } }"
)]
#[case::read_by_a_named_fragment(
    "{ c: customer(id: \"A\") { name } ...F } fragment F on Query { c: customer(id: \"B\") { email } }"
)]
#[case::read_by_two_named_fragments(
    "{ ...F ...G } fragment F on Query { c: customer(id: \"A\") { name } } fragment G on Query { c: customer(id: \"B\") { email } }"
)]
#[case::read_deep_in_fragments(
    "{ ... { ... on Query { c: customer(id: \"A\") { name } } } ... { ...F } } fragment F on Query { c: customer(id: \"B\") { email } }"
)]
#[case::unmasked(
    "mutation { u: unmaskCustomer(input: {id: \"A\"}) { unmaskedCustomer { name } } ... on Mutation { u: unmaskCustomer(input: {id: \"B\"}) { unmaskedCustomer { email } } } }"
)]
#[case::erased(
    "mutation { d: deleteCustomer(input: {id: \"A\"}) { deletedCustomerId } ... on Mutation { d: deleteCustomer(input: {id: \"B\"}) { userErrors { code } } } }"
)]
#[case::a_nested_field("{ customerReview(customerId: \"A\") { identity { d: decision } identity { d: reviewId } } }")]
#[case::a_nested_field_by_a_fragment(
    "{ customerReview(customerId: \"A\") { identity { d: decision } ...F } } fragment F on CustomerReview { identity { d: reviewId } }"
)]
#[case::by_conditions(
    "query ($v: Boolean!) { c: customer(id: \"A\") @include(if: $v) { name } c: customer(id: \"B\") @skip(if: $v) { email } }"
)]
#[case::by_conditions_in_fragments(
    "query ($v: Boolean!) { c: customer(id: \"A\") { name } ... on Query @include(if: $v) { c: customer(id: \"B\") { email } } }"
)]
#[case::by_a_variable("query ($b: ID!) { c: customer(id: \"A\") { name } ... { c: customer(id: $b) { email } } }")]
#[case::a_list_that_goes_on("{ n: nodes(ids: [\"A\"]) { id } n: nodes(ids: [\"A\", \"B\"]) { id } }")]
#[case::a_list_that_is_empty("{ n: nodes(ids: []) { id } n: nodes(ids: [\"A\"]) { id } }")]
#[case::a_list_in_an_input(
    "mutation { u: updateCustomer(input: {id: \"A\", metadata: []}) { userErrors { code } } u: updateCustomer(input: {id: \"A\", metadata: [{key: \"k\", value: \"v\"}]}) { userErrors { code } } }"
)]
#[case::below_an_interface("{ node(id: \"A\") { n: id ... on Customer { n: name } } }")]
#[tokio::test]
async fn two_calls_under_one_key_are_refused_before_anything_runs(#[case] query: &str) {
    let (gateway, sandbox) = Gateway::start().await;
    for value in [true, false] {
        let variables = match query {
            query if query.contains("$v") => json!({"v": value}),
            query if query.contains("$b") => json!({"b": REX}),
            _ => json!({}),
        };
        let answer = gateway.ask_with(&of_two(query), variables).await;
        assert!(codes(&answer).iter().all(|code| *code == "GRAPHQL_VALIDATION_FAILED"), "{answer}");
        assert_eq!(answer.get("data"), None, "{answer}");
        assert!(answer["errors"][0]["locations"][0]["column"].as_u64().is_some_and(|column| column > 1), "{answer}");
    }
    assert_eq!(sandbox.calls().await, json!({}));
}

#[rstest]
#[case(
    "query ($r: [_Any!]!) { e: _entities(representations: [{__typename: \"Customer\", id: \"A\"}]) { ... on Customer { name } } ... { e: _entities(representations: $r) { ... on Customer { email } } } }"
)]
#[case(
    "{ e: _entities(representations: [{__typename: \"Customer\", id: \"A\"}]) { ... on Customer { name } } e: _entities(representations: [{__typename: \"Customer\", id: \"A\"}, {__typename: \"Customer\", id: \"B\"}]) { ... on Customer { email } } }"
)]
#[case(
    "{ _entities(representations: [{__typename: \"Customer\", id: \"A\"}]) { ... on Customer { n: name } ... on Customer { n: email } } }"
)]
#[tokio::test]
async fn two_calls_under_one_key_of_a_subgraph_are_refused(#[case] query: &str) {
    let (gateway, sandbox) = Gateway::with(|settings| settings.graphql.federation = true).await;
    let variables = if query.contains("$r") { json!({"r": []}) } else { json!({}) };
    let answer = gateway.ask_with(&of_two(query), variables).await;
    assert_eq!((codes(&answer), answer.get("data")), (vec!["GRAPHQL_VALIDATION_FAILED"], None), "{answer}");
    assert_eq!(sandbox.calls().await, json!({}));
}

#[tokio::test]
async fn one_call_that_is_selected_in_many_places_is_made_once() {
    let (gateway, sandbox) = Gateway::start().await;
    let query = of_two(
        "query ($v: Boolean! = true) { c: customer(id: \"A\") { name } ...F ... on Query @include(if: $v) { c: customer(id: \"A\") { address { city } } } }
         fragment F on Query { ... { c: customer(id: \"A\") { address { state } name ...G } } }
         fragment G on Node { id }",
    );
    let expected = json!({"c": {"name": "Ada Example", "address": {"city": "Portland", "state": "OR"}, "id": ADA}});
    let data = gateway.data(&query).await;
    assert_eq!(data, expected);
    // In the order in which the keys stand first.
    assert_eq!(data["c"]["address"].as_object().unwrap().keys().collect::<Vec<_>>().len(), 2);
    assert_eq!(sandbox.calls().await, json!({CUSTOMER: 1}));
}

#[tokio::test]
async fn a_failed_field_selected_twice_gives_one_error() {
    let (gateway, sandbox) = Gateway::start().await;
    sandbox.fault(json!({"route": REVIEW, "fault": {"status": 500}})).await;
    let query = of_two(
        "{ customer(id: \"A\") { name review { identity { decision } } } ... { customer(id: \"A\") { review { customer { id } } phone } } }",
    );
    let answer = gateway.ask(&query).await;
    assert_eq!(only_error(&answer)["path"], json!(["customer", "review"]));
    assert_eq!(answer["data"]["customer"]["name"], "Ada Example");
    assert_eq!(answer["data"]["customer"]["review"], Value::Null);
    assert!(answer["data"]["customer"]["phone"].is_string(), "{answer}");
}

#[tokio::test]
async fn an_unmasking_that_is_selected_twice_counts_once() {
    let (gateway, _sandbox) = Gateway::with(|settings| settings.privacy.max_unmask_per_operation = 1).await;
    let query = of_two(
        "mutation { unmaskCustomer(input: {id: \"A\"}) { unmaskedCustomer { name } } ...F } fragment F on Mutation { unmaskCustomer(input: {id: \"A\"}) { unmaskedCustomer { email } userErrors { code } } }",
    );
    let data = gateway.data(&query).await;
    assert_eq!(data["unmaskCustomer"]["unmaskedCustomer"]["name"], "Ada Example");
}

/// Introspection's own variables and defaults are put in as any other's.
#[tokio::test]
async fn introspection_takes_variables_and_fragments() {
    let (gateway, _sandbox) = Gateway::start().await;
    let query = "query ($d: Boolean, $n: String!) { __type(name: $n) { ...T fields(includeDeprecated: $d) { name } isOneOf } } \
        fragment T on __Type { name kind fields { name } }";
    let answer =
        Got::from(gateway.post(&json!({"query": query, "variables": {"n": "Viewer"}})).send().await.unwrap()).await;
    assert_eq!(
        codes(&answer.json()),
        ["GRAPHQL_VALIDATION_FAILED"],
        "`fields` with and without an argument: {}",
        answer.text
    );
    let query = query.replace("kind fields { name }", "kind");
    let data = gateway.data_with(&query, json!({"n": "Viewer"})).await;
    assert_eq!((&data["__type"]["name"], &data["__type"]["isOneOf"]), (&json!("Viewer"), &Value::Null));
    let one_of = gateway.data("{ __type(name: \"ComplianceProfileInput\") { isOneOf } }").await;
    assert_eq!(one_of["__type"]["isOneOf"], true);
}
