//! An update does not lose members of a customer's record that the gateway does not know.

use customers_gateway::upstream::wire::unknown_members::UnknownMembersPolicy;
use customers_sandbox::seed::{ADA, REX};
use rstest::rstest;
use serde_json::{Value, json};

use super::{UPDATE, complaints, for_customer, run};
use crate::support::stub::{clear_person, id_in, person, with};
use crate::support::{Gateway, Reply, Stub};

/// Members that are unknown to each version of the gateway.
fn unknown() -> Value {
    let address = json!({"address1": "1 Way", "address2": null, "city": "Reno", "state": "NV", "zip": "89501", "country": "Planted"});
    json!({"nickname": "Planted Nick", "address": address, "loyalty": {"points": 7, "tiers": ["a", "b"]}, "unused": null})
}

/// An upstream whose records have these additional members. With `is_masking` it masks them.
async fn upstream(more: Value, is_masking: bool) -> Stub {
    Stub::start(move |seen| match seen.method.as_str() {
        "GET" if seen.path.ends_with("/unmasked") && is_masking => Reply::refusal(403, None, &[]),
        "GET" if seen.path.ends_with("/unmasked") => {
            Reply::object(&with(clear_person(id_in(&seen.path)), more.clone()))
        }
        "GET" => Reply::object(&with(person(id_in(&seen.path)), more.clone())),
        _ => Reply::object(&with(person(id_in(&seen.path)), json!({"name": "N"}))),
    })
    .await
}

async fn gateway(stub: &Stub, policy: Option<UnknownMembersPolicy>) -> Gateway {
    Gateway::over(&stub.base, |settings| {
        settings.upstream.unknown_members = policy.unwrap_or(settings.upstream.unknown_members);
    })
    .await
}

fn puts(stub: &Stub) -> Vec<Value> {
    stub.seen().into_iter().filter(|seen| seen.method == "PUT").map(|seen| seen.json()).collect()
}

#[tokio::test]
async fn an_update_that_would_drop_unknown_members_is_refused() {
    let stub = upstream(unknown(), false).await;
    let gateway = gateway(&stub, None).await;
    let payload = run(&gateway, UPDATE, for_customer(ADA, json!({"phone": "+12025550199"}))).await;
    assert_eq!(complaints(&payload), [("REFUSED".to_owned(), "-".to_owned())]);
    let message = payload["userErrors"][0]["message"].as_str().unwrap();
    assert!(message.contains("(address.country, loyalty, nickname)"), "{message}");
    assert!(message.contains("upstream.unknown_members") && !message.contains("Planted"), "{message}");
    assert_eq!(puts(&stub), Vec::<Value>::new());
    // An update without a change loses nothing.
    let payload = run(&gateway, UPDATE, for_customer(ADA, json!({"phone": "+12025550123"}))).await;
    assert_eq!(payload["userErrors"], json!([]));
}

#[tokio::test]
async fn unknown_members_are_carried_into_the_replacement_where_the_setting_says_so() {
    let stub = upstream(unknown(), false).await;
    let gateway = gateway(&stub, Some(UnknownMembersPolicy::Carry)).await;
    let payload = run(&gateway, UPDATE, for_customer(ADA, json!({"phone": "+12025550199"}))).await;
    assert_eq!(payload["userErrors"], json!([]));
    let expected = json!({"name": "Ada Example", "email": "ada@example.test", "phone": "+12025550199", "status": "verified",
        "device": {"ip_address": "203.0.113.9"}, "external_id": "u-1", "metadata": {"tier": "gold"},
        "compliance_profile": {"dob": "1985-12-10", "ssn": "900-12-3456"}, "address": unknown()["address"],
        "nickname": "Planted Nick", "loyalty": {"points": 7, "tiers": ["a", "b"]}});
    assert_eq!(puts(&stub), [expected]);
}

#[rstest]
#[case::of_a_record_that_is_not_shown_in_clear(unknown(), true)]
#[case::that_wear_a_mask_in_the_clear_record(json!({"nickname": "*****"}), false)]
#[tokio::test]
async fn members_that_are_not_known_in_clear_are_never_carried(
    #[case] more: Value,
    #[case] is_masking: bool,
    #[values(UnknownMembersPolicy::Carry, UnknownMembersPolicy::Refuse)] policy: UnknownMembersPolicy,
) {
    let stub = upstream(more, is_masking).await;
    let gateway = gateway(&stub, Some(policy)).await;
    let change = json!({"phone": "+12025550199", "device": {"ipAddress": "203.0.113.9"}});
    let payload = run(&gateway, UPDATE, for_customer(ADA, change)).await;
    assert_eq!(complaints(&payload), [("REFUSED".to_owned(), "-".to_owned())]);
    assert_eq!(puts(&stub), Vec::<Value>::new());
}

