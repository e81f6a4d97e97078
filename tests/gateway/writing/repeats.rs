//! An update that is repeated, as after a lost answer, is done where it was carried out; and a key shows nobody else.

use customers_gateway::sandbox::seed::{ADA, REX};
use rstest::rstest;
use serde_json::{Value, json};

use super::{CREATE, UPDATE, complaints, for_customer, run, smallest};
use crate::support::gateway::without_errors;
use crate::support::stub::{clear_person, id_in, person, with};
use crate::support::{Gateway, Reply, Sandbox, Stub, count, only_error};

const REPLACED: &str = "PUT /v1/customers/{id}";

/// An update of this customer that was carried out, and whose answer was lost; what was sent.
async fn lost(gateway: &Gateway, sandbox: &Sandbox, change: Value) -> Value {
    let query = format!("{{ customer(id: \"{REX}\") {{ updatedAt }} }}");
    let seen = gateway.data(&query).await["customer"]["updatedAt"].clone();
    sandbox.fault(json!({"route": REPLACED, "times": 1, "after_write": true, "fault": {"status": 502}})).await;
    let input = with(for_customer(REX, change), json!({"expectedUpdatedAt": seen, "idempotencyKey": "my-own-key-1"}));
    let answer = gateway.ask_with(UPDATE, json!({"input": input})).await;
    assert_eq!(only_error(&answer)["extensions"]["outcome"], "UNKNOWN");
    input
}

#[rstest]
#[case(json!({"name": "Rex Renamed"}))]
#[case(json!({"externalId": null, "metadata": null, "complianceProfile": null}))]
#[case(json!({"status": "VERIFIED", "device": {"ipAddress": "198.51.100.7"}}))]
#[case(json!({"address": {"address1": "2 New Rd", "city": "Elko", "state": "NV", "zip": "89801"},
    "metadata": [{"key": "a", "value": "1"}], "complianceProfile": {"individual": {"dob": "1980-02-29", "ssn": null}}}))]
#[tokio::test]
async fn a_repeated_update_that_was_carried_out_is_done(#[case] change: Value) {
    let (gateway, sandbox) = Gateway::start().await;
    let input = lost(&gateway, &sandbox, change).await;
    let payload = run(&gateway, UPDATE, input).await;
    assert_eq!((&payload["userErrors"], &payload["customer"]["id"]), (&json!([]), &json!(REX)), "{payload}");
    assert_eq!((sandbox.writes().await.len(), count(&sandbox.calls().await, REPLACED)), (1, 1));
}

#[tokio::test]
async fn a_repeated_update_that_was_carried_out_is_done_also_where_somebody_else_wrote_meanwhile() {
    let (gateway, sandbox) = Gateway::start().await;
    let input = lost(&gateway, &sandbox, json!({"name": "Rex Renamed"})).await;
    run(&gateway, UPDATE, for_customer(REX, json!({"phone": "+12025550199"}))).await;
    let payload = run(&gateway, UPDATE, input).await;
    assert_eq!(
        (&payload["userErrors"], &payload["customer"]["name"]),
        (&json!([]), &json!("Rex Renamed")),
        "{payload}"
    );
    assert_eq!(sandbox.writes().await.len(), 2);
    let phone = gateway.data(&format!("{{ customer(id: \"{REX}\") {{ phone }} }}")).await;
    assert_eq!(phone["customer"]["phone"], "+12025550199");
}

#[tokio::test]
async fn an_update_that_was_not_carried_out_is_a_conflict_where_somebody_else_wrote() {
    let (gateway, sandbox) = Gateway::start().await;
    let input = lost(&gateway, &sandbox, json!({"name": "Rex Renamed"})).await;
    run(&gateway, UPDATE, for_customer(REX, json!({"name": "Rex Again"}))).await;
    let payload = run(&gateway, UPDATE, input).await;
    assert_eq!(complaints(&payload), [("CONFLICT".to_owned(), "input.expectedUpdatedAt".to_owned())]);
}

#[tokio::test]
async fn what_a_masked_record_has_already_is_done_without_the_device() {
    let (gateway, sandbox) = Gateway::passthrough().await;
    let input = json!({"input": for_customer(ADA, json!({"name": "Ada Example", "status": "REVIEW"}))});
    let payload = without_errors(gateway.ask_as("key-no-unmask", UPDATE, input).await)["result"].clone();
    assert_eq!(
        (&payload["userErrors"], &payload["customer"]["name"]),
        (&json!([]), &json!("Ada Example")),
        "{payload}"
    );
    assert_eq!(count(&sandbox.calls().await, REPLACED), 0);
}

