//! Repeated updates, as after a lost response: an update that took effect is reported as done, and a key never reveals
//! another customer.

use std::sync::Mutex;

use customers_sandbox::seed::{ADA, REX};
use rstest::rstest;
use serde_json::{Value, json};

use super::{CREATE, UPDATE, complaints, for_customer, run, smallest};
use crate::support::gateway::without_errors;
use crate::support::stub::{clear_person, id_in, person, with};
use crate::support::{Gateway, Reply, Sandbox, Stub, count, only_error};

const REPLACED: &str = "PUT /v1/customers/{id}";

/// Sends an update that takes effect and whose response is lost. Returns the sent input.
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
async fn an_update_without_changes_of_a_masked_record_needs_no_device() {
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

/// An upstream that responds to each write with this customer, as for an earlier request with the same key.
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
async fn a_replayed_response_of_another_request_is_not_shown(#[case] other: Value) {
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

/// The write may have taken effect for this request, so the error must not suggest a new key.
#[rstest]
#[case(json!({"email": null}))]
#[case(json!({"name": ["Tess"]}))]
#[tokio::test]
async fn a_response_with_an_unreadable_identity_leaves_the_outcome_unknown(#[case] unreadable: Value) {
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
async fn a_normalized_response_is_the_same_customer(#[case] sent: Value, #[case] told: Value) {
    let own = json!({"name": "Tess Tester", "email": "tess@example.test", "external_id": "tess-1"});
    let (gateway, _stub) = replaying(with(own, told.clone())).await;
    let own = json!({"name": "Tess Tester", "email": "tess@example.test", "externalId": "tess-1", "idempotencyKey": "my-own-key-1"});
    let fields = with(own, sent);
    for (mutation, input) in [(CREATE, smallest("x@example.test")), (UPDATE, json!({"id": ADA}))] {
        let payload = run(&gateway, mutation, with(input, fields.clone())).await;
        assert_eq!(payload["customer"]["name"], told["name"], "{payload}");
    }
}

/// An upstream with one customer that stores some members of an update in another form. The response to the first
/// update is lost, and its key is rejected for any other body.
async fn tidying(record: Value, stored: Value) -> Stub {
    let record = Mutex::new((record, None));
    Stub::start(move |seen| {
        let mut record = record.lock().unwrap();
        let (customer, first) = &mut *record;
        if seen.method != "PUT" {
            return Reply::object(customer);
        }
        match first.as_ref() {
            Some(first) if *first == seen.json() => Reply::object(customer),
            Some(_) => Reply::refusal(409, Some("The key belongs to another request."), &[]),
            None => {
                *first = Some(seen.json());
                let times = json!({"updated_at": "2026-07-07T06:29:00"});
                *customer = with(with(with(customer.clone(), seen.json()), stored.clone()), times);
                Reply::json(502, &json!({}))
            }
        }
    })
    .await
}

fn puts(stub: &Stub) -> usize {
    stub.seen().iter().filter(|seen| seen.method == "PUT").count()
}

/// The record when the caller read it.
const SEEN: &str = "2026-07-07T06:21:50Z";

#[rstest]
#[case::case_and_spaces(json!({"name": " ada  RENAMED"}), json!({"name": "Ada Renamed"}))]
#[case::the_unicode_form(json!({"name": "Zoe\u{308} Example"}), json!({"name": "Zo\u{eb} Example"}))]
#[case::the_e_mail(json!({"email": "Ada.New@Example.test"}), json!({"email": "ada.new@example.test"}))]
#[case::the_address(
    json!({"address": {"address1": "2  new rd", "city": "ELKO", "state": "NV", "zip": "89801"}}),
    json!({"address": {"address1": "2 New Rd", "address2": "", "city": "Elko", "state": "NV", "zip": "89801"}})
)]
#[case::values_of_metadata(json!({"metadata": [{"key": "tier", "value": " Silver"}]}), json!({"metadata": {"tier": "Silver"}}))]
#[case::no_metadata(json!({"name": "Ada Renamed", "metadata": []}), json!({"metadata": null}))]
#[case::no_external_id(json!({"externalId": null}), json!({"external_id": ""}))]
#[tokio::test]
async fn a_repeated_update_that_the_upstream_tidied_up_is_done(#[case] change: Value, #[case] stored: Value) {
    let stub = tidying(clear_person(ADA), stored).await;
    let gateway = Gateway::over(&stub.base, |_| {}).await;
    let more = json!({"expectedUpdatedAt": SEEN, "idempotencyKey": "my-own-key-1"});
    let input = with(for_customer(ADA, change), more);
    let answer = gateway.ask_with(UPDATE, json!({"input": input})).await;
    assert_eq!(only_error(&answer)["extensions"]["outcome"], "UNKNOWN");
    let payload = run(&gateway, UPDATE, input).await;
    assert_eq!((&payload["userErrors"], &payload["customer"]["id"]), (&json!([]), &json!(ADA)), "{payload}");
    assert_eq!(puts(&stub), 1);
}

#[tokio::test]
async fn a_key_whose_update_the_upstream_tidied_up_is_done_also_where_somebody_else_wrote_meanwhile() {
    // After another caller's change the replacement differs, and the upstream rejects the key for it.
    let stub = tidying(clear_person(ADA), json!({"name": "Ada Renamed", "phone": "+12025550177"})).await;
    let gateway = Gateway::over(&stub.base, |_| {}).await;
    let input = for_customer(ADA, json!({"name": "ada renamed", "idempotencyKey": "my-own-key-1"}));
    let answer = gateway.ask_with(UPDATE, json!({"input": input})).await;
    assert_eq!(only_error(&answer)["extensions"]["outcome"], "UNKNOWN");
    let payload = run(&gateway, UPDATE, input).await;
    assert_eq!(
        (&payload["userErrors"], &payload["customer"]["name"]),
        (&json!([]), &json!("Ada Renamed")),
        "{payload}"
    );
    assert_eq!(puts(&stub), 2);
    let other = for_customer(ADA, json!({"name": "Ada Another", "idempotencyKey": "my-own-key-1"}));
    let payload = run(&gateway, UPDATE, other).await;
    assert_eq!(complaints(&payload), [("IDEMPOTENCY_KEY_REUSED".to_owned(), "input.idempotencyKey".to_owned())]);
}

/// Otherwise no update could correct the spelling of a name.
#[rstest]
#[case(json!({"name": "Ada EXAMPLE"}))]
#[case(json!({"name": "Ada EXAMPLE", "expectedUpdatedAt": SEEN}))]
#[tokio::test]
async fn a_change_of_letter_case_alone_is_sent(#[case] change: Value) {
    let stub = Stub::start(|seen| Reply::object(&clear_person(id_in(&seen.path)))).await;
    let gateway = Gateway::over(&stub.base, |_| {}).await;
    let payload = run(&gateway, UPDATE, for_customer(ADA, change)).await;
    assert_eq!((&payload["userErrors"], puts(&stub)), (&json!([]), 1), "{payload}");
}

/// A masked record does not show whether the device was stored. The upstream's replay of the key does.
#[tokio::test]
async fn an_update_with_values_that_a_masked_record_hides_is_never_told_as_done_by_a_look() {
    let (gateway, sandbox) = Gateway::passthrough().await;
    let ask = async |input: &Value| gateway.ask_as("key-no-unmask", UPDATE, json!({"input": input})).await;
    let query = format!("{{ customer(id: \"{REX}\") {{ updatedAt }} }}");
    let seen = without_errors(gateway.ask_as("key-no-unmask", &query, json!({})).await);
    sandbox.fault(json!({"route": REPLACED, "times": 1, "after_write": true, "fault": {"status": 502}})).await;
    let change =
        json!({"name": "Rex Renamed", "device": {"ipAddress": "198.51.100.7"}, "idempotencyKey": "my-own-key-1"});
    let unconditional = for_customer(REX, change);
    let input = with(unconditional.clone(), json!({"expectedUpdatedAt": seen["customer"]["updatedAt"]}));
    assert_eq!(only_error(&ask(&input).await)["extensions"]["outcome"], "UNKNOWN");
    let payload = without_errors(ask(&input).await)["result"].clone();
    assert_eq!(complaints(&payload), [("CONFLICT".to_owned(), "input.expectedUpdatedAt".to_owned())]);
    let message = payload["userErrors"][0]["message"].as_str().unwrap();
    assert!(message.contains("(device.ipAddress)") && message.contains("idempotencyKey"), "{message}");
    assert_eq!(count(&sandbox.calls().await, REPLACED), 1);
    let payload = without_errors(ask(&unconditional).await)["result"].clone();
    assert_eq!(payload["customer"]["name"], "Rex Renamed", "{payload}");
    // The upstream replayed its first response.
    assert_eq!(count(&sandbox.calls().await, REPLACED), 2);
}
