//! Lists inside input objects, and their errors.

use std::collections::BTreeSet;

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Gateway, codes};

const CREATE: &str = "mutation ($input: CreateCustomerInput!) { result: createCustomer(input: $input) { userErrors { code message path } } }";
const UPDATE: &str = "mutation ($input: UpdateCustomerInput!) { result: updateCustomer(input: $input) { userErrors { code message path } } }";

fn company(more: &Value) -> Value {
    let mut input = json!({"name": "A", "type": "BUSINESS", "email": "a@example.test", "phone": "+12025550123", "device": {"ipAddress": "203.0.113.9"}});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    input
}

fn representatives(count: usize, one: &Value) -> Value {
    json!({"complianceProfile": {"business": {"representatives": vec![one; count]}}})
}

fn metadata(count: usize) -> Value {
    json!({"metadata": (0..count).map(|i| json!({"key": i.to_string(), "value": "v".repeat(41)})).collect::<Vec<_>>()})
}

/// A new list of the schema belongs into the tests below, and its limit into the gateway.
#[tokio::test]
async fn every_list_inside_an_input_object_is_known_here() {
    let (gateway, _sandbox) = Gateway::start().await;
    let types = "{ __schema { types { name inputFields { name type { kind ofType { kind } } } } } }";
    let data = gateway.data(types).await;
    let mut lists = BTreeSet::new();
    for input in data["__schema"]["types"].as_array().unwrap() {
        for field in input["inputFields"].as_array().map(Vec::as_slice).unwrap_or_default() {
            if field["type"]["kind"] == "LIST" || field["type"]["ofType"]["kind"] == "LIST" {
                lists.insert(format!("{}.{}", input["name"].as_str().unwrap(), field["name"].as_str().unwrap()));
            }
        }
    }
    let known = [
        "BusinessComplianceProfileInput.representatives",
        "CreateCustomerInput.metadata",
        "CustomerFilter.statuses",
        "CustomerFilter.types",
        "UpdateCustomerInput.metadata",
    ];
    assert_eq!(lists, known.map(str::to_owned).into());
}

#[rstest]
#[case::statuses("statuses", "REVIEW")]
#[case::types("types", "BUSINESS")]
#[tokio::test]
async fn a_filter_takes_a_hundred_values(#[case] field: &str, #[case] word: &str) {
    let (gateway, sandbox) = Gateway::start().await;
    let query = "query ($filter: CustomerFilter) { customers(filter: $filter) { totalCount } }";
    let filter = |count: usize| json!({"filter": {field: vec![word; count]}});
    let refused = gateway.ask_with(query, filter(101)).await;
    assert_eq!(codes(&refused), ["BAD_USER_INPUT"]);
    let told = format!("`filter.{field}` takes 100 values at most.");
    assert_eq!(refused["errors"][0]["message"], told);
    assert_eq!(sandbox.calls().await, json!({}));
    gateway.data_with(query, filter(100)).await;
}

#[rstest]
#[case::representatives(&representatives(2000, &json!({"name": "", "email": "x", "phone": "x"})), "complianceProfile.business.representatives")]
#[case::one_too_many(&representatives(101, &json!({"name": "R"})), "complianceProfile.business.representatives")]
#[case::metadata(&metadata(2000), "metadata")]
#[tokio::test]
async fn a_too_long_list_is_one_user_error(#[case] list: &Value, #[case] path: &str) {
    let (gateway, sandbox) = Gateway::start().await;
    let update = |list: &Value| {
        let mut input = list.clone();
        input["id"] = json!(customers_sandbox::seed::BLUE_KETTLE);
        input
    };
    for (mutation, input) in [(CREATE, company(list)), (UPDATE, update(list))] {
        let errors = gateway.data_with(mutation, json!({"input": input})).await["result"]["userErrors"].clone();
        let errors = errors.as_array().unwrap();
        let path: Vec<&str> = std::iter::once("input").chain(path.split('.')).collect();
        assert_eq!((errors.len(), &errors[0]["path"], &errors[0]["code"]), (1, &json!(path), &json!("INVALID")));
    }
    assert_eq!(sandbox.calls().await, json!({}));
}

#[tokio::test]
async fn a_hundred_representatives_are_taken() {
    let (gateway, sandbox) = Gateway::start().await;
    let input = company(&representatives(100, &json!({"name": "R"})));
    assert_eq!(gateway.data_with(CREATE, json!({"input": input})).await["result"]["userErrors"], json!([]));
    assert_eq!(sandbox.writes().await.len(), 1);
}

#[tokio::test]
async fn user_errors_are_limited_to_a_hundred() {
    let (gateway, _sandbox) = Gateway::start().await;
    let input = company(&representatives(100, &json!({"name": "", "email": "x", "phone": "x"})));
    let data = gateway.data_with(CREATE, json!({"input": input})).await;
    let errors = data["result"]["userErrors"].as_array().unwrap();
    assert_eq!(errors.len(), 101);
    assert_eq!(errors[100]["message"], "More is wrong than is told here: these are the first 100.");
    assert_eq!((&errors[100]["path"], &errors[100]["code"]), (&Value::Null, &json!("INVALID")));
}
