//! GraphQL language features that the engine alone handles incorrectly.

use customers_sandbox::seed::{ADA, REX, RHEA};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::gateway::Got;
use crate::support::{CUSTOMER, Gateway, LIST, codes, only_error};

/// The response under the newer media type, with its status.
async fn strictly(gateway: &Gateway, query: &str, variables: Value) -> (u16, Value) {
    let request = gateway.post(&json!({"query": query, "variables": variables}));
    let got = Got::from(request.header("accept", "application/graphql-response+json").send().await.unwrap()).await;
    (got.status, got.json())
}

/// The data of an operation without errors. A second request, for which the document is cached, must return the same.
async fn twice(gateway: &Gateway, query: &str, variables: Value) -> Value {
    let first = gateway.data_with(query, variables.clone()).await;
    assert_eq!(gateway.data_with(query, variables).await, first);
    first
}

/// Checks that a request is rejected before anything runs, with one error of this code, and without upstream calls.
async fn refused(query: &str, variables: Value, code: &str) -> Value {
    let (gateway, sandbox) = Gateway::start().await;
    let (status, answer) = strictly(&gateway, query, variables.clone()).await;
    assert_eq!((status, answer.get("data")), (400, None), "{answer}");
    let (status_again, again) = strictly(&gateway, query, variables).await;
    assert_eq!((status_again, codes(&again)), (status, codes(&answer)));
    assert_eq!(again["errors"][0]["message"], answer["errors"][0]["message"]);
    assert!(codes(&answer).iter().all(|found| *found == code), "{answer}");
    assert_eq!(sandbox.calls().await, json!({}));
    answer
}

#[rstest]
#[case::include_by_its_default("query ($v: Boolean = true) { viewer { subject permissions @include(if: $v) } }", json!({}), true)]
#[case::include_by_its_value("query ($v: Boolean = true) { viewer { subject permissions @include(if: $v) } }", json!({"v": false}), false)]
#[case::skip_by_its_default("query ($v: Boolean = true) { viewer { subject permissions @skip(if: $v) } }", json!({}), false)]
#[case::skip_by_its_value("query ($v: Boolean = true) { viewer { subject permissions @skip(if: $v) } }", json!({"v": false}), true)]
#[case::both("query ($a: Boolean = true, $b: Boolean = false) { viewer { subject permissions @include(if: $a) @skip(if: $b) } }", json!({}), true)]
#[case::on_a_fragment("query ($v: Boolean = false) { viewer { subject ... @include(if: $v) { permissions } } }", json!({}), false)]
#[tokio::test]
async fn conditions_see_the_defaults_of_variables(#[case] query: &str, #[case] variables: Value, #[case] there: bool) {
    let (gateway, _sandbox) = Gateway::start().await;
    let viewer = twice(&gateway, query, variables).await["viewer"].clone();
    assert_eq!(viewer.get("permissions").is_some(), there);
    assert!(viewer.get("subject").is_some());
}

#[rstest]
#[case::not_given("query ($p: Int) { customerPage(number: $p, size: 10) { meta { pageNumber pageSize } } }", json!({}), (1, 10))]
#[case::two_not_given("query ($p: Int, $s: Int) { customerPage(number: $p, size: $s) { meta { pageNumber pageSize } } }", json!({}), (1, 25))]
#[case::given("query ($p: Int) { customerPage(number: $p, size: 10) { meta { pageNumber pageSize } } }", json!({"p": 2}), (2, 10))]
#[case::by_its_own_default("query ($p: Int = 3) { customerPage(number: $p, size: 10) { meta { pageNumber pageSize } } }", json!({}), (3, 10))]
#[case::in_a_fragment("query ($p: Int) { ...F } fragment F on Query { customerPage(number: $p) { meta { pageNumber pageSize } } }", json!({}), (1, 25))]
#[tokio::test]
async fn an_argument_whose_variable_is_not_given_has_its_default(
    #[case] query: &str,
    #[case] variables: Value,
    #[case] (number, size): (u32, u32),
) {
    let (gateway, _sandbox) = Gateway::start().await;
    let data = twice(&gateway, query, variables).await;
    assert_eq!(data["customerPage"]["meta"], json!({"pageNumber": number, "pageSize": size}));
}

