//! Every limit is a setting, and the gateway enforces the configured value.

use bytes::Bytes;
use customers_gateway::config::Settings;
use customers_sandbox::seed::{ADA, REX, RHEA};
use http_body_util::StreamBody;
use hyper::body::Frame;
use reqwest::Method;
use rstest::rstest;
use serde_json::json;

use super::{Attacked, over, refused};
use crate::support::Gateway;
use crate::support::gateway::Got;

#[rstest]
#[case::tokens(|s: &mut Settings| s.graphql.executor.documents.max_tokens = 5, "{ a b c }", "{ a b c d }", "max_tokens", 5, 6)]
#[case::nesting(|s: &mut Settings| s.graphql.executor.documents.max_nesting = 2, "{ a { b } }", "{ a(b: [1]) { c(d: 2) } }", "max_nesting", 2, 3)]
#[case::depth(|s: &mut Settings| s.graphql.executor.documents.limits.max_depth = 2, "{ a { b } }", "{ a { b { c } } }", "max_depth", 2, 3)]
#[case::fields(|s: &mut Settings| s.graphql.executor.documents.limits.max_fields = 3, "{ a { b c } }", "{ a { b c d } }", "max_fields", 3, 4)]
#[case::aliases(|s: &mut Settings| s.graphql.executor.documents.limits.max_aliases = 1, "{ a: b c }", "{ a: b c: d }", "max_aliases", 1, 2)]
#[case::root_fields(|s: &mut Settings| s.graphql.executor.documents.limits.max_root_fields = 2, "{ a b }", "{ a ... { b ... { c } } }", "max_root_fields", 2, 3)]
#[case::directives(|s: &mut Settings| s.graphql.executor.documents.limits.max_directives = 1, "{ a @b }", "{ a @b c @d }", "max_directives", 1, 2)]
#[case::introspection(|s: &mut Settings| s.graphql.executor.documents.limits.max_introspection_depth = 1, "{ __schema { types { name } } }", "{ __schema { types { fields { name } } } }", "max_introspection_depth", 1, 2)]
#[case::operations(|s: &mut Settings| s.graphql.executor.documents.limits.max_operations = 1, "{ a }", "query A { a } query B { a }", "max_operations", 1, 2)]
#[case::fields_of_all_operations(|s: &mut Settings| s.graphql.executor.documents.limits.max_fields = 3, "query A { a b } query B { c }", "query A { a b } query B { c d }", "max_fields", 3, 4)]
#[case::values(|s: &mut Settings| s.graphql.executor.documents.max_argument_values = 3, "{ nodes(ids: [\"a\", \"b\"]) { id } }", "{ nodes(ids: [\"a\"]) { id } customers(first: 1) { totalCount } node(id: \"a\") { id } }", "max_argument_values", 3, 4)]
#[case::upstream_calls(|s: &mut Settings| s.graphql.executor.max_upstream_calls = 2, "{ customers { totalCount } }", "{ a: customers { totalCount } b: customers { totalCount } c: customerPage { meta { pageNumber } } }", "max_upstream_calls", 2, 3)]
#[tokio::test]
async fn a_configured_limit_is_enforced(
    #[case] change: fn(&mut Settings),
    #[case] at_the_bound: &str,
    #[case] over_it: &str,
    #[case] bound: &str,
    #[case] limit: usize,
    #[case] value: usize,
) {
    let (gateway, sandbox) = Gateway::with(change).await;
    let attacked = Attacked { gateway, sandbox };
    attacked.over(over_it, bound, limit, value).await;
    let served = attacked.gateway.ask(at_the_bound).await;
    assert!(!served.to_string().contains("OPERATION_TOO_LARGE"), "{served}");
}

#[tokio::test]
async fn under_plain_json_a_bound_is_told_as_well() {
    let attacked = Attacked::start().await;
    let request = attacked.gateway.post(&json!({"query": format!("{{{}}}", "a ".repeat(101))}));
    let mut got = Got::from(request.header("accept", "application/json").send().await.unwrap()).await;
    assert_eq!(got.status, 200);
    got.status = 400;
    over(&got, "max_root_fields", 100, 101);
}

#[tokio::test]
async fn a_body_over_its_bound_is_not_read() {
    let (gateway, sandbox) = Gateway::with(|settings| settings.server.max_body_bytes = 1_000).await;
    let attacked = Attacked { gateway, sandbox };
    let body = |bytes: usize| format!("{:1$}", json!({"query": "{ __typename }"}).to_string(), bytes);
    let error = refused(&attacked.body(body(1_001)).await, 413, "OPERATION_TOO_LARGE");
    assert!(error["message"].as_str().unwrap().contains("`max_body_bytes` of 1000"), "{error}");
    assert_eq!(attacked.body(body(1_000)).await.status, 200);
    // The same without a content length.
    let chunks = (0..1_000_000).map(|_| Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(b"planted"))));
    let body = reqwest::Body::wrap(StreamBody::new(futures_util::stream::iter(chunks)));
    let request = attacked.gateway.request(Method::POST, "/graphql").header("content-type", "application/json");
    // The gateway does not read the rest, so sending can fail before the response is read.
    if let Ok(response) = request.body(body).send().await {
        refused(&Got::from(response).await, 413, "OPERATION_TOO_LARGE");
    }
    assert_eq!(attacked.gateway.data("{ __typename }").await["__typename"], "Query");
}

#[tokio::test]
async fn errors_in_a_response_are_limited() {
    let change = |settings: &mut Settings| {
        settings.graphql.executor.responses.max_errors = 2;
        settings.graphql.executor.documents.max_validation_errors = 3;
    };
    let (gateway, sandbox) = Gateway::with(change).await;
    let answer = gateway.ask("{ a b c d e }").await;
    assert_eq!((answer["errors"].as_array().unwrap().len(), &answer["extensions"]["errorsLeftOut"]), (3, &json!(2)));
    sandbox.fault(json!({"fault": {"status": 500}})).await;
    let fields = [ADA, REX, RHEA].map(|id| format!("a{}: customer(id: \"{id}\") {{ id }}", id.simple())).join(" ");
    let answer = gateway.ask(&format!("{{ {fields} }}")).await;
    assert_eq!((answer["errors"].as_array().map_or(0, Vec::len), answer["data"].is_object()), (2, true), "{answer}");
    assert_eq!(answer["extensions"]["errorsLeftOut"], 1);
}
