//! Review, decision, refresh.

use std::collections::HashSet;

use customers_sandbox::seed;
use reqwest::Method;
use serde_json::{Value, json};

use super::{at, start};

fn review_of(id: impl std::fmt::Display) -> String {
    format!("{}/review", at(id))
}

#[tokio::test]
async fn the_full_review_has_every_module_and_a_text_for_every_code() {
    let sandbox = start().await;
    let data = sandbox.get(&review_of(seed::ADA)).await.data();
    assert_eq!(data["customer_details"], sandbox.get(&at(seed::ADA)).await.data());
    let identity = &data["identity_details"];
    assert_eq!(identity.as_object().unwrap().len(), 10);
    assert_eq!(identity["breakdown"].as_object().unwrap().len(), 8);
    assert_eq!(identity["kyc"]["validations"].as_object().unwrap().len(), 10);
    assert_eq!(identity["reputation"]["insights"].as_object().unwrap().len(), 33);
    assert!(identity["reputation"]["insights"].as_object().unwrap().values().all(|figure| !figure.is_null()));
    assert_eq!(identity["watch_list"]["matches"].as_array().unwrap().len(), 2);
    let modules = identity["breakdown"].as_object().unwrap().values();
    let parts = ["kyc", "network_alerts", "reputation", "watch_list"].map(|part| &identity[part]);
    for code in modules.chain(parts).flat_map(|part| part["codes"].as_array().unwrap()) {
        assert!(identity["messages"][code.as_str().unwrap()].is_string(), "{code}");
    }
}

#[tokio::test]
async fn a_rejected_customer_can_have_the_decision_accept() {
    let sandbox = start().await;
    let forced = sandbox.person("forced@example.test", "rejected").await;
    for id in [seed::REX.to_string(), forced] {
        let data = sandbox.get(&review_of(id)).await.data();
        assert_eq!(data["customer_details"]["status"], "rejected");
        assert_eq!(data["identity_details"]["decision"], "accept");
    }
}

#[tokio::test]
async fn reputation_alone_can_keep_a_customer_in_review() {
    let sandbox = start().await;
    let identity = sandbox.get(&review_of(seed::RHEA)).await.data()["identity_details"].clone();
    assert_eq!(identity["decision"], "review");
    assert!(identity["breakdown"].as_object().unwrap().values().all(|module| module["decision"] == "accept"));
    assert_eq!(identity["reputation"]["decision"], "review");
}

#[tokio::test]
async fn an_unscreened_customer_has_a_review_without_identity_details() {
    let sandbox = start().await;
    let data = sandbox.get(&review_of(seed::PENNY)).await.data();
    assert!(data.get("identity_details").is_none());
    assert_eq!(data["customer_details"]["status"], "pending");
}

#[tokio::test]
async fn a_decision_returns_the_customer_and_cannot_be_repeated() {
    let sandbox = start().await;
    let before = sandbox.get(&review_of(seed::ADA)).await.data();
    let decided = sandbox.patch(&review_of(seed::ADA), json!({"status": "verified"})).await;
    assert_eq!(decided.status, 200);
    assert_eq!(decided.data()["id"], seed::ADA.to_string());
    assert_eq!(decided.data()["status"], "verified");
    let after = sandbox.get(&review_of(seed::ADA)).await.data();
    assert_eq!(after["identity_details"], before["identity_details"], "a decision does not change the screening");
    let again = sandbox.patch(&review_of(seed::ADA), json!({"status": "rejected"})).await;
    assert_eq!(again.status, 422);
    assert_eq!(
        again.json()["error"]["detail"],
        "Customer status is verified. Only customers in review can be decided."
    );
    assert!(again.json()["error"].get("items").is_none());
}

#[tokio::test]
async fn a_decision_accepts_only_verified_and_rejected() {
    let sandbox = start().await;
    for body in [json!({"status": "review"}), json!({"status": "approved"}), json!({}), json!({"status": null})] {
        let got = sandbox.patch(&review_of(seed::ADA), body).await;
        assert_eq!((got.status, got.references()), (400, vec!["Status".to_owned()]));
    }
    let got = sandbox.patch(&review_of(seed::ADA), json!({"status": "verified", "reason": "ok"})).await;
    assert_eq!((got.status, got.references()), (400, vec!["Reason".to_owned()]));
}

#[tokio::test]
async fn a_refresh_replaces_the_screening_and_keeps_the_status() {
    let sandbox = start().await;
    let before = sandbox.get(&review_of(seed::RHEA)).await.data();
    let got = sandbox.send(Method::PUT, &format!("{}/refresh_review", at(seed::RHEA)), None).await;
    assert_eq!(got.status, 200);
    assert_eq!(got.data()["status"], "review");
    let after = sandbox.get(&review_of(seed::RHEA)).await.data();
    for name in ["review_id", "updated_at"] {
        assert_ne!(after["identity_details"][name], before["identity_details"][name], "{name}");
    }
    let pending = sandbox.send(Method::PUT, &format!("{}/refresh_review", at(seed::PENNY)), None).await;
    assert_eq!(pending.status, 422);
    assert!(pending.json()["error"].get("items").is_none());
}

#[tokio::test]
async fn every_enum_value_occurs_in_the_seed() {
    let sandbox = start().await;
    let mut words = HashSet::new();
    let list = sandbox.get("/v1/customers?page_size=1000").await.data();
    for row in list.as_array().unwrap() {
        let review = sandbox.get(&review_of(row["id"].as_str().unwrap())).await.data();
        gather(&review, &mut words);
    }
    let expected = "pending review verified inactive rejected individual business accept reject low_confidence \
        potential_match likely_match high_confidence inline background skip standard";
    for word in expected.split_whitespace() {
        assert!(words.contains(word), "{word}");
    }
}

fn gather(value: &Value, words: &mut HashSet<String>) {
    match value {
        Value::String(word) => _ = words.insert(word.clone()),
        Value::Array(values) => values.iter().for_each(|value| gather(value, words)),
        Value::Object(members) => members.values().for_each(|value| gather(value, words)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
