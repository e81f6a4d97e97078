//! The syntax of September 2025, and the errors for documents that do not follow it.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Gateway, codes, only_error};

#[rstest]
#[case("\"What it is for.\" query Q { viewer { subject } }")]
#[case(
    "\"\"\"\nWhat it\nis for.\n\"\"\"\nquery Q { ...F }\n\"A fragment: {\" fragment F on Query { viewer { subject } }"
)]
#[case(
    "query Q(\"A variable\" $v: Boolean! = true, \"\"\"Another {\"\"\" $w: Boolean = false) { viewer @include(if: $v) @skip(if: $w) { subject } }"
)]
#[tokio::test]
async fn operations_fragments_and_variables_are_described(#[case] query: &str) {
    let (gateway, _sandbox) = Gateway::start().await;
    assert_eq!(gateway.data(query).await, json!({"viewer": {"subject": null}}));
}

#[tokio::test]
async fn the_place_of_an_error_is_that_of_the_text_with_its_descriptions() {
    let (gateway, _sandbox) = Gateway::start().await;
    let answer = gateway.ask("\"wäs it is för\"\r\nquery Q {\r\n  viewer { nowhere }\r\n}").await;
    assert_eq!(only_error(&answer)["locations"], json!([{"line": 3, "column": 12}]));
    let answer = gateway.ask("\"wäs it is för\" query Q { viewer { nowhere } }").await;
    assert_eq!(only_error(&answer)["locations"], json!([{"line": 1, "column": 36}]));
}

/// The metadata that a customer is created with, as the response contains it.
async fn written(literal: &str) -> String {
    let (gateway, _sandbox) = Gateway::start().await;
    let query = format!(
        "mutation {{ createCustomer(input: {{name: \"New Person\", type: INDIVIDUAL, email: \"new@example.test\", phone: \"+12025550147\", \
          device: {{ipAddress: \"192.0.2.1\"}}, metadata: [{{key: \"k\", value: {literal}}}]}}) {{ customer {{ metadata {{ value }} }} userErrors {{ path message }} }} }}"
    );
    let data = gateway.data(&query).await;
    data["createCustomer"]["customer"]["metadata"][0]["value"].as_str().unwrap_or_else(|| panic!("{data}")).to_owned()
}

#[rstest]
#[case::braced("\"\\u{1F600} \\u{e9}\"", "😀 é")]
#[case::a_pair("\"\\uD83D\\uDE00\"", "😀")]
#[case::the_short_ones("\"a\\tb \\\"c\\\" \\u0041 \\/\"", "a\tb \"c\" A /")]
#[case::a_block("\"\"\"say \\\"\"\" now\"\"\"", "say \"\"\" now")]
#[case::short_lines_keep_their_blanks("\"\"\"\n    one\n  \n      two \\n\n    \"\"\"", "one\n\n  two \\n")]
#[tokio::test]
async fn a_string_is_read_as_the_specification_says(#[case] literal: &str, #[case] expected: &str) {
    assert_eq!(written(literal).await, expected);
}

#[rstest]
#[case::a_lone_surrogate("\"\\uD83D\"")]
#[case::a_lone_low_surrogate("\"\\uDE00\"")]
#[case::past_the_last("\"\\u{110000}\"")]
#[case::a_surrogate_in_braces("\"\\u{D83D}\"")]
#[case::no_escape("\"\\x\"")]
#[case::a_line_end("\"a\nb\"")]
#[tokio::test]
async fn an_invalid_string_is_a_syntax_error(#[case] literal: &str) {
    let (gateway, sandbox) = Gateway::start().await;
    let answer = gateway.ask(&format!("{{ customers(filter: {{name: {literal}}}) {{ totalCount }} }}")).await;
    let error = only_error(&answer);
    assert_eq!((&error["extensions"]["code"], answer.get("data")), (&json!("GRAPHQL_PARSE_FAILED"), None), "{answer}");
    assert_eq!(error["locations"][0]["line"], 1);
    assert_eq!(sandbox.calls().await, json!({}));
}

