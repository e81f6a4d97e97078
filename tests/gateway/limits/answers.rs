//! Large responses: limited by rows times fields before anything runs, and by their bytes while they are made.

use axum::http::StatusCode;
use customers_sandbox::seed::ADA;
use rstest::rstest;
use serde_json::{Value, json};

use super::{Attacked, items, over, refused};
use crate::support::gateway::Got;
use crate::support::stub::{person, with};
use crate::support::{Gateway, Reply, Stub, codes};

const ID: &str = "0190b2de-7c11-7c3a-8f10-000000000001";

/// Every field of a screening in two levels, 61 of them.
fn screening() -> String {
    let checks = ["address", "email", "fraud", "phone", "synthetic"]
        .map(|module| format!("{module} {{ decision codes correlation correlationScore riskScore }}"));
    format!(
        "identity {{ reviewId decision createdAt updatedAt breakdown {{ {} }} kyc {{ decision codes }} messages {{ code message }} \
         reasons {{ check decision codes messages {{ code message }} }} checks {{ check decision codes messages {{ code message }} }} }}",
        checks.join(" ")
    )
}

/// One id a hundred times, under many aliases: one upstream call is planned, and the response would have 95 MB.
#[tokio::test]
async fn rows_times_fields_are_bounded_before_anything_runs() {
    let attacked = Attacked::start().await;
    let ids = vec![ID; 100];
    let field = format!(
        "nodes(ids: $ids) {{ ... on Customer {{ review {{ {s} customer {{ review {{ {s} }} }} }} }} }}",
        s = screening()
    );
    let query = format!("query ($ids: [ID!]!) {{ {} }}", items(20, |i| format!("a{i}: {field}")));
    let got = attacked.document(query, json!({"ids": ids})).await;
    let error = refused(&got, 400, "OPERATION_TOO_LARGE");
    assert!(error["message"].as_str().unwrap().contains("`max_response_fields`"), "{error}");
}

#[tokio::test]
async fn a_response_at_the_limit_is_served() {
    let (gateway, _sandbox) = Gateway::with(|settings| settings.graphql.executor.max_response_fields = 7).await;
    let query = "query ($ids: [ID!]!) { nodes(ids: $ids) { id __typename } }";
    let ask = |count: usize| gateway.ask_with(query, json!({"ids": vec![ADA; count]}));
    assert_eq!(ask(3).await["data"]["nodes"].as_array().unwrap().len(), 3);
    let request = gateway.post(&json!({"query": query, "variables": {"ids": vec![ADA; 4]}}));
    let got = Got::from(request.header("accept", "application/graphql-response+json").send().await.unwrap()).await;
    over(&got, "max_response_fields", 7, 9);
}

/// A gateway whose upstream returns a review with this many texts of this many bytes.
async fn of_long_reviews(texts: usize, bytes: usize, max_response_bytes: usize) -> (Gateway, Stub) {
    let stub = Stub::start(move |_| {
        let messages: serde_json::Map<String, Value> =
            (0..texts).map(|i| (format!("R{i}"), json!("x".repeat(bytes)))).collect();
        let identity = json!({"review_id": ID, "decision": "accept", "breakdown": {}, "messages": messages,
            "created_at": "2026-07-07T06:21:44", "updated_at": "2026-07-07T06:21:50"});
        Reply::object(&json!({"customer_details": person(ID), "identity_details": identity}))
    })
    .await;
    let gateway = Gateway::over(&stub.base, |settings| {
        settings.graphql.executor.responses.max_response_bytes = max_response_bytes;
    })
    .await;
    (gateway, stub)
}

