//! What failed is null and has its error; everything else is there.

use std::time::Duration;

use customers_sandbox::seed::{ADA, BLUE_KETTLE, REX};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::gateway::Got;
use crate::support::{CUSTOMER, Gateway, LIST, REVIEW, Sandbox, codes, only_error};

/// The ids of the first five rows.
async fn five(gateway: &Gateway) -> Vec<String> {
    let data = gateway.data("{ customers(first: 5) { nodes { id } } }").await;
    data["customers"]["nodes"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

/// A gateway whose calls wait a short time only, and its first five customers.
async fn start() -> (Gateway, Sandbox, Vec<String>) {
    let (gateway, sandbox) = Gateway::with(|settings| settings.upstream.timeout = Duration::from_millis(800)).await;
    let ids = five(&gateway).await;
    sandbox.forget_calls().await;
    (gateway, sandbox, ids)
}

#[rstest]
#[case::unavailable(json!({"status": 503, "retry_after": 7}), "UPSTREAM_ERROR", true)]
#[case::rate_limited(json!({"status": 429}), "UPSTREAM_RATE_LIMITED", true)]
#[case::forbidden(json!({"status": 403}), "FORBIDDEN", false)]
#[case::hanging(json!({"hang": true}), "UPSTREAM_TIMEOUT", true)]
#[case::garbage(json!({"garbage": true}), "UPSTREAM_INVALID_RESPONSE", false)]
#[case::cut_in_the_middle(json!({"reset": "mid_body"}), "UPSTREAM_UNAVAILABLE", true)]
#[case::reset(json!({"reset": "before_headers"}), "UPSTREAM_UNAVAILABLE", true)]
#[tokio::test]
async fn a_failed_review_fails_its_field_only(#[case] fault: Value, #[case] code: &str, #[case] retryable: bool) {
    let (gateway, sandbox, ids) = start().await;
    sandbox.fault(json!({"route": REVIEW, "customer_id": ids[2], "fault": fault})).await;
    let answer = gateway.ask("{ customers(first: 5) { nodes { id name review { customer { id } } } } }").await;
    let error = only_error(&answer);
    assert_eq!(error["path"], json!(["customers", "nodes", 2, "review"]));
    assert_eq!((&error["extensions"]["code"], &error["extensions"]["retryable"]), (&json!(code), &json!(retryable)));
    assert_eq!(error["extensions"].get("retryAfterSeconds"), fault.get("retry_after"));
    for (place, id) in ids.iter().enumerate() {
        let row = &answer["data"]["customers"]["nodes"][place];
        assert_eq!((&row["id"], row["name"].is_string()), (&json!(id), true));
        let review = if place == 2 { Value::Null } else { json!({"customer": {"id": id}}) };
        assert_eq!(row["review"], review);
    }
    // Nothing is tried twice, and the row's own fields needed no call.
    assert_eq!(sandbox.calls().await, json!({REVIEW: 5}));
}

#[rstest]
#[case(json!({"status": 503}))]
#[case(json!({"garbage": true}))]
#[case(json!({"reset": "mid_body"}))]
#[tokio::test]
async fn where_the_review_fails_the_customers_details_come_from_its_own_call(#[case] fault: Value) {
    let (gateway, sandbox, ids) = start().await;
    sandbox.fault(json!({"route": REVIEW, "customer_id": ids[3], "fault": fault})).await;
    let answer = gateway
        .ask("{ customers(first: 5) { edges { node { id device { ipAddress } review { customer { id } } config { processingMethod } } } } }")
        .await;
    assert_eq!(only_error(&answer)["path"], json!(["customers", "edges", 3, "node", "review"]));
    for (place, edge) in answer["data"]["customers"]["edges"].as_array().unwrap().iter().enumerate() {
        assert_eq!(edge["node"]["device"]["ipAddress"], "**.**.**.**");
        assert!(edge["node"]["config"]["processingMethod"].is_string());
        assert_eq!(edge["node"]["review"].is_null(), place == 3);
    }
    assert_eq!(sandbox.calls().await, json!({REVIEW: 5, CUSTOMER: 1}));
}

#[tokio::test]
async fn where_a_single_customers_review_fails_the_customer_comes_from_its_own_call() {
    let (gateway, sandbox, _) = start().await;
    sandbox.fault(json!({"route": REVIEW, "fault": {"status": 500}})).await;
    let answer = gateway
        .ask(&format!(
            "{{ customer(id: \"{ADA}\") {{ name review {{ identity {{ decision }} }} address {{ city }} }} }}"
        ))
        .await;
    assert_eq!(
        answer["data"],
        json!({"customer": {"name": "Ada Example", "review": null, "address": {"city": "Portland"}}})
    );
    assert_eq!(only_error(&answer)["path"], json!(["customer", "review"]));
    assert_eq!(sandbox.calls().await, json!({REVIEW: 1, CUSTOMER: 1}));
}

#[tokio::test]
async fn where_both_calls_fail_the_customer_is_null_with_one_error() {
    let (gateway, sandbox, _) = start().await;
    sandbox.fault(json!({"customer_id": ADA, "fault": {"status": 500}})).await;
    let answer = gateway
        .ask(&format!("{{ ada: customer(id: \"{ADA}\") {{ name review {{ identity {{ decision }} }} }} rex: customer(id: \"{REX}\") {{ name }} }}"))
        .await;
    assert_eq!(answer["data"], json!({"ada": null, "rex": {"name": "Rex Example"}}));
    assert_eq!(only_error(&answer)["path"], json!(["ada"]));
}

#[tokio::test]
async fn a_failed_lookup_fails_the_details_and_keeps_the_row() {
    let (gateway, sandbox, ids) = start().await;
    sandbox.fault(json!({"route": CUSTOMER, "customer_id": ids[1], "fault": {"status": 502}})).await;
    let answer = gateway
        .ask("{ customers(first: 5) { nodes { id address { city } name device { ipAddress } metadata { key } config { processingMethod } complianceProfile { __typename } email } } }")
        .await;
    let row = &answer["data"]["customers"]["nodes"][1];
    assert!(row["name"].is_string() && row["email"].is_string());
    let mut paths: Vec<&Value> = answer["errors"].as_array().unwrap().iter().map(|error| &error["path"]).collect();
    paths.sort_by_key(|path| path.to_string());
    let expected = ["address", "complianceProfile", "config", "device", "metadata"]
        .map(|field| json!(["customers", "nodes", 1, field]));
    assert_eq!(paths, expected.iter().collect::<Vec<_>>());
    assert!(codes(&answer).iter().all(|code| *code == "UPSTREAM_ERROR"));
    for field in ["address", "complianceProfile", "config", "device", "metadata"] {
        assert_eq!(row.get(field), Some(&Value::Null), "{field}");
    }
    for place in [0, 2, 3, 4] {
        assert!(answer["data"]["customers"]["nodes"][place]["device"].is_object());
    }
    // Five fields that fail together are one call.
    assert_eq!(sandbox.calls().await, json!({CUSTOMER: 5}));
}

#[tokio::test]
async fn several_failed_reviews_have_an_error_each() {
    let (gateway, sandbox, ids) = start().await;
    for place in [0, 4] {
        sandbox.fault(json!({"route": REVIEW, "customer_id": ids[place], "fault": {"status": 500}})).await;
    }
    let answer = gateway.ask("{ customers(first: 5) { nodes { review { customer { id } } } } }").await;
    let mut paths: Vec<String> =
        answer["errors"].as_array().unwrap().iter().map(|error| error["path"].to_string()).collect();
    paths.sort();
    assert_eq!(paths, [r#"["customers","nodes",0,"review"]"#, r#"["customers","nodes",4,"review"]"#]);
}

#[tokio::test]
async fn a_failed_node_is_null_at_its_place() {
    let (gateway, sandbox, _) = start().await;
    sandbox.fault(json!({"customer_id": REX, "fault": {"status": 500}})).await;
    let answer = gateway.ask(&format!("{{ nodes(ids: [\"{ADA}\", \"{REX}\", \"{BLUE_KETTLE}\"]) {{ id }} }}")).await;
    assert_eq!(answer["data"], json!({"nodes": [{"id": ADA}, null, {"id": BLUE_KETTLE}]}));
    assert_eq!(only_error(&answer)["path"], json!(["nodes", 1]));
}

#[tokio::test]
async fn an_error_at_a_non_null_field_propagates_to_the_nearest_nullable() {
    let (gateway, sandbox, _) = start().await;
    sandbox.fault(json!({"route": LIST, "fault": {"status": 500}})).await;
    let query = "{ viewer { permissions } customers(first: 3) { totalCount nodes { id } } }";
    let request = gateway.post(&json!({"query": query})).header("accept", "application/graphql-response+json");
    let got = Got::from(request.send().await.unwrap()).await;
    let answer = got.json();
    // It ran, so there is `data`, and it is null; the status says that it ran.
    assert_eq!((got.status, answer.get("data")), (200, Some(&Value::Null)));
    assert_eq!(only_error(&answer)["path"], json!(["customers"]));
}

#[tokio::test]
async fn fields_come_in_the_querys_order_and_a_failed_one_keeps_its_key() {
    let (gateway, sandbox, _) = start().await;
    sandbox.fault(json!({"route": REVIEW, "fault": {"status": 500}})).await;
    let query = format!(
        "{{ z: viewer {{ subject }} customer(id: \"{ADA}\") {{ status review {{ identity {{ decision }} }} name \
         address {{ zip city }} id }} a: customerReview(customerId: \"{REX}\") {{ identity {{ decision }} }} m: viewer {{ accountId }} }}"
    );
    let got = Got::from(gateway.post(&json!({"query": query})).send().await.unwrap()).await;
    let data = format!(
        r#""data":{{"z":{{"subject":null}},"customer":{{"status":"REVIEW","review":null,"name":"Ada Example","address":{{"zip":"97201","city":"Portland"}},"id":"{ADA}"}},"a":null,"m":{{"accountId":null}}}}"#
    );
    assert!(got.text.contains(&data), "{}", got.text);
    assert_eq!(got.json()["errors"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn an_object_whose_every_field_failed_is_still_an_object() {
    let (gateway, sandbox, _) = start().await;
    let query = "{ customers(first: 1) { nodes { address { city } } } }";
    sandbox.fault(json!({"route": CUSTOMER, "fault": {"status": 500}})).await;
    let answer = gateway.ask(query).await;
    assert_eq!(answer["data"], json!({"customers": {"nodes": [{"address": null}]}}));
    assert_eq!(only_error(&answer)["path"], json!(["customers", "nodes", 0, "address"]));
    // A failure is not kept.
    sandbox.clear_faults().await;
    assert_eq!(gateway.ask(query).await.get("errors"), None);
}

/// The only null of a review without an error would be one that says nothing: it was never screened, or it is gone.
#[tokio::test]
async fn a_customer_deleted_before_its_review_is_read_is_an_error() {
    let (gateway, sandbox, ids) = start().await;
    sandbox.fault(json!({"route": REVIEW, "customer_id": ids[1], "fault": {"status": 404}})).await;
    let answer = gateway.ask("{ customers(first: 3) { nodes { id review { customer { id } } } } }").await;
    let error = only_error(&answer);
    assert_eq!(error["path"], json!(["customers", "nodes", 1, "review"]));
    assert_eq!(error["extensions"]["code"], "UPSTREAM_INVALID_RESPONSE");
    assert_eq!(answer["data"]["customers"]["nodes"][1], json!({"id": ids[1], "review": null}));
}