#[rstest]
#[case::an_enum_in_quotes("{ customers(filter: {statuses: \"REVIEW\"}) { totalCount } }")]
#[case::a_text_at_an_enum("query ($s: String) { customers(filter: {statuses: [$s]}) { totalCount } }")]
#[case::a_key_twice("{ customers(filter: {name: \"planted\", name: \"planted\"}) { totalCount } }")]
#[case::no_object("mutation { deleteCustomer(input: 1) { userErrors { code } } }")]
#[case::beside_one_that_fits(
    "mutation { a: deleteCustomer(input: {id: \"0190b2de-7c11-7c3a-8f10-000000000001\"}) { deletedCustomerId } b: deleteCustomer(input: 1) { userErrors { code } } }"
)]
#[case::a_nullable_in_a_list("query ($i: ID) { nodes(ids: [$i]) { id } }")]
#[case::null_as_a_default("query ($i: ID = null) { customer(id: $i) { id } }")]
#[case::one_of_two(
    "mutation { updateCustomer(input: {id: \"x\", complianceProfile: {individual: {}, business: {}}}) { userErrors { code } } }"
)]
#[case::one_of_a_nullable(
    "mutation ($b: BusinessComplianceProfileInput) { updateCustomer(input: {id: \"x\", complianceProfile: {business: $b}}) { userErrors { code } } }"
)]
#[tokio::test]
async fn a_value_that_does_not_fit_is_refused_before_anything_runs(#[case] query: &str) {
    let (gateway, sandbox) = Gateway::start().await;
    for _ in 0..2 {
        let answer = gateway.ask(query).await;
        assert!(codes(&answer).iter().all(|code| *code == "GRAPHQL_VALIDATION_FAILED"), "{answer}");
        assert_eq!(answer.get("data"), None, "{answer}");
        assert!(!answer.to_string().contains("planted"), "{answer}");
    }
    assert_eq!(sandbox.calls().await, json!({}));
}

#[rstest]
#[case(
    "{ viewer { subject }",
    "The document is not GraphQL: expected `}`, found the end of the document at line 1, column 21."
)]
#[case(
    "{ viewer { subject } } }",
    "The document is not GraphQL: expected `query`, `mutation`, `fragment` or `{`, found `}` at line 1, column 24."
)]
#[case(
    "{ customer(id: \"planted\" { id } }",
    "The document is not GraphQL: expected `)`, found `{` at line 1, column 26."
)]
#[case(
    "query Q($planted Int) { viewer { subject } }",
    "The document is not GraphQL: unexpected a name at line 1, column 18."
)]
#[case(
    "{ viewer {\n  subject }\n  planted: }",
    "The document is not GraphQL: expected a name, found `}` at line 3, column 12."
)]
#[case(
    "{ ... planted \"planted\" }",
    "The document is not GraphQL: expected `}`, found a string at line 1, column 15."
)]
#[tokio::test]
async fn a_syntax_error_says_what_was_expected_and_what_was_found(#[case] query: &str, #[case] message: &str) {
    let (gateway, _sandbox) = Gateway::start().await;
    let answer = gateway.ask(query).await;
    let error = only_error(&answer);
    assert_eq!((&error["message"], &error["extensions"]["code"]), (&json!(message), &json!("GRAPHQL_PARSE_FAILED")));
    let (line, column) = (&error["locations"][0]["line"], &error["locations"][0]["column"]);
    assert!(message.ends_with(&format!(" at line {line}, column {column}.")), "{answer}");
}

#[rstest]
#[case(
    "{ customers(filter: {statuses: [PLANTED]}) { totalCount } }",
    "Value of `CustomerStatus` must be one of PENDING, REVIEW, VERIFIED, INACTIVE, REJECTED."
)]
#[case("{ custmer(id: \"x\") { id } }", "Type `Query` does not have a field `custmer`. Did you mean `customer`?")]
#[case("{ customer(ID: \"x\") { id } }", "The argument `ID` is not supported by `Query.customer`. Did you mean `id`?")]
#[case(
    "{ customers(filter: {nmae: \"x\"}) { totalCount } }",
    "Field `nmae` does not exist on `CustomerFilter`. Did you mean `name`?"
)]
#[case("{ customer { id } }", "The required argument `Query.customer(id:)` is not provided.")]
#[tokio::test]
async fn a_validation_error_suggests_the_correction(#[case] query: &str, #[case] message: &str) {
    let (gateway, _sandbox) = Gateway::start().await;
    let answer = gateway.ask(query).await;
    let told: Vec<&Value> = answer["errors"].as_array().unwrap().iter().map(|error| &error["message"]).collect();
    assert!(told.contains(&&json!(message)), "{answer}");
}

/// With introspection off, suggestions would reveal the schema name by name.
#[tokio::test]
async fn without_introspection_nothing_is_suggested() {
    let (gateway, _sandbox) =
        Gateway::with(|settings| settings.graphql.introspection = customers_gateway::config::Switch::Off).await;
    for query in [
        "{ custmer(id: \"x\") { id } }",
        "{ customers(filter: {statuses: [PLANTED]}) { totalCount } }",
        "mutation { createCustomer(input: {}) { userErrors { code } } }",
        "{ customer { id } }",
        "{ customers(filter: 1) { totalCount } }",
        "query ($v: String) { customers(first: $v) { totalCount } }",
        "{ customers(filter: {createdFrom: 1e999}) { totalCount } }",
    ] {
        let answer = gateway.ask(query).await.to_string();
        assert!(
            ["phone", "CustomerFilter", "id:", "first", "DateTime"].iter().all(|name| !answer.contains(name)),
            "{answer}"
        );
        assert!(!answer.contains("customer(") && !answer.contains("mean") && !answer.contains("PENDING"), "{answer}");
    }
}