#[rstest]
#[case::many_texts(2_000, 10, 100_000)]
#[case::long_texts(20, 20_000, 300_000)]
#[tokio::test]
async fn the_size_of_a_read_is_limited_while_it_runs(#[case] texts: usize, #[case] bytes: usize, #[case] limit: usize) {
    let (gateway, _stub) = of_long_reviews(texts, bytes, limit).await;
    let field = format!("customerReview(customerId: \"{ID}\") {{ identity {{ messages {{ code message }} }} }}");
    for on_error in ["PROPAGATE", "NULL", "HALT"] {
        let query = format!("{{ {} viewer {{ subject }} }}", items(20, |i| format!("a{i}: {field}")));
        let request = gateway.post(&json!({"query": query, "onError": on_error}));
        let got = Got::from(request.header("accept", "application/graphql-response+json").send().await.unwrap()).await;
        let error = refused(&got, 400, "OPERATION_TOO_LARGE");
        let told = format!(
            "The response exceeds the limit `max_response_bytes` of {limit} bytes. Select fewer rows, aliases or fields."
        );
        assert_eq!((&error["message"], got.text.len() < 1_000), (&json!(told), true));
    }
    let one = gateway.ask(&format!("{{ {field} }}")).await;
    assert_eq!(
        one["data"]["customerReview"]["identity"]["messages"].as_array().map(Vec::len),
        (bytes < 1_000).then_some(texts)
    );
}

/// The outcome of a mutation is reported, however large the rest of its result is.
#[tokio::test]
async fn a_mutation_over_the_size_limit_keeps_ids_and_user_errors() {
    let name = "x".repeat(5_000);
    let stub = Stub::start(move |seen| match seen.method.as_str() {
        "DELETE" => Reply::new(StatusCode::NO_CONTENT.as_u16(), "application/json", ""),
        _ => Reply::object(&with(person(ID), json!({"name": name}))),
    })
    .await;
    let gateway =
        Gateway::over(&stub.base, |settings| settings.graphql.executor.responses.max_response_bytes = 4_000).await;
    let query = format!(
        "mutation {{ updateCustomer(input: {{id: \"{ID}\", phone: \"+12025550147\", device: {{ipAddress: \"192.0.2.1\"}}}}) {{ customer {{ id name }} userErrors {{ code }} }} }}"
    );
    let answer = gateway.ask(&query).await;
    assert_eq!(
        answer["data"]["updateCustomer"],
        json!({"customer": {"id": ID, "name": null}, "userErrors": []}),
        "{answer}"
    );
    assert_eq!(codes(&answer), ["OPERATION_TOO_LARGE"]);
    assert_eq!(answer["errors"][0]["path"], json!(["updateCustomer"]));
    assert_eq!(stub.seen().iter().filter(|seen| seen.method == "PUT").count(), 1);
}

/// The cost of a large response counts against the caller's rate limit, as a call does.
#[tokio::test]
async fn a_large_response_costs_more_rate_limit_units() {
    let (gateway, sandbox) = Gateway::with(|settings| {
        settings.rate_limit.enabled = customers_gateway::config::Switch::On;
        settings.rate_limit.burst = 5.try_into().unwrap();
    })
    .await;
    // Ten fields of each of a hundred rows.
    let ids = vec![ADA.to_string(); 100];
    let fields = "__typename ... on Customer { id name type status email phone externalId createdAt updatedAt }";
    let rows = |times| items(times, |i| format!("a{i}: nodes(ids: $ids) {{ {fields} }}"));
    let ask = async |times| {
        let query = format!("query ($ids: [ID!]!) {{ {} }}", rows(times));
        gateway.ask_with(&query, json!({"ids": ids})).await
    };
    // One unit for the request, one for the call, and none for fewer than 10,000 fields.
    assert_eq!(ask(9).await.get("errors"), None);
    sandbox.forget_calls().await;
    let refused = ask(99).await;
    assert_eq!(codes(&refused), ["OPERATION_TOO_LARGE"], "{refused}");
    assert!(refused["errors"][0]["message"].as_str().unwrap().contains("costs 10 units"), "{refused}");
    assert_eq!(sandbox.calls().await, json!({}));
}