#[tokio::test]
async fn an_optional_argument_whose_variable_is_not_given_is_left_out() {
    let (gateway, sandbox) = Gateway::start().await;
    let query = "query ($f: CustomerFilter, $s: CustomerSort, $first: Int, $after: String, $n: String, $st: [CustomerStatus!]) { \
        a: customers(filter: $f, sort: $s, first: $first, after: $after) { totalCount } \
        b: customers(filter: {name: $n, statuses: $st}) { totalCount } }";
    let data = twice(&gateway, query, json!({})).await;
    assert_eq!(data, json!({"a": {"totalCount": 250}, "b": {"totalCount": 250}}));
    assert_eq!(sandbox.calls().await, json!({LIST: 1}));
}

#[rstest]
#[case::missing("query ($id: ID!) { customer(id: $id) { id } }", json!({}))]
#[case::null("query ($id: ID!) { customer(id: $id) { id } }", json!({"id": null}))]
#[case::an_object_for_an_id("query ($id: ID!) { customer(id: $id) { id } }", json!({"id": {"planted": 1}}))]
#[case::a_text_for_a_number("query ($n: Int!) { customers(first: $n) { totalCount } }", json!({"n": "planted"}))]
#[case::a_fraction("query ($n: Int!) { customers(first: $n) { totalCount } }", json!({"n": 1.5}))]
#[case::past_32_bits("query ($n: Int!) { customers(first: $n) { totalCount } }", json!({"n": 2_147_483_648_u32}))]
#[case::before_32_bits("query ($n: Int!) { customers(first: $n) { totalCount } }", json!({"n": -2_147_483_649_i64}))]
#[case::an_unknown_word("query ($s: [CustomerStatus!]) { customers(filter: {statuses: $s}) { totalCount } }", json!({"s": ["planted"]}))]
#[case::null_in_a_list("query ($s: [CustomerStatus!]) { customers(filter: {statuses: $s}) { totalCount } }", json!({"s": ["REVIEW", null]}))]
#[case::an_unknown_field("query ($f: CustomerFilter) { customers(filter: $f) { totalCount } }", json!({"f": {"planted": 1}}))]
#[case::a_missing_field("mutation ($i: DeleteCustomerInput!) { deleteCustomer(input: $i) { deletedCustomerId } }", json!({"i": {"reason": "planted"}}))]
#[case::a_text_for_a_condition("query ($v: Boolean!) { viewer @include(if: $v) { subject } }", json!({"v": "planted"}))]
#[tokio::test]
async fn a_variable_that_does_not_fit_fails_the_request(#[case] query: &str, #[case] variables: Value) {
    let answer = refused(query, variables, "BAD_USER_INPUT").await;
    only_error(&answer);
    // The name of an unknown field is text of the caller, as a value is.
    assert!(!answer.to_string().contains("planted"), "{answer}");
}

#[rstest]
#[case::an_unknown_directive("{ __typename @planted }")]
#[case::an_unknown_directive_below("{ viewer { __typename @planted } }")]
#[case::an_unknown_directive_in_a_fragment("{ ...F } fragment F on Query { ... { a: __typename @planted } }")]
#[case::a_condition_without_a_value("{ __typename @include }")]
#[case::a_condition_of_a_wrong_type("{ __typename @skip(if: \"planted\") }")]
#[case::a_condition_twice("{ __typename @skip(if: true) @skip(if: true) }")]
#[case::a_variable_that_is_not_declared("{ __typename @include(if: $planted) }")]
#[case::a_variable_of_a_wrong_type("query ($v: String!) { __typename @include(if: $v) }")]
#[case::an_argument("{ __typename(planted: 1) }")]
#[case::a_field("{ __typename { planted } }")]
#[tokio::test]
async fn directives_at_typename_are_validated(#[case] query: &str) {
    refused(query, json!({"v": "planted"}), "GRAPHQL_VALIDATION_FAILED").await;
}

