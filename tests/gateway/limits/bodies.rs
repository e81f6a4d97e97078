//! Bodies and variables: too deep, too many, incomplete, or not of the declared type.

use customers_sandbox::seed::ADA;
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use super::{Attacked, over, refused};
use crate::support::codes;
use crate::support::gateway::Got;

fn nested_json(open: &str, close: &str, levels: usize) -> String {
    format!("{}1{}", open.repeat(levels), close.repeat(levels))
}

#[rstest]
#[case::lists("[", "]", 10_000)]
#[case::objects("{\"planted\":", "}", 10_000)]
#[case::just_too_deep("[", "]", 200)]
#[case::never_closed("[", "", 100_000)]
#[tokio::test]
async fn deeply_nested_variables_are_rejected(#[case] open: &str, #[case] close: &str, #[case] levels: usize) {
    let attacked = Attacked::start().await;
    let nested = nested_json(open, close, levels);
    let in_variables = format!(r#"{{"query": "{{ __typename }}", "variables": {{"planted": {nested}}}}}"#);
    let in_extensions = format!(r#"{{"query": "{{ __typename }}", "extensions": {nested}}}"#);
    let in_nothing_known = format!(r#"{{"planted": {nested}, "query": "{{ __typename }}"}}"#);
    for body in [in_variables, in_extensions, in_nothing_known, nested.clone()] {
        refused(&attacked.body(body).await, 400, "BAD_REQUEST");
    }
    let by_get = attacked.gateway.request(Method::GET, "/graphql").query(&[
        ("query", "{ __typename }"),
        ("variables", &format!(r#"{{"planted": {}}}"#, nested_json(open, close, levels.min(1_000)))),
    ]);
    let got = Got::from(by_get.send().await.unwrap()).await;
    refused(&got, 400, "BAD_REQUEST");
    attacked.unharmed(&got).await;
}

#[rstest]
#[case::not_utf_8(b"{\"query\": \"{ __typename planted\xff }\"}")]
#[case::too_long_utf_8(b"{\"query\": \"{ planted \xc0\xaf }\"}")]
#[case::a_surrogate_as_bytes(b"{\"query\": \"{ planted \xed\xa0\x80 }\"}")]
#[case::half_a_pair_of_surrogates(br#"{"query": "{ planted \ud83d }"}"#)]
#[case::a_pair_the_wrong_way_round(br#"{"query": "{ planted \ude00\ud83d }"}"#)]
#[case::utf_16(b"{\0\"\0q\0u\0e\0r\0y\0\"\0:\0\"\0{\0a\0}\0\"\0}\0")]
#[case::two_byte_order_marks(b"\xef\xbb\xbf\xef\xbb\xbf{\"query\": \"{ __typename }\"}")]
#[case::a_nul_between(b"{\"query\":\0 \"{ planted }\"}")]
#[case::a_nul_in_a_string(b"{\"query\": \"{ planted\0 }\"}")]
#[case::a_new_line_in_a_string(b"{\"query\": \"{ planted\n }\"}")]
#[case::cut_off(br#"{"query": "{ planted }"#)]
#[case::something_after_it(br#"{"query": "{ __typename }"} planted"#)]
#[case::not_a_number(br#"{"query": "{ __typename }", "variables": {"planted": NaN}}"#)]
#[case::a_number_out_of_range(br#"{"query": "{ __typename }", "variables": {"planted": 1e999}}"#)]
#[case::a_comma_too_many(br#"{"query": "{ __typename }",}"#)]
#[case::nothing(b"")]
#[case::a_batch(br#"[{"query": "{ __typename }"}]"#)]
#[case::a_string(br#""planted""#)]
#[case::a_query_that_is_none(br#"{"query": {"planted": 1}}"#)]
#[tokio::test]
async fn an_invalid_request_body_is_rejected(#[case] body: &'static [u8]) {
    let attacked = Attacked::start().await;
    refused(&attacked.body(body).await, 400, "BAD_REQUEST");
}

#[rstest]
#[case::a_nul("{ __typename \u{0} }")]
#[case::a_control_character("{ __typename \u{8} }")]
#[case::a_no_break_space("{ __typename\u{a0}}")]
#[case::a_line_separator("{ __typename\u{2028}}")]
#[case::another_script("{ ｐlanted }")]
#[case::the_other_direction("{ \u{202e}detnalp }")]
#[case::nothing_at_all("")]
#[case::only_a_comment("# planted")]
#[tokio::test]
async fn an_invalid_document_is_rejected_with_its_location(#[case] document: &str) {
    let attacked = Attacked::start().await;
    refused(&attacked.document(document, json!({})).await, 400, "GRAPHQL_PARSE_FAILED");
}

#[rstest]
#[case::a_lone_fragment("fragment A on Query { __typename }")]
#[case::a_type("type Query { planted: Int }")]
#[tokio::test]
async fn a_document_without_an_operation_is_not_valid(#[case] document: &str) {
    let attacked = Attacked::start().await;
    refused(&attacked.document(document, json!({})).await, 400, "GRAPHQL_VALIDATION_FAILED");
}

#[tokio::test]
async fn brackets_in_strings_and_comments_do_not_count() {
    let attacked = Attacked::start().await;
    let brackets = "([{".repeat(3_000);
    for value in [format!("\"{brackets}\""), format!("\"\"\"{brackets}\"\"\""), format!("\"a\" # {brackets}\n")] {
        let answer = attacked.gateway.ask(&format!("{{ customer(id: {value}) {{ id }} }}")).await;
        assert!(!codes(&answer).contains(&"OPERATION_TOO_LARGE"), "{answer}");
    }
}

#[tokio::test]
async fn long_lists_of_variables_are_refused_without_a_call() {
    let attacked = Attacked::start().await;
    let nodes = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }";
    let got = attacked.document(nodes, json!({"ids": vec!["planted"; 9_000]})).await;
    assert_eq!(codes(&got.json()), ["BAD_USER_INPUT"]);
    over(&attacked.document(nodes, json!({"ids": vec![1; 300_000]})).await, "max_argument_values", 10_000, 300_001);
    // All values are wrong, and ten are reported.
    let got = attacked.document(nodes, json!({"ids": vec![Value::Null; 100_000]})).await;
    let error = refused(&got, 400, "BAD_USER_INPUT");
    assert_eq!(error["message"].as_str().unwrap().matches("Variable").count(), 10);
    let real: Vec<String> = (0..5_000).map(|i| format!("0190b2de-7c11-7c3a-8f10-{i:012x}")).collect();
    over(&attacked.document(nodes, json!({"ids": real})).await, "max_upstream_calls", 250, 5_000);
}

#[tokio::test]
async fn undeclared_variables_are_ignored() {
    let attacked = Attacked::start().await;
    let many: serde_json::Map<String, Value> = (0..40_000).map(|i| (format!("planted{i}"), json!([i]))).collect();
    let got = attacked.document("{ __typename }", Value::Object(many)).await;
    assert_eq!(got.json(), json!({"data": {"__typename": "Query"}}));
}

#[tokio::test]
async fn a_duplicate_member_is_rejected() {
    let attacked = Attacked::start().await;
    let got = attacked.body(r#"{"query": "{ nowhere }", "query": "{ __typename }"}"#).await;
    refused(&got, 400, "BAD_REQUEST");
    let twice = attacked.gateway.request(Method::GET, "/graphql?query={__typename}&query={__typename}");
    refused(&Got::from(twice.send().await.unwrap()).await, 400, "BAD_REQUEST");
}

#[rstest]
#[case::a_nul("\u{0}")]
#[case::a_new_line("\r\nx-planted: 1")]
#[case::a_path("../../_sandbox/reset")]
#[case::a_path_in_percents("..%2f..%2f_sandbox%2freset")]
#[case::a_query("x?page_size=1000&")]
#[case::a_fragment("x#")]
#[case::something_after_an_id("{id}/../../customers")]
#[case::a_space_after_an_id("{id} ")]
#[case::another_direction("\u{202e}{id}")]
#[tokio::test]
async fn an_invalid_id_makes_no_upstream_call(#[case] id: &str) {
    let attacked = Attacked::start().await;
    let id = id.replace("{id}", &ADA.to_string());
    let query = "query ($id: ID!) { customer(id: $id) { id } node(id: $id) { id } }";
    let got = attacked.document(query, json!({"id": id})).await;
    assert!(!got.text.contains("\"id\":"), "{}", got.text);
}
