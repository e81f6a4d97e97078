//! Validation: all errors of an input are returned at once, and nothing is sent.

use customers_sandbox::seed::{ADA, BLUE_KETTLE};
use rstest::rstest;
use serde_json::{Value, json};

use super::{CREATE, DECIDE, DELETE, REFRESH, UNMASK, UPDATE, for_customer, paths, run, smallest};
use crate::support::stub::with;
use crate::support::{Gateway, UNMASKED};

/// The input is rejected with these paths, without a call, and without its values in the messages.
async fn refused(mutation: &str, input: Value, expected: &[&str]) {
    let (gateway, sandbox) = Gateway::start().await;
    let payload = run(&gateway, mutation, input).await;
    assert_eq!(paths(&payload, "INVALID"), expected, "{payload}");
    assert!(!payload.to_string().contains("planted"), "{payload}");
    assert_eq!((sandbox.calls().await, sandbox.writes().await), (json!({}), vec![]));
}

#[tokio::test]
async fn all_user_errors_of_a_new_individual_are_reported_together() {
    let mut metadata: Vec<Value> = (0..21).map(|i| json!({"key": format!("k{i}"), "value": ""})).collect();
    metadata[0]["key"] = json!(format!("planted{}", "k".repeat(34)));
    metadata[1]["value"] = json!(format!("planted{}", "v".repeat(34)));
    metadata[3]["key"] = json!("k2");
    let input = json!({
        "name": " ", "type": "INDIVIDUAL", "email": "planted", "phone": "planted", "device": {"ipAddress": "::1"},
        "address": {"address1": "", "address2": "planted".repeat(15), "city": "  ", "state": "nv", "zip": "planted"},
        "complianceProfile": {"individual": {"dob": "2023-02-29", "ssn": "planted"}},
        "metadata": metadata, "idempotencyKey": "planted",
        "config": {"processingMethod": "UNRECOGNIZED", "sandboxOutcome": "UNRECOGNIZED"},
    });
    let expected = [
        "input.name",
        "input.email",
        "input.phone",
        "input.device.ipAddress",
        "input.address.address1",
        "input.address.address2",
        "input.address.city",
        "input.address.state",
        "input.address.zip",
        "input.complianceProfile.individual.dob",
        "input.complianceProfile.individual.ssn",
        "input.metadata",
        "input.metadata.0.key",
        "input.metadata.1.value",
        "input.metadata.3.key",
        "input.config.processingMethod",
        "input.config.sandboxOutcome",
        "input.idempotencyKey",
    ];
    refused(CREATE, input, &expected).await;
}

#[tokio::test]
async fn all_user_errors_of_a_new_business_are_reported_together() {
    let input = with(
        smallest("b@example.test"),
        json!({"type": "BUSINESS", "complianceProfile": {"business": {
        "ein": "planted", "legalBusinessName": "", "website": "planted", "representatives": [
            {"name": "Fine"}, {"name": "", "email": "planted@", "phone": "1"}]}}}),
    );
    let profile = |field: &str| format!("input.complianceProfile.business.{field}");
    let expected = [
        "ein",
        "legalBusinessName",
        "website",
        "representatives.1.name",
        "representatives.1.email",
        "representatives.1.phone",
    ]
    .map(profile);
    refused(CREATE, input, &expected.each_ref().map(String::as_str)).await;
}

#[rstest]
#[case::tomorrow(json!({"complianceProfile": {"individual": {"dob": "2999-01-01"}}}), "input.complianceProfile.individual.dob")]
#[case::the_other_type(json!({"complianceProfile": {"business": {"ein": "12-3456789"}}}), "input.complianceProfile.business")]
#[case::masked(json!({"complianceProfile": {"individual": {"ssn": "***-**-****"}}}), "input.complianceProfile.individual.ssn")]
#[case::masked_device(json!({"device": {"ipAddress": "**.**.**.**"}}), "input.device.ipAddress")]
#[case::short_key(json!({"idempotencyKey": "123456789"}), "input.idempotencyKey")]
#[case::long_key(json!({"idempotencyKey": "k".repeat(41)}), "input.idempotencyKey")]
#[case::broken_key(json!({"idempotencyKey": "a\r\nplanted: 1"}), "input.idempotencyKey")]
#[case::output_only(json!({"type": "UNRECOGNIZED"}), "input.type")]
#[tokio::test]
async fn a_single_user_error_has_its_path(#[case] more: Value, #[case] path: &str) {
    refused(CREATE, with(smallest("n@example.test"), more), &[path]).await;
}