#[rstest]
#[case("{ __typename viewer { __typename } }", json!({}), json!({"__typename": "Query", "viewer": {"__typename": "Viewer"}}))]
#[case("query ($v: Boolean!) { a: __typename @include(if: $v) b: __typename @skip(if: $v) }", json!({"v": true}), json!({"a": "Query"}))]
#[case("query ($v: Boolean! = false) { viewer { __typename @skip(if: $v) } }", json!({}), json!({"viewer": {"__typename": "Viewer"}}))]
#[case("mutation { __typename @include(if: true) __typename }", json!({}), json!({"__typename": "Mutation"}))]
#[tokio::test]
async fn conditions_at_typename_are_met(#[case] query: &str, #[case] variables: Value, #[case] data: Value) {
    let (gateway, _sandbox) = Gateway::start().await;
    assert_eq!(twice(&gateway, query, variables).await, data);
}

#[rstest]
#[case("{ customers(first: 3000000123) { totalCount } }")]
#[case("{ customers(first: \"planted\") { totalCount } }")]
#[case("{ customers(filter: {statuses: [PLANTED]}) { totalCount } }")]
#[case("{ customers(filter: {createdFrom: \"planted\"}) { totalCount } }")]
#[case("{ customers(filter: {name: 900123456}) { totalCount } }")]
#[case(
    "mutation { updateCustomer(input: {id: \"x\", complianceProfile: {individual: {ssn: \"planted\"}, business: {ein: \"planted\"}}}) { userErrors { code } } }"
)]
#[tokio::test]
async fn a_literal_that_does_not_fit_is_refused_without_being_repeated(#[case] query: &str) {
    let (gateway, sandbox) = Gateway::start().await;
    let answer = gateway.ask(query).await;
    assert!(!codes(&answer).is_empty());
    assert_eq!(gateway.ask(query).await["errors"][0]["message"], answer["errors"][0]["message"]);
    assert!(
        codes(&answer).iter().all(|code| ["BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED"].contains(code)),
        "{answer}"
    );
    assert_eq!(answer.get("data").unwrap_or(&Value::Null), &Value::Null);
    for planted in ["planted", "PLANTED", "900123456", "3000000123"] {
        assert!(!answer.to_string().contains(planted), "{answer}");
    }
    assert_eq!(sandbox.calls().await, json!({}));
}

#[tokio::test]
async fn a_date_time_variable_needs_a_time_zone() {
    let (gateway, sandbox) = Gateway::start().await;
    let query = "query ($f: CustomerFilter) { customers(filter: $f) { totalCount } }";
    let answer = gateway.ask_with(query, json!({"f": {"createdFrom": "2026-01-01 planted"}})).await;
    assert_eq!(codes(&answer), ["BAD_USER_INPUT"]);
    assert!(!answer.to_string().contains("planted"));
    assert_eq!(sandbox.calls().await, json!({}));
}

#[tokio::test]
async fn exactly_one_of_a_one_of_is_given() {
    let both = json!({"individual": {"dob": "1980-01-01"}, "business": {"ein": "12-3456789"}});
    let query = "mutation ($p: ComplianceProfileInput) { updateCustomer(input: {id: \"x\", complianceProfile: $p}) { userErrors { code } } }";
    for profile in [both, json!({}), json!({"individual": null}), json!({"individual": {}, "business": null})] {
        refused(query, json!({"p": profile}), "BAD_USER_INPUT").await;
    }
    for literal in ["{individual: {}, business: {}}", "{}", "{individual: null}"] {
        let query = format!(
            "mutation {{ updateCustomer(input: {{id: \"x\", complianceProfile: {literal}}}) {{ userErrors {{ code }} }} }}"
        );
        let (gateway, sandbox) = Gateway::start().await;
        assert!(!codes(&gateway.ask(&query).await).is_empty(), "{literal}");
        assert_eq!(sandbox.calls().await, json!({}));
    }
}

