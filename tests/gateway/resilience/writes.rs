//! Retries of writes: a write whose response is lost is sent again with the same key, and takes effect once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use customers_sandbox::seed::{ADA, REX, RHEA};
use rstest::rstest;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{code, name_of, patient};
use crate::process::Process;
use crate::support::stub::{Reply, Stub, id_in, person};
use crate::support::wire::{Act, Wire, answer};
use crate::support::{Gateway, Sandbox, UNMASKED, count};

const CREATED: &str = "POST /v1/customers";

/// A mutation, its variables, and the route of its upstream write.
fn mutation(name: &str) -> (&'static str, Value, &'static str) {
    match name {
        "create" => (
            "mutation($input: CreateCustomerInput!) { result: createCustomer(input: $input) { customer { id } userErrors { code } } }",
            json!({"name": "Tess Planted", "type": "INDIVIDUAL", "email": "n@example.test", "phone": "+12025550123",
                "device": {"ipAddress": "203.0.113.9"}}),
            CREATED,
        ),
        "update" => (
            "mutation($input: UpdateCustomerInput!) { result: updateCustomer(input: $input) { customer { id } userErrors { code } } }",
            json!({"id": REX, "name": "Rex Renamed"}),
            "PUT /v1/customers/{id}",
        ),
        "delete" => (
            "mutation($input: DeleteCustomerInput!) { result: deleteCustomer(input: $input) { deletedCustomerId userErrors { code } } }",
            json!({"id": REX}),
            "DELETE /v1/customers/{id}",
        ),
        "decide" => (
            "mutation($input: DecideCustomerReviewInput!) { result: decideCustomerReview(input: $input) { customer { id } userErrors { code } } }",
            json!({"customerId": RHEA, "decision": "VERIFIED"}),
            "PATCH /v1/customers/{id}/review",
        ),
        _ => (
            "mutation($input: RefreshCustomerReviewInput!) { result: refreshCustomerReview(input: $input) { customer { id } userErrors { code } } }",
            json!({"customerId": RHEA}),
            "PUT /v1/customers/{id}/refresh_review",
        ),
    }
}

#[rstest]
#[tokio::test]
async fn a_lost_response_is_retried_and_the_write_happens_once(
    #[values("create", "update", "delete", "decide", "refresh")] name: &str,
    #[values(
        json!({"status": 502}),
        json!({"reset": "before_headers"}),
        json!({"reset": "mid_body"}),
        json!({"garbage": true}),
        json!({"hang": true}),
    )]
    fault: Value,
) {
    let (gateway, sandbox) = Gateway::with(patient).await;
    let (document, input, route) = mutation(name);
    sandbox.fault(json!({"route": route, "times": 1, "after_write": true, "fault": fault})).await;
    let data = gateway.data_with(document, json!({"input": input})).await;
    assert_eq!(data["result"]["userErrors"], json!([]));
    assert_eq!(count(&sandbox.calls().await, route), 2);
    assert_eq!(sandbox.writes().await.len(), 1);
}

#[rstest]
#[case(json!({"status": 500}))]
#[case(json!({"reset": "before_headers"}))]
#[case(json!({"hang": true}))]
#[tokio::test]
async fn a_write_that_did_not_get_through_is_sent_again(#[case] fault: Value) {
    let (gateway, sandbox) = Gateway::with(patient).await;
    let (document, mut input, route) = mutation("create");
    input["idempotencyKey"] = json!("my-own-key-1");
    sandbox.fault(json!({"route": route, "times": 1, "fault": fault})).await;
    gateway.data_with(document, json!({"input": input})).await;
    let writes = sandbox.writes().await;
    assert_eq!((writes.len(), &writes[0]["idempotency_key"]), (1, &json!("my-own-key-1")));
    assert_eq!(count(&sandbox.calls().await, route), 2);
}

#[tokio::test]
async fn what_is_sent_again_is_the_same_to_the_byte() {
    let stub = Stub::start(|seen| match seen.method.as_str() {
        "GET" => Reply::object(&person(id_in(&seen.path))),
        _ => Reply::json(503, &json!({})),
    })
    .await;
    let gateway = Gateway::over(&stub.base, patient).await;
    let (document, input, _) = mutation("create");
    let answer = gateway.ask_with(document, json!({"input": input})).await;
    assert_eq!((code(&answer), &answer["errors"][0]["extensions"]["retryable"]), ("UPSTREAM_ERROR", &json!(false)));
    let seen = stub.seen();
    assert_eq!(seen.len(), 3);
    let key = seen[0].header("idempotency-key").expect("every write has a key");
    assert!((10..=40).contains(&key.len()));
    assert!(seen.iter().all(|call| call.header("idempotency-key") == Some(key) && call.body == seen[0].body));
}