#[tokio::test]
async fn a_key_is_checked_on_every_write() {
    let short = json!({"idempotencyKey": "short"});
    for (mutation, input) in [
        (UPDATE, with(json!({"id": ADA, "name": "N"}), short.clone())),
        (DELETE, with(json!({"id": ADA}), short.clone())),
        (DECIDE, with(json!({"customerId": ADA, "decision": "VERIFIED"}), short.clone())),
        (REFRESH, with(json!({"customerId": ADA}), short.clone())),
    ] {
        refused(mutation, input, &["input.idempotencyKey"]).await;
    }
}

#[rstest]
#[case::nothing(json!({}), &["input"])]
#[case::a_key_alone(json!({"idempotencyKey": "0123456789"}), &["input"])]
#[case::a_condition_alone(json!({"expectedUpdatedAt": "2026-01-01T00:00:00Z"}), &["input"])]
#[case::what_cannot_be_cleared(json!({"name": null, "email": null, "phone": null, "status": null, "device": null}),
    &["input.name", "input.email", "input.phone", "input.status", "input.device"])]
#[case::many(json!({"email": "planted", "status": "UNRECOGNIZED", "address": {"address1": "1", "city": "c", "state": "planted", "zip": "1"},
        "complianceProfile": {"individual": {"dob": "1/2/1980"}}}),
    &["input.email", "input.status", "input.address.state", "input.address.zip", "input.complianceProfile.individual.dob"])]
#[tokio::test]
async fn an_update_is_checked_before_the_customer_is_read(#[case] change: Value, #[case] expected: &[&str]) {
    refused(UPDATE, for_customer(ADA, change), expected).await;
}

#[rstest]
#[case(ADA, json!({"complianceProfile": {"business": {"ein": "12-3456789"}}}), "input.complianceProfile.business")]
#[case(BLUE_KETTLE, json!({"complianceProfile": {"individual": {"dob": "1980-01-01"}}}), "input.complianceProfile.individual")]
#[tokio::test]
async fn a_profile_of_the_other_type_is_refused_once_the_type_is_known(
    #[case] id: uuid::Uuid,
    #[case] change: Value,
    #[case] path: &str,
) {
    let (gateway, sandbox) = Gateway::start().await;
    let payload = run(&gateway, UPDATE, for_customer(id, change)).await;
    assert_eq!(paths(&payload, "INVALID"), [path]);
    assert_eq!((sandbox.calls().await, sandbox.writes().await), (json!({UNMASKED: 1}), vec![]));
}

#[tokio::test]
async fn a_missing_customer_is_a_user_error_at_the_id() {
    for id in [json!(super::UNKNOWN), json!("not-a-uuid")] {
        let (gateway, sandbox) = Gateway::start().await;
        for (mutation, input, path) in [
            (UPDATE, json!({"id": id, "name": "N"}), "input.id"),
            (DELETE, json!({"id": id}), "input.id"),
            (UNMASK, json!({"id": id}), "input.id"),
            (DECIDE, json!({"customerId": id, "decision": "VERIFIED"}), "input.customerId"),
            (REFRESH, json!({"customerId": id}), "input.customerId"),
        ] {
            let payload = run(&gateway, mutation, input).await;
            assert_eq!(paths(&payload, "NOT_FOUND"), [path], "{payload}");
        }
        assert_eq!(sandbox.writes().await, Vec::<Value>::new());
        assert_eq!(sandbox.calls().await == json!({}), id == "not-a-uuid");
    }
}
