//! What the upstream refuses, in the input's own names, without a person's data.

use customers_gateway::sandbox::seed::{ADA, REX};
use rstest::rstest;
use serde_json::{Value, json};

use super::{CREATE, DECIDE, DELETE, REFRESH, UPDATE, complaints, for_customer, paths, run, smallest};
use crate::support::stub::{clear_person, id_in, with};
use crate::support::{Gateway, Reply, Stub};

/// A gateway whose upstream refuses every write like this.
async fn refusing(
    status: u16,
    detail: Option<&'static str>,
    items: &'static [(Option<&'static str>, &'static str)],
) -> (Gateway, Stub) {
    let stub = Stub::start(move |seen| match seen.method.as_str() {
        "GET" => Reply::object(&clear_person(id_in(&seen.path))),
        _ => Reply::refusal(status, detail, items),
    })
    .await;
    (Gateway::over(&stub.base, |_| {}).await, stub)
}

#[tokio::test]
async fn an_e_mail_that_somebody_has_is_taken() {
    let (gateway, sandbox) = Gateway::start().await;
    let data = gateway.data(&format!("{{ customer(id: \"{ADA}\") {{ email }} }}")).await;
    let email = data["customer"]["email"].as_str().unwrap();
    for (mutation, input) in [(CREATE, smallest(email)), (UPDATE, for_customer(REX, json!({"email": email})))] {
        let payload = run(&gateway, mutation, input).await;
        assert_eq!(paths(&payload, "TAKEN"), ["input.email"]);
        assert!(!payload.to_string().contains(email), "{payload}");
    }
    assert_eq!(sandbox.writes().await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_customer_that_is_not_in_review_cannot_be_decided() {
    let (gateway, sandbox) = Gateway::start().await;
    let payload = run(&gateway, DECIDE, json!({"customerId": REX, "decision": "VERIFIED"})).await;
    assert_eq!(paths(&payload, "NOT_IN_REVIEW"), ["input.customerId"]);
    assert_eq!(sandbox.writes().await, Vec::<Value>::new());
    assert_eq!(
        run(&gateway, DECIDE, json!({"customerId": ADA, "decision": "VERIFIED"})).await["userErrors"],
        json!([])
    );
    let again = run(&gateway, DECIDE, json!({"customerId": ADA, "decision": "REJECTED"})).await;
    assert_eq!(paths(&again, "NOT_IN_REVIEW"), ["input.customerId"]);
}

const PASCAL: &[(Option<&str>, &str)] = &[
    (Some("Device.IpAddress"), "Bad."),
    (Some("Address.Zip"), "Bad."),
    (Some("ComplianceProfile.LegalBusinessName"), "Bad."),
    (Some("ComplianceProfile.Representatives[1].Email"), "Bad."),
    (Some("ExternalId"), "Bad."),
    (Some("Something.Else"), "Bad."),
    (None, "The Idempotency-Key is wrong."),
];
const SNAKE: &[(Option<&str>, &str)] = &[
    (Some("device.ip_address"), "Bad."),
    (Some("address.zip"), "Bad."),
    (Some("compliance_profile.legal_business_name"), "Bad."),
    (Some("compliance_profile.representatives[1].email"), "Bad."),
    (Some("external_id"), "Bad."),
    (Some("something.else"), "Bad."),
    (None, "The idempotency-key is wrong."),
];

#[rstest]
#[case(400, PASCAL)]
#[case(422, SNAKE)]
#[tokio::test]
async fn places_come_back_in_the_inputs_names(
    #[case] status: u16,
    #[case] items: &'static [(Option<&'static str>, &'static str)],
) {
    let (gateway, _stub) = refusing(status, None, items).await;
    let expected = [
        "input.device.ipAddress",
        "input.address.zip",
        "input.complianceProfile.business.legalBusinessName",
        "input.complianceProfile.business.representatives.1.email",
        "input.externalId",
        "-",
        "input.idempotencyKey",
    ];
    for (mutation, input) in [(CREATE, smallest("n@example.test")), (UPDATE, for_customer(ADA, json!({"name": "New"})))]
    {
        let payload = run(&gateway, mutation, input).await;
        assert_eq!(paths(&payload, "INVALID"), expected);
        assert_eq!(payload["userErrors"][0]["message"], "Bad.");
    }
}

const PERSONAL: &str = "Account of TESS PLANTED (t.planted@example.test, +12025550123, 900-12-3456, 203.0.113.9) is frozen since 'Planted St'.";

#[tokio::test]
async fn a_rule_is_told_in_the_upstreams_words_without_the_person() {
    let (gateway, _stub) = refusing(422, Some(PERSONAL), &[]).await;
    let payload = run(&gateway, CREATE, smallest("t.planted@example.test")).await;
    assert_eq!(complaints(&payload), [("REFUSED".to_owned(), "-".to_owned())]);
    assert_eq!(payload["userErrors"][0]["message"], "Account of […] ([…], […], […] […]) is frozen since […].");
}

#[tokio::test]
async fn an_items_sentence_is_cut_too() {
    const ITEMS: &[(Option<&str>, &str)] = &[(Some("phone"), "+12025550123 of Tess Planted cannot be called.")];
    let (gateway, _stub) = refusing(422, None, ITEMS).await;
    let payload = run(&gateway, CREATE, smallest("n@example.test")).await;
    assert_eq!(payload["userErrors"][0]["message"], "[…] of […] cannot be called.");
}

#[tokio::test]
async fn a_value_at_the_end_of_a_long_sentence_is_cut_whole() {
    // The sentence is cut to 300 characters, and one of the shifts puts that into the middle of the name.
    for shift in 0..12 {
        let detail =
            format!("{}Tess Planted, 900-12-3456 and so on.", "so ".repeat(96 - shift / 3) + &"x".repeat(shift % 3));
        let stub = Stub::start(move |_| Reply::refusal(422, Some(&detail), &[])).await;
        let gateway = Gateway::over(&stub.base, |_| {}).await;
        let payload = run(&gateway, CREATE, smallest("n@example.test")).await;
        let message = payload["userErrors"][0]["message"].as_str().unwrap();
        assert!(!message.contains("Tes") && !message.contains('9'), "{message}");
    }
}

#[rstest]
#[case(400)]
#[case(409)]
#[case(422)]
#[tokio::test]
async fn a_refusal_without_a_word_is_a_refusal(#[case] status: u16) {
    let stub = Stub::start(move |_| Reply::new(status, "text/plain", "")).await;
    let gateway = Gateway::over(&stub.base, |_| {}).await;
    let payload = run(&gateway, DELETE, json!({"id": ADA})).await;
    assert_eq!(complaints(&payload), [("REFUSED".to_owned(), "-".to_owned())]);
    assert!(!payload["userErrors"][0]["message"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn a_key_repeats_a_request_and_serves_no_other() {
    let (gateway, sandbox) = Gateway::start().await;
    let input = with(smallest("once@example.test"), json!({"idempotencyKey": "once-and-only"}));
    let first = run(&gateway, CREATE, input.clone()).await;
    let again = run(&gateway, CREATE, input.clone()).await;
    assert_eq!((first["userErrors"].clone(), &first), (json!([]), &again));
    let writes = sandbox.writes().await;
    assert_eq!((writes.len(), &writes[0]["idempotency_key"]), (1, &json!("once-and-only")));
    let other = run(&gateway, CREATE, with(input, json!({"email": "other@example.test"}))).await;
    assert_eq!(paths(&other, "IDEMPOTENCY_KEY_REUSED"), ["input.idempotencyKey"]);
    let other = run(&gateway, DELETE, json!({"id": ADA, "idempotencyKey": "once-and-only"})).await;
    assert_eq!(paths(&other, "IDEMPOTENCY_KEY_REUSED"), ["input.idempotencyKey"]);
    assert_eq!(sandbox.writes().await.len(), 1);
}

#[tokio::test]
async fn a_repeated_key_repeats_the_other_writes_too() {
    let (gateway, sandbox) = Gateway::start().await;
    let key = |n: u8| json!({"idempotencyKey": format!("key-number-{n}")});
    for (mutation, input) in [
        (UPDATE, with(json!({"id": REX, "name": "Rex Renamed"}), key(1))),
        (DECIDE, with(json!({"customerId": ADA, "decision": "VERIFIED"}), key(2))),
        (REFRESH, with(json!({"customerId": ADA}), key(3))),
        (DELETE, with(json!({"id": ADA}), key(4))),
    ] {
        let first = run(&gateway, mutation, input.clone()).await;
        assert_eq!((&first["userErrors"], &first), (&json!([]), &run(&gateway, mutation, input).await));
    }
    assert_eq!(sandbox.writes().await.len(), 4);
}

#[tokio::test]
async fn every_write_has_a_key_of_its_own_and_no_read_has_one() {
    let stub = Stub::start(|seen| match seen.method.as_str() {
        "POST" => Reply::json(201, &json!({"data": clear_person(ADA), "meta": {}, "response_type": "object"})),
        _ => Reply::object(&clear_person(id_in(&seen.path))),
    })
    .await;
    let gateway = Gateway::over(&stub.base, |_| {}).await;
    for _ in 0..2 {
        for (mutation, input) in [
            (CREATE, smallest("n@example.test")),
            (UPDATE, json!({"id": ADA, "name": "N"})),
            (DELETE, json!({"id": ADA})),
            (DECIDE, json!({"customerId": ADA, "decision": "VERIFIED"})),
            (REFRESH, json!({"customerId": ADA})),
        ] {
            assert_eq!(run(&gateway, mutation, input).await["userErrors"], json!([]));
        }
    }
    let (mut keys, mut writes) = (std::collections::HashSet::new(), 0);
    for seen in stub.seen() {
        match (seen.method.as_str(), seen.header("idempotency-key")) {
            ("GET", key) => assert_eq!(key, None),
            (_, key) => {
                let key = key.unwrap_or_else(|| panic!("{} without a key", seen.route()));
                assert!((10..=40).contains(&key.len()) && key.is_ascii());
                writes += 1;
                keys.insert(key.to_owned());
            }
        }
    }
    assert_eq!((writes, keys.len()), (10, 10));
}