#[rstest]
#[case::lost_for_good(json!({"status": 502}), "UPSTREAM_ERROR")]
#[case::silent_for_good(json!({"hang": true}), "UPSTREAM_TIMEOUT")]
#[case::cut_for_good(json!({"reset": "mid_body"}), "UPSTREAM_UNAVAILABLE")]
#[tokio::test]
async fn a_write_without_a_response_has_an_unknown_outcome(#[case] fault: Value, #[case] told: &str) {
    let (gateway, sandbox) = Gateway::with(patient).await;
    let (document, input, route) = mutation("create");
    sandbox.fault(json!({"route": route, "after_write": true, "fault": fault})).await;
    let answer = gateway.ask_with(document, json!({"input": input})).await;
    let error = &answer["errors"][0];
    assert_eq!((code(&answer), &error["extensions"]["retryable"]), (told, &json!(false)));
    assert!(error["message"].as_str().unwrap().contains("may have been made"));
    assert_eq!(error["extensions"]["outcome"], "UNKNOWN");
    assert_eq!((count(&sandbox.calls().await, route), sandbox.writes().await.len()), (3, 1));
}

#[rstest]
#[case(json!({"status": 429}), "UPSTREAM_RATE_LIMITED")]
#[case(json!({"status": 401}), "UPSTREAM_UNAVAILABLE")]
#[case(json!({"status": 403}), "FORBIDDEN")]
#[tokio::test]
async fn a_rejected_write_is_not_retried(#[case] fault: Value, #[case] told: &str) {
    let (gateway, sandbox) = Gateway::with(patient).await;
    let (document, input, route) = mutation("create");
    sandbox.fault(json!({"route": route, "fault": fault})).await;
    assert_eq!(code(&gateway.ask_with(document, json!({"input": input})).await), told);
    assert_eq!((count(&sandbox.calls().await, route), sandbox.writes().await.len()), (1, 0));
}

#[tokio::test]
async fn a_lost_answer_and_then_a_refusal_of_the_key_leave_the_outcome_unknown() {
    let (gateway, sandbox) = Gateway::with(patient).await;
    let (document, input, route) = mutation("create");
    sandbox.fault(json!({"route": route, "times": 1, "after_write": true, "fault": {"reset": "before_headers"}})).await;
    sandbox.fault(json!({"route": route, "fault": {"status": 401}})).await;
    let answer = gateway.ask_with(document, json!({"input": input})).await;
    assert_eq!(answer["errors"][0]["extensions"]["retryable"], false);
    assert!(answer["errors"][0]["message"].as_str().unwrap().contains("may have been made"));
    assert_eq!(sandbox.writes().await.len(), 1);
}

/// The response of a proxy in front of the API to the retry.
fn in_front(name: &str) -> Reply {
    match name {
        "an empty 400" => Reply { status: 400, headers: Vec::new(), body: Vec::new() },
        "a plain 413" => Reply::new(413, "text/plain", "Payload Too Large"),
        "a page for 400" => Reply::new(400, "text/html", "<html>Bad Request</html>"),
        "a bare 404" => Reply::json(404, &json!({"message": "no Route matched with those values"})),
        "another 404" => Reply::json(404, &json!({"error": {"message": "no such service"}})),
        "a framed 421" => Reply::refusal(421, None, &[]),
        _ => Reply::json(422, &json!({"error": "unprocessable"})),
    }
}

#[rstest]
#[tokio::test]
async fn a_lost_answer_and_then_a_refusal_by_somebody_else_leave_the_outcome_unknown(
    #[values(
        "an empty 400",
        "a plain 413",
        "a page for 400",
        "a bare 404",
        "another 404",
        "a framed 421",
        "a foreign 422"
    )]
    said: &'static str,
    #[values("create", "delete")] name: &str,
) {
    let calls = AtomicUsize::new(0);
    let stub = Stub::start(move |_| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::json(502, &json!({})),
        _ => in_front(said),
    })
    .await;
    let gateway = Gateway::over(&stub.base, patient).await;
    let (document, input, _) = mutation(name);
    let answer = gateway.ask_with(document, json!({"input": input})).await;
    let extensions = &answer["errors"][0]["extensions"];
    assert_eq!((&extensions["outcome"], &extensions["retryable"]), (&json!("UNKNOWN"), &json!(false)), "{answer}");
    assert_eq!(stub.seen().len(), 3, "it is retried as after any invalid response");
}

