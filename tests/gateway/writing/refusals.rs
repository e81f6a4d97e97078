//! Rejections by the upstream: user errors with the input's field names and without personal data.

use customers_sandbox::seed::{ADA, REX};
use rstest::rstest;
use serde_json::{Value, json};

use super::{CREATE, DECIDE, DELETE, REFRESH, UPDATE, complaints, for_customer, paths, run, smallest};
use crate::support::stub::{clear_person, id_in, with};
use crate::support::{Gateway, Reply, Stub};

/// A gateway whose upstream rejects each write with this response.
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
    (Some("Device.IpAddress"), "Invalid."),
    (Some("Address.Zip"), "Invalid."),
    (Some("ComplianceProfile.LegalBusinessName"), "Invalid."),
    (Some("ComplianceProfile.Representatives[1].Email"), "Invalid."),
    (Some("ExternalId"), "Invalid."),
    (Some("Something.Else"), "Invalid."),
    (None, "The Idempotency-Key is wrong."),
];
const SNAKE: &[(Option<&str>, &str)] = &[
    (Some("device.ip_address"), "Invalid."),
    (Some("address.zip"), "Invalid."),
    (Some("compliance_profile.legal_business_name"), "Invalid."),
    (Some("compliance_profile.representatives[1].email"), "Invalid."),
    (Some("external_id"), "Invalid."),
    (Some("something.else"), "Invalid."),
    (None, "The idempotency-key is wrong."),
];

#[rstest]
#[case(400, PASCAL)]
#[case(422, SNAKE)]
#[tokio::test]
async fn error_paths_use_input_field_names(
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
        assert_eq!(payload["userErrors"][0]["message"], "Invalid.");
    }
}

/// The message if the upstream's sentence cannot be shown.
const BY_A_RULE: &str =
    "The Customers API refused this by a rule of its own. Its sentence is not shown: it may name somebody.";
const THIS_VALUE: &str = "The Customers API refused this value. Its sentence is not shown: it may name somebody.";

#[rstest]
#[case::capitals("Account of BEA QUILL is frozen.")]
#[case::all_capitals("ACCOUNT OF BEA QUILL IS FROZEN.")]
#[case::small_letters("account of bea quill is frozen.")]
#[case::other_letters("Account of Ольга Петрова is frozen.")]
#[case::other_script("客户 王小明 不存在。")]
#[case::arabic("الحساب محمد مجمد")]
#[case::a_street("Address 12 oak lane is not known.")]
#[case::spaced_digits("The number 9 0 0 1 2 3 4 5 6 is not valid.")]
#[case::spaced_pairs("The number 90 01 23 45 6 is not valid.")]
#[case::full_width_digits("The SSN ９００１２３４５６ is not valid.")]
#[case::other_digits("The SSN ٩٠٠١٢٣٤٥٦ is not valid.")]
#[case::number_words("The SSN nine zero zero one two three is not valid.")]
#[case::spelled_mail("The address tess at planted dot example is not valid.")]
#[case::parted("The customer T-e-s-s must be unique.")]
#[case::dotted("The customer t.planted must be unique.")]
#[case::between_marks("Account of 'Tess' is frozen.")]
#[case::a_name_that_is_a_word("The customer Will Grant must be in review.")]
#[case::a_given_name_alone("The customer Account must be in review.")]
#[case::a_date("The date 12 May is not valid.")]
#[case::an_age("Must be 17 years or older.")]
#[case::invisible("The customer Te\u{200b}ss must be unique.")]
#[case::marks("The phone _tess_ must be valid.")]
#[tokio::test]
async fn a_sentence_with_an_unlisted_word_is_not_shown(#[case] sentence: &'static str) {
    let items: &'static [(Option<&str>, &str)] = Box::leak(Box::new([(Some("phone"), sentence), (None, sentence)]));
    let (gateway, _stub) = refusing(422, Some(sentence), &[]).await;
    let payload = run(&gateway, CREATE, smallest("n@example.test")).await;
    assert_eq!(complaints(&payload), [("REFUSED".to_owned(), "-".to_owned())]);
    assert_eq!(payload["userErrors"][0]["message"], BY_A_RULE);
    let (gateway, _stub) = refusing(422, None, items).await;
    let payload = run(&gateway, CREATE, smallest("n@example.test")).await;
    let messages: Vec<&Value> =
        payload["userErrors"].as_array().unwrap().iter().map(|error| &error["message"]).collect();
    assert_eq!(messages, [THIS_VALUE, BY_A_RULE]);
}

#[rstest]
#[case("Must be a ZIP code of five or nine digits.", None)]
#[case("Customer status is pending. Its first screening has not ended.", None)]
#[case("Must be one of: verified, inactive, rejected.", None)]
#[case("'Device.IpAddress' must not be empty.", None)]
#[case("The field Phone is required.", None)]
#[case("Not an E.164 number.", None)]
#[case("Keys must have at most 40 characters.", None)]
#[case("Must have between 10 and 40 characters.", None)]
#[case("Must have the form 000-00-0000.", None)]
#[case("Account of Tess Planted is frozen.", Some("Account of […] is frozen."))]
#[case("TESS  PLANTED (+12025550123, n@example.test) is not allowed.", Some("[…] ([…], […]) is not allowed."))]
#[tokio::test]
async fn a_sentence_of_known_words_is_shown_without_the_values_that_were_sent(
    #[case] sentence: &'static str,
    #[case] told: Option<&str>,
) {
    let (gateway, _stub) = refusing(422, Some(sentence), &[]).await;
    let payload = run(&gateway, CREATE, smallest("n@example.test")).await;
    assert_eq!(payload["userErrors"][0]["message"], told.unwrap_or(sentence));
}

#[tokio::test]
async fn a_sentence_that_is_too_long_is_not_shown() {
    for sentence in ["must be unique ".repeat(40), format!("{}Tess Planted", "so ".repeat(96))] {
        let stub = Stub::start(move |_| Reply::refusal(422, Some(&sentence), &[])).await;
        let gateway = Gateway::over(&stub.base, |_| {}).await;
        let payload = run(&gateway, CREATE, smallest("n@example.test")).await;
        assert_eq!(payload["userErrors"][0]["message"], BY_A_RULE);
    }
}

#[rstest]
#[case(400)]
#[case(409)]
#[case(422)]
#[tokio::test]
async fn a_rejection_without_a_message_is_a_user_error(#[case] status: u16) {
    let stub = Stub::start(move |_| Reply::new(status, "text/plain", "")).await;
    let gateway = Gateway::over(&stub.base, |_| {}).await;
    let payload = run(&gateway, DELETE, json!({"id": ADA})).await;
    assert_eq!(complaints(&payload), [("REFUSED".to_owned(), "-".to_owned())]);
    assert!(!payload["userErrors"][0]["message"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn an_idempotency_key_replays_its_own_request_only() {
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