#[tokio::test]
async fn null_clears_a_field_and_an_absent_field_stays() {
    let (gateway, _sandbox) = Gateway::start().await;
    let query = "mutation ($id: ID!, $e: String, $m: [MetadataEntryInput!], $n: String) { \
        updateCustomer(input: {id: $id, externalId: $e, metadata: $m, name: $n, status: VERIFIED}) { customer { name externalId metadata { key } status } userErrors { code } } }";
    let stays = twice(&gateway, query, json!({"id": ADA})).await;
    let customer = json!({"name": "Ada Example", "externalId": "ada-1", "metadata": [{"key": "referred_by"}, {"key": "tier"}], "status": "VERIFIED"});
    assert_eq!(stays["updateCustomer"], json!({"customer": customer, "userErrors": []}));
    let cleared = twice(&gateway, query, json!({"id": ADA, "e": null})).await;
    assert_eq!(cleared["updateCustomer"]["customer"]["externalId"], Value::Null);
    assert_eq!(cleared["updateCustomer"]["customer"]["metadata"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_single_value_is_coerced_to_a_list_and_enums_come_by_variables() {
    let (gateway, sandbox) = Gateway::start().await;
    let query = "query ($one: [CustomerStatus!], $word: CustomerStatus!) { literal: customers(filter: {statuses: REVIEW}) { totalCount } \
        list: customers(filter: {statuses: $one}) { totalCount } word: customers(filter: {statuses: [$word]}) { totalCount } }";
    let data = twice(&gateway, query, json!({"one": "REVIEW", "word": "REVIEW"})).await;
    assert!(data["literal"]["totalCount"].as_u64().unwrap() > 1);
    assert_eq!((&data["literal"], &data["literal"]), (&data["list"], &data["word"]));
    assert_eq!(sandbox.calls().await, json!({LIST: 1}));
}

#[rstest]
#[case::side_by_side("mutation { a: ID { deletedCustomerId } a: ID { userErrors { code } } }")]
#[case::by_a_fragment(
    "mutation { ...F a: ID { userErrors { code } } } fragment F on Mutation { a: ID { deletedCustomerId } }"
)]
#[case::by_nested_fragments(
    "mutation { ...F ...F ... { a: ID { userErrors { code } } } } fragment F on Mutation { ...G } fragment G on Mutation { a: ID { deletedCustomerId } }"
)]
#[case::with_a_condition(
    "mutation ($t: Boolean = true) { a: ID @include(if: $t) { deletedCustomerId } a: ID @skip(if: $t) { deletedCustomerId } a: ID { userErrors { code } } }"
)]
#[tokio::test]
async fn equal_mutations_under_one_response_key_run_once(#[case] template: &str) {
    let (gateway, sandbox) = Gateway::start().await;
    let query = template.replace("ID", &format!("deleteCustomer(input: {{id: \"{REX}\"}})"));
    let query = query.replace("deletedCustomerdeleteCustomer", "deletedCustomer");
    let query = query.replace(&format!("deletedCustomer(input: {{id: \"{REX}\"}})"), "deletedCustomerId");
    let data = gateway.data(&query).await;
    assert_eq!(data, json!({"a": {"deletedCustomerId": REX, "userErrors": []}}));
    assert_eq!(sandbox.calls().await, json!({"DELETE /v1/customers/{id}": 1}));
}

#[tokio::test]
async fn mutations_under_different_keys_run_one_after_the_other() {
    let (gateway, sandbox) = Gateway::start().await;
    let rename = |key: &str, name: &str| {
        format!("{key}: updateCustomer(input: {{id: \"{RHEA}\", name: \"{name}\"}}) {{ customer {{ name }} }} ")
    };
    let data = gateway
        .data(&format!("mutation {{ {} {} {} }}", rename("b", "One"), rename("a", "Two"), rename("c", "Three")))
        .await;
    let names = ["b", "a", "c"].map(|key| data[key]["customer"]["name"].clone());
    assert_eq!(names, [json!("One"), json!("Two"), json!("Three")]);
    let now = gateway.data(&format!("{{ customer(id: \"{RHEA}\") {{ name }} }}")).await;
    assert_eq!((now["customer"]["name"].clone(), sandbox.writes().await.len()), (json!("Three"), 3));
}

#[tokio::test]
async fn different_mutations_under_one_key_are_refused() {
    let query = format!(
        "mutation {{ a: deleteCustomer(input: {{id: \"{ADA}\"}}) {{ userErrors {{ code }} }} a: deleteCustomer(input: {{id: \"{REX}\"}}) {{ userErrors {{ code }} }} }}"
    );
    refused(&query, json!({}), "GRAPHQL_VALIDATION_FAILED").await;
}