#[rstest]
#[case(400)]
#[case(422)]
#[tokio::test]
async fn a_lost_answer_and_then_the_apis_own_refusal_is_told_as_a_refusal(#[case] status: u16) {
    let calls = AtomicUsize::new(0);
    let stub = Stub::start(move |_| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::json(502, &json!({})),
        _ => Reply::refusal(status, Some("No."), &[]),
    })
    .await;
    let gateway = Gateway::over(&stub.base, patient).await;
    let (document, input, _) = mutation("create");
    let answer = gateway.ask_with(document, json!({"input": input})).await;
    assert_eq!((&answer["errors"], stub.seen().len()), (&Value::Null, 2), "{answer}");
    assert_ne!(answer["data"]["result"]["userErrors"], json!([]));
}

#[tokio::test]
async fn a_write_in_progress_is_polled() {
    let (gateway, sandbox) = Gateway::with(patient).await;
    let (document, input, route) = mutation("create");
    // Each attempt times out before the write has ended. Until then the key is in use.
    sandbox.latency(1000).await;
    let asked = gateway.ask_with(document, json!({"input": input}));
    let soon = async {
        sandbox.until_calls(|calls| count(calls, route) >= 2).await;
        sandbox.latency(0).await;
    };
    let (answer, ()) = tokio::join!(asked, soon);
    assert_eq!(answer["errors"], Value::Null, "{answer}");
    assert_eq!(sandbox.writes().await.len(), 1);
}

#[tokio::test]
async fn a_write_that_stays_in_progress_has_an_unknown_outcome() {
    let running = Reply::refusal(409, Some("The first request with this key is still running."), &[]);
    let (status, headers, body) = (running.status, running.headers, running.body);
    let stub = Stub::start(move |_| Reply { status, headers: headers.clone(), body: body.clone() }).await;
    let gateway = Gateway::over(&stub.base, patient).await;
    let (document, mut input, _) = mutation("create");
    // The caller follows docs/errors.md: it sends the same request again with the same key.
    input["idempotencyKey"] = json!("my-own-key-1");
    let request = gateway.post(&json!({"query": document, "variables": {"input": input}}));
    let answer = crate::support::gateway::send(request.header("request-timeout", "2")).await;
    let extensions = &answer["errors"][0]["extensions"];
    assert_eq!((code(&answer), &extensions["outcome"]), ("UPSTREAM_TIMEOUT", &json!("UNKNOWN")), "{answer}");
    assert!(stub.seen().len() > 3, "it is retried until the deadline");
}

#[tokio::test]
async fn reads_after_an_unknown_write_are_not_cached_for_long() {
    let (gateway, sandbox) = Gateway::with(patient).await;
    let name = async || gateway.data(&name_of(REX)).await["customer"]["name"].clone();
    let before = name().await;
    let (document, input, route) = mutation("update");
    // All of its attempts fail.
    sandbox.fault(json!({"route": route, "fault": {"status": 502}})).await;
    let answer = gateway.ask_with(document, json!({"input": input})).await;
    assert_eq!(answer["errors"][0]["extensions"]["outcome"], "UNKNOWN");
    assert_eq!(name().await, before);
    // Now it takes effect, long after its response was lost.
    let body = json!({"name": "Rex Renamed", "email": "rex@example.test", "phone": "+12025550123", "status": "verified",
        "device": {"ip_address": "203.0.113.9"}});
    sandbox.clear_faults().await;
    let put = sandbox.api("sandbox", reqwest::Method::PUT, &format!("/customers/{REX}"), Some(body)).await;
    assert_eq!(put.status, 200, "{}", put.text);
    assert_eq!(name().await, "Rex Renamed");
}

#[tokio::test]
async fn a_customer_of_an_unknown_create_is_found_within_a_second() {
    let (gateway, sandbox) = Gateway::with(|settings| {
        patient(settings);
        settings.cache.page_ttl = Duration::from_secs(300);
    })
    .await;
    let look = async || {
        let data = gateway.data("{ customerByExternalId(externalId: \"tess-1\") { name } }").await;
        data["customerByExternalId"].clone()
    };
    let (document, mut input, route) = mutation("create");
    input["externalId"] = json!("tess-1");
    sandbox.fault(json!({"route": route, "fault": {"status": 502}})).await;
    let answer = gateway.ask_with(document, json!({"input": input})).await;
    assert_eq!(answer["errors"][0]["extensions"]["outcome"], "UNKNOWN");
    assert_eq!(look().await, Value::Null);
    sandbox.clear_faults().await;
    let body = json!({"name": "Tess Planted", "type": "individual", "email": "n@example.test", "phone": "+12025550123",
        "device": {"ip_address": "203.0.113.9"}, "external_id": "tess-1"});
    let post = sandbox.api("sandbox", reqwest::Method::POST, "/customers", Some(body)).await;
    assert_eq!(post.status, 201, "{}", post.text);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(look().await["name"], "Tess Planted");
}

