//! A document that passed validation is not validated again: what it is told, refused and allowed is the same all the same.

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::gateway::Got;
use crate::support::{Gateway, codes};

/// The answer with its status, without what differs from request to request.
async fn answer(gateway: &Gateway, body: &Value) -> (u16, Value) {
    let request = gateway.post(body).header("accept", "application/graphql-response+json");
    let got = Got::from(request.send().await.unwrap()).await;
    let mut answer = got.json();
    for error in answer["errors"].as_array_mut().into_iter().flatten() {
        error["extensions"]["requestId"] = Value::Null;
    }
    (got.status, answer)
}

const PAGE: &str = "query ($p: Int = 2) { customerPage(number: $p) { meta { pageNumber } } }";
const SHOWN: &str = "query ($v: Boolean = true) { viewer { subject permissions @include(if: $v) } }";
const FILTER: &str = "query ($f: CustomerFilter, $first: Int) { customers(filter: $f, first: $first) { totalCount } }";
const WORD: &str = "query ($s: CustomerStatus!) { customers(filter: {statuses: [$s]}) { totalCount } }";
const ONE_OF: &str = "mutation ($p: IndividualComplianceProfileInput) { updateCustomer(input: {id: \"x\", complianceProfile: {individual: $p}}) { userErrors { code } } }";
const ONE_FOR_A_LIST: &str = "mutation ($k: String) { a: deleteCustomer(input: {id: \"x\"}) { userErrors { code } } \
    updateCustomer(input: {id: \"x\", metadata: {key: $k, value: \"v\"}}) { userErrors { code } } customers: __typename }";

/// What a gateway says that knows the document is what one says that does not.
#[rstest]
#[case::null_where_a_default_stands(PAGE, json!({"p": 1}), json!({"p": null}))]
#[case::null_for_a_condition(SHOWN, json!({}), json!({"v": null}))]
#[case::another_condition(SHOWN, json!({"v": true}), json!({"v": false}))]
#[case::a_number_that_does_not_fit(FILTER, json!({"first": 1}), json!({"first": 3_000_000_000_u32}))]
#[case::a_number_out_of_range(FILTER, json!({"first": 1}), json!({"first": -1}))]
#[case::a_field_that_is_not_there(FILTER, json!({"f": {"name": "a"}}), json!({"f": {"planted": 1}}))]
#[case::a_time_that_is_none(FILTER, json!({"f": {"createdFrom": "2026-01-01T00:00:00Z"}}), json!({"f": {"createdFrom": "x"}}))]
#[case::null_for_an_object(FILTER, json!({"f": {}}), json!({"f": null}))]
#[case::nothing_at_all(FILTER, json!({"f": {}, "first": 1}), json!({}))]
#[case::a_word_that_is_none(WORD, json!({"s": "REVIEW"}), json!({"s": "PLANTED"}))]
#[case::nothing_that_is_needed(WORD, json!({"s": "REVIEW"}), json!({}))]
#[case::null_in_a_one_of(ONE_OF, json!({"p": {"dob": "1980-01-01"}}), json!({"p": null}))]
#[case::nothing_in_a_one_of(ONE_OF, json!({"p": {"dob": "1980-01-01"}}), json!({}))]
#[case::null_in_one_for_a_list(ONE_FOR_A_LIST, json!({"k": "k"}), json!({"k": null}))]
#[tokio::test]
async fn a_cached_document_gives_the_same_errors(#[case] query: &str, #[case] right: Value, #[case] wrong: Value) {
    let right = json!({"query": query, "variables": right});
    let wrong = json!({"query": query, "variables": wrong});
    let (new, _sandbox) = Gateway::start().await;
    let expected = answer(&new, &wrong).await;
    assert_eq!(answer(&new, &wrong).await, expected, "asked again");
    let (knowing, _sandbox) = Gateway::start().await;
    let first = answer(&knowing, &right).await;
    for _ in 0..2 {
        assert_eq!(answer(&knowing, &wrong).await, expected);
        assert_eq!(answer(&knowing, &right).await, first);
    }
}

#[tokio::test]
async fn one_operation_that_passed_says_nothing_of_another() {
    let (gateway, _sandbox) = Gateway::start().await;
    let query = "query A { viewer { subject } } query B($n: Int!) { customers(first: $n) { totalCount } }";
    let ask = |name: &str, variables: Value| json!({"query": query, "operationName": name, "variables": variables});
    for _ in 0..2 {
        assert_eq!(answer(&gateway, &ask("A", json!({}))).await.0, 200);
        let (status, told) = answer(&gateway, &ask("B", json!({}))).await;
        assert_eq!((status, codes(&told)), (400, vec!["BAD_USER_INPUT"]), "{told}");
    }
}

#[tokio::test]
async fn an_invalid_document_stays_invalid() {
    let (gateway, sandbox) = Gateway::start().await;
    let wrong = [
        "{ viewer { subject nowhere } }",
        "{ viewer { subject @nowhere } }",
        "{ customers(first: \"planted\") { totalCount } }",
        "query ($v: Int) { viewer { subject } }",
        "{ customer(id: $v) { id } }",
        "mutation { deleteCustomer { deletedCustomerId } }",
        "mutation { a: deleteCustomer(input: {id: \"x\"}) { deletedCustomerId } b: deleteCustomer(input: {id: \"x\", nowhere: 1}) { deletedCustomerId } }",
    ];
    for query in wrong {
        let first = answer(&gateway, &json!({"query": query})).await;
        assert_eq!((first.0, codes(&first.1)[0]), (400, "GRAPHQL_VALIDATION_FAILED"), "{}", first.1);
        for _ in 0..2 {
            assert_eq!(answer(&gateway, &json!({"query": query})).await, first);
        }
    }
    assert_eq!(sandbox.calls().await, json!({}));
}

#[tokio::test]
async fn introspection_that_is_off_stays_so_for_a_document_that_is_known() {
    let (gateway, _sandbox) =
        Gateway::with(|settings| settings.graphql.introspection = customers_gateway::config::Switch::Off).await;
    let body = json!({"query": "{ viewer { subject } __schema { queryType { name } } }"});
    let first = answer(&gateway, &body).await;
    assert!(!first.1.to_string().contains("Query"), "{}", first.1);
    for _ in 0..2 {
        assert_eq!(answer(&gateway, &body).await, first);
    }
    // By GET a known mutation is as little run as an unknown one.
    let query = "mutation { deleteCustomer(input: {id: \"x\"}) { userErrors { code } } }";
    assert_eq!(answer(&gateway, &json!({"query": query})).await.0, 200);
    let by_get = gateway.request(Method::GET, "/graphql").query(&[("query", query)]).send().await.unwrap();
    assert_eq!(by_get.status(), 405);
}