#[tokio::test]
async fn deep_nesting_is_rejected_without_a_crash() {
    let (gateway, sandbox) = Gateway::start().await;
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(2000), close.repeat(2000));
    for query in [
        format!("{{ customers(filter: {{statuses: {}}}) {{ totalCount }} }}", deep("[", "]")),
        format!("{{ customers(filter: {}1{}) {{ totalCount }} }}", "{name: ".repeat(2000), "}".repeat(2000)),
        format!("{{ customers(filter: {{statuses: {}", "[".repeat(2000)),
        deep("{ viewer ", "}"),
        deep("{ ... ", "}"),
        format!("query ($a: {}Int{}) {{ viewer {{ subject }} }}", "[".repeat(2000), "]".repeat(2000)),
        format!("query ($a: [Int] = {}) {{ viewer {{ subject }} }}", deep("[", "]")),
    ] {
        let (status, answer) = strictly(&gateway, &query, json!({})).await;
        assert_eq!((status, codes(&answer)), (400, vec!["OPERATION_TOO_LARGE"]));
        let message = answer["errors"][0]["message"].as_str().unwrap();
        assert!(message.contains("max_nesting") && message.contains("64"), "{message}");
    }
    let mut variables = json!(1);
    for _ in 0..100 {
        variables = json!([variables]);
    }
    let (status, _) = strictly(
        &gateway,
        "query ($f: CustomerFilter) { customers(filter: $f) { totalCount } }",
        json!({"f": variables}),
    )
    .await;
    assert_eq!(status, 400);
    assert_eq!(sandbox.calls().await, json!({}));
    assert_eq!(gateway.data("{ customers { totalCount } }").await["customers"]["totalCount"], 250);
}

#[rstest]
#[case("{ customer(id: \"900-12-3456\" { id } }")]
#[case("query ada900123456@example.test")]
#[case("{ customer(id: \"\\u{900}\") { id } ada@example.test }")]
#[case("")]
#[tokio::test]
async fn a_syntax_error_gives_the_location_and_no_text(#[case] query: &str) {
    let mut answer = refused(query, json!({}), "GRAPHQL_PARSE_FAILED").await;
    only_error(&answer);
    // The request id is random, and can contain any three digits.
    answer["errors"][0]["extensions"]["requestId"].take();
    for planted in ["900", "ada"] {
        assert!(!answer.to_string().contains(planted), "{answer}");
    }
}

#[tokio::test]
async fn validation_errors_are_limited() {
    let (gateway, _sandbox) = Gateway::start().await;
    let fields: String = (0..4000).map(|i| format!("unknown{i} ")).collect();
    let answer = gateway.ask(&format!("{{ customers {{ nodes {{ {fields} }} }} }}")).await;
    assert_eq!(answer["errors"].as_array().unwrap().len(), 20);
    assert_eq!(answer["extensions"]["errorsLeftOut"], 3980);
}

#[tokio::test]
async fn one_of_several_operations_is_chosen_by_its_name() {
    let (gateway, sandbox) = Gateway::start().await;
    let query = format!(
        "query A($id: ID!) {{ customer(id: $id) {{ name }} }} query B($n: Int = 7) {{ customers(first: $n) {{ nodes {{ id }} }} }} mutation C {{ deleteCustomer(input: {{id: \"{ADA}\"}}) {{ deletedCustomerId }} }}"
    );
    let ask = async |name: Value, variables: Value| {
        Got::from(
            gateway.post(&json!({"query": query, "operationName": name, "variables": variables})).send().await.unwrap(),
        )
        .await
        .json()
    };
    assert_eq!(ask(json!("B"), json!({})).await["data"]["customers"]["nodes"].as_array().unwrap().len(), 7);
    assert_eq!(ask(json!("A"), json!({"id": REX})).await["data"], json!({"customer": {"name": "Rex Example"}}));
    for name in [Value::Null, json!("D"), json!("")] {
        let refused = ask(name, json!({})).await;
        assert_eq!((codes(&refused), refused.get("data")), (vec!["BAD_REQUEST"], None));
    }
    assert_eq!(sandbox.calls().await, json!({LIST: 1, CUSTOMER: 1}));
}