#[rstest]
#[case::nobody_there(None, "UPSTREAM_UNAVAILABLE", false)]
#[case::a_byte_a_second(Some(Act::Drip(b"{\"data\": {}}".repeat(10))), "UPSTREAM_TIMEOUT", true)]
#[case::an_image(Some(Act::Say(answer("image/png", b"\x89PNG\r\n\x1a\n"))), "UPSTREAM_INVALID_RESPONSE", true)]
#[case::an_error_under_200(
    Some(Act::Say(answer("application/json", br#"{"error": {"status": 500, "type": "/x", "title": "X"}}"#))),
    "UPSTREAM_INVALID_RESPONSE",
    true
)]
#[case::five_megabytes_of_spaces(
    Some(Act::Say(answer("application/json", &[b' '; 5 << 20]))),
    "UPSTREAM_INVALID_RESPONSE",
    true
)]
#[tokio::test]
async fn an_invalid_response_to_a_write_leaves_its_outcome_unknown(
    #[case] act: Option<Act>,
    #[case] told: &str,
    #[case] unknown: bool,
) {
    let wire = match act {
        Some(act) => Some(Wire::start(act).await),
        None => None,
    };
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let base = wire.as_ref().map_or_else(|| format!("http://{nowhere}"), |wire| wire.base.clone());
    let gateway = Gateway::over(&base, patient).await;
    let (document, input, _) = mutation("create");
    let answer = gateway.ask_with(document, json!({"input": input})).await;
    let extensions = &answer["errors"][0]["extensions"];
    assert_eq!((code(&answer), &extensions["retryable"]), (told, &json!(!unknown)), "{answer}");
    assert_eq!(extensions.get("outcome").is_some(), unknown);
    assert_eq!(wire.map(|wire| wire.calls()), unknown.then_some(3), "three attempts in all");
}

#[tokio::test]
async fn a_404_without_the_apis_envelope_is_not_customer_not_found() {
    let stub = Stub::start(|_| Reply::json(404, &json!({"message": "no Route matched with those values"}))).await;
    let gateway = Gateway::over(&stub.base, patient).await;
    assert_eq!(code(&gateway.ask(&name_of(ADA)).await), "UPSTREAM_INVALID_RESPONSE");
    let (document, input, _) = mutation("delete");
    let answer = gateway.ask_with(document, json!({"input": input})).await;
    assert_eq!(answer["errors"][0]["extensions"]["outcome"], "UNKNOWN", "{answer}");
}

#[tokio::test]
async fn an_unmasking_is_asked_for_again_and_recorded_once() {
    let sandbox = Sandbox::start().await;
    let gateway = Process::start(&[("GATEWAY__UPSTREAM__BASE_URL", &sandbox.base)]).await;
    sandbox.fault(json!({"route": UNMASKED, "times": 1, "fault": {"reset": "mid_body"}})).await;
    let document = "mutation($id: ID!) { unmaskCustomer(input: {id: $id}) { unmaskedCustomer { customerId } } }";
    let got = gateway.ask(document, json!({"id": ADA})).await;
    assert_eq!(got.json()["data"]["unmaskCustomer"]["unmaskedCustomer"]["customerId"], json!(ADA));
    let records = gateway.records();
    assert_eq!((records.len(), &records[0]["outcome"]), (1, &json!("done")));
    assert_eq!(count(&sandbox.calls().await, UNMASKED), 2);
}

#[tokio::test]
async fn a_conflict_with_another_requests_key_is_not_retried() {
    let (gateway, sandbox) = Gateway::with(patient).await;
    let (document, mut input, route) = mutation("create");
    input["idempotencyKey"] = json!("my-own-key-1");
    gateway.data_with(document, json!({"input": input})).await;
    input["email"] = json!(format!("{}@example.test", Uuid::new_v4()));
    let data = gateway.data_with(document, json!({"input": input})).await;
    assert_eq!(data["result"]["userErrors"], json!([{"code": "IDEMPOTENCY_KEY_REUSED"}]));
    assert_eq!(count(&sandbox.calls().await, route), 2);
}

#[tokio::test]
async fn a_write_without_an_answer_by_the_deadline_is_followed_to_its_end() {
    let (gateway, sandbox) = Gateway::with(patient).await;
    let (document, input, route) = mutation("create");
    // The first attempt never arrives. The second one arrives after the caller got its error.
    sandbox.fault(json!({"route": route, "times": 1, "fault": {"hang": true}})).await;
    let answer = gateway.post(&json!({"query": document, "variables": {"input": input}}));
    let answer = crate::support::gateway::send(answer.header("request-timeout", "0.1")).await;
    assert_eq!((code(&answer), &answer["errors"][0]["extensions"]["retryable"]), ("UPSTREAM_TIMEOUT", &json!(false)));
    for round in 0.. {
        assert!(round < 1000, "the write never took effect");
        if sandbox.writes().await.len() == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