/// An upstream that answers each write with somebody, as for an earlier request with the same key.
async fn replaying(told: Value) -> (Gateway, Stub) {
    let stub = Stub::start(move |seen| match seen.method.as_str() {
        "GET" => Reply::object(&clear_person(id_in(&seen.path))),
        "POST" => {
            Reply::json(201, &json!({"data": with(person(ADA), told.clone()), "meta": {}, "response_type": "object"}))
        }
        _ => Reply::object(&with(person(id_in(&seen.path)), told.clone())),
    })
    .await;
    (Gateway::over(&stub.base, |_| {}).await, stub)
}

#[rstest]
#[case::another_name(json!({"name": "Other Planted"}))]
#[case::another_e_mail(json!({"email": "other@planted.test"}))]
#[case::another_external_id(json!({"external_id": "planted-9"}))]
#[tokio::test]
async fn the_answer_to_another_request_with_the_same_key_is_shown_to_nobody(#[case] other: Value) {
    let own = json!({"name": "Tess Tester", "email": "tess@example.test", "external_id": "tess-1"});
    let (gateway, stub) = replaying(with(own, other)).await;
    let fields = json!({"name": "Tess Tester", "email": "tess@example.test", "externalId": "tess-1", "idempotencyKey": "my-own-key-1"});
    for (mutation, input) in [(CREATE, smallest("tess@example.test")), (UPDATE, json!({"id": ADA}))] {
        let payload = run(&gateway, mutation, with(input, fields.clone())).await;
        assert_eq!(complaints(&payload), [("IDEMPOTENCY_KEY_REUSED".to_owned(), "input.idempotencyKey".to_owned())]);
        assert!(!payload.to_string().to_lowercase().contains("planted"), "{payload}");
    }
    assert_eq!(stub.routes().iter().filter(|route| !route.starts_with("GET")).count(), 2);
}

/// It may have been carried out for this very request, so the caller must not be told to take a new key.
#[rstest]
#[case(json!({"email": null}))]
#[case(json!({"name": ["Tess"]}))]
#[tokio::test]
async fn an_answer_whose_person_cannot_be_read_leaves_the_outcome_unknown(#[case] unreadable: Value) {
    let own = json!({"name": "Tess Tester", "email": "tess@example.test", "external_id": "tess-1"});
    let (gateway, _stub) = replaying(with(own, unreadable)).await;
    let fields = json!({"name": "Tess Tester", "email": "tess@example.test", "externalId": "tess-1", "idempotencyKey": "my-own-key-1"});
    for (mutation, input) in [(CREATE, smallest("tess@example.test")), (UPDATE, json!({"id": ADA}))] {
        let answer = gateway.ask_with(mutation, json!({"input": with(input, fields.clone())})).await;
        let extensions = &answer["errors"][0]["extensions"];
        assert_eq!(
            (&extensions["code"], &extensions["outcome"]),
            (&json!("UPSTREAM_INVALID_RESPONSE"), &json!("UNKNOWN"))
        );
        assert!(!answer.to_string().contains("Tess"), "{answer}");
    }
}

#[rstest]
#[case::case_and_spaces(json!({"name": " tess  tester", "email": "Tess@Example.test"}), json!({"name": "Tess Tester", "email": "tess@example.test"}))]
#[case::composed(json!({"name": "Zoe\u{308} Tester", "externalId": "u\u{308}-1"}), json!({"name": "Zo\u{eb} Tester", "external_id": "\u{fc}-1"}))]
#[case::decomposed(json!({"name": "Zo\u{eb} TESTER"}), json!({"name": "Zoe\u{308} Tester"}))]
#[case::hangul(json!({"name": "\u{1112}\u{1161}\u{11ab}"}), json!({"name": "\u{d55c}"}))]
#[tokio::test]
async fn an_answer_that_the_upstream_tidied_up_is_the_same_person(#[case] sent: Value, #[case] told: Value) {
    let own = json!({"name": "Tess Tester", "email": "tess@example.test", "external_id": "tess-1"});
    let (gateway, _stub) = replaying(with(own, told.clone())).await;
    let own = json!({"name": "Tess Tester", "email": "tess@example.test", "externalId": "tess-1", "idempotencyKey": "my-own-key-1"});
    let fields = with(own, sent);
    for (mutation, input) in [(CREATE, smallest("x@example.test")), (UPDATE, json!({"id": ADA}))] {
        let payload = run(&gateway, mutation, with(input, fields.clone())).await;
        assert_eq!(payload["customer"]["name"], told["name"], "{payload}");
    }
}