#[tokio::test]
async fn what_is_known_to_be_the_upstreams_own_is_not_sent_back() {
    let own =
        json!({"config": {"processing_method": "inline", "sandbox_outcome": "standard", "region": "us"}, "tags": []});
    let stub = upstream(own, false).await;
    let gateway = gateway(&stub, None).await;
    let payload = run(&gateway, UPDATE, for_customer(ADA, json!({"phone": "+12025550199"}))).await;
    assert_eq!(payload["userErrors"], json!([]));
    assert_eq!(puts(&stub).len(), 1);
    assert_eq!((puts(&stub)[0].get("config"), puts(&stub)[0].get("tags")), (None, None));
}

#[tokio::test]
async fn carried_members_are_still_there_after_the_update() {
    let (gateway, sandbox) =
        Gateway::with(|settings| settings.upstream.unknown_members = UnknownMembersPolicy::Carry).await;
    let members = json!({"nickname": "Rex", "device": {"model": "x"}});
    sandbox.change(REX, json!({"members": members})).await;
    let payload = run(&gateway, UPDATE, for_customer(REX, json!({"phone": "+12025550199"}))).await;
    assert_eq!(payload["userErrors"], json!([]));
    let kept = sandbox.api("sandbox", reqwest::Method::GET, &format!("/customers/{REX}/unmasked"), None).await.json();
    assert_eq!((&kept["data"]["nickname"], &kept["data"]["device"]["model"]), (&json!("Rex"), &json!("x")));
    assert_eq!(kept["data"]["phone"], "+12025550199");
}

/// A record with unknown members at every level.
fn everywhere() -> Value {
    let profile = json!({"dob": "1985-12-10", "ssn": "900-12-3456", "note": "Planted Note"});
    let device = json!({"ip_address": "203.0.113.9", "model": "Planted Phone"});
    with(unknown(), json!({"compliance_profile": profile, "device": device}))
}

#[rstest]
#[case::an_address(json!({"address": {"address1": "2 New Rd", "city": "Elko", "state": "NV", "zip": "89801"}}), &["address"])]
#[case::no_address(json!({"address": null}), &["address"])]
#[case::a_device(json!({"device": {"ipAddress": "198.51.100.7"}}), &["device"])]
#[case::no_profile(json!({"complianceProfile": null}), &["compliance_profile"])]
#[case::one_field_of_a_profile(json!({"complianceProfile": {"individual": {"dob": "1980-02-29"}}}), &[])]
#[tokio::test]
async fn an_object_that_the_update_replaces_carries_nothing_of_the_old_one(
    #[case] change: Value,
    #[case] replaced: &[&str],
) {
    let stub = upstream(everywhere(), false).await;
    let gateway = gateway(&stub, Some(UnknownMembersPolicy::Carry)).await;
    let payload = run(&gateway, UPDATE, for_customer(ADA, change)).await;
    assert_eq!(payload["userErrors"], json!([]));
    let [put] = puts(&stub).try_into().unwrap();
    for (object, member) in [("address", "country"), ("device", "model"), ("compliance_profile", "note")] {
        let expected = if replaced.contains(&object) { Value::Null } else { everywhere()[object][member].clone() };
        assert_eq!(put[object][member], expected, "{object}: {put}");
    }
    assert_eq!((&put["nickname"], &put["loyalty"]), (&unknown()["nickname"], &unknown()["loyalty"]));
}

#[rstest]
#[case::in_a_masked_record(true)]
#[case::behind_a_mask_in_the_clear_record(false)]
#[tokio::test]
async fn members_of_a_replaced_object_that_are_not_known_in_clear_do_not_stand_in_the_way(#[case] is_masking: bool) {
    let device = json!({"ip_address": "203.0.113.9", "model": "*****"});
    let stub = upstream(json!({"device": device}), is_masking).await;
    let gateway = gateway(&stub, Some(UnknownMembersPolicy::Carry)).await;
    let change = json!({"phone": "+12025550199", "device": {"ipAddress": "198.51.100.7"}});
    let payload = run(&gateway, UPDATE, for_customer(ADA, change)).await;
    assert_eq!(payload["userErrors"], json!([]));
    assert_eq!(puts(&stub)[0]["device"], json!({"ip_address": "198.51.100.7"}));
}
