//! The permission to write customers does not include decisions, not even by an update of the status.

use customers_sandbox::seed::{BLUE_KETTLE, IVY, PENNY, REX, RHEA};
use rstest::rstest;
use serde_json::{Value, json};
use uuid::Uuid;

use super::provider::{Provider, Signer};
use super::{Gateway, claims, gateway};
use crate::process::Directory;

const UPDATE: &str = "mutation ($input: UpdateCustomerInput!) { updateCustomer(input: $input) { customer { status } userErrors { code path } } }";

struct Started {
    gateway: Gateway,
    directory: Directory,
    signer: Signer,
    _provider: Provider,
}

/// A gateway with an audit file and these settings.
async fn started(settings: &str) -> Started {
    let signer = Signer::ec("ec-1");
    let provider = Provider::start(&[&signer]).await;
    let directory = Directory::new();
    let file = directory.path("audit.jsonl");
    let gateway = gateway(&format!(
        "algorithms = 'ES256'\njwks_url = '{}'\n[audit]\ndestination = '{}'\n{settings}",
        provider.url,
        file.display()
    ))
    .await;
    Started { gateway, directory, signer, _provider: provider }
}

impl Started {
    /// The response to an update by a caller with these permissions.
    async fn update(&self, permissions: &[&str], input: Value) -> Value {
        let token = self.signer.token(&claims(json!({"permissions": permissions})));
        self.gateway.ask(&token, None, json!({"query": UPDATE, "variables": {"input": input}})).await.json()
    }

    async fn status(&self, id: Uuid) -> Value {
        let token = self.signer.token(&claims(json!({})));
        let query = json!({"query": format!("{{ customer(id: \"{id}\") {{ status }} }}")});
        self.gateway.ask(&token, None, query).await.json()["data"]["customer"]["status"].clone()
    }

    fn records(&self) -> Vec<Value> {
        self.directory.read("audit.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

const WRITES: [&str; 2] = ["CUSTOMERS_READ", "CUSTOMERS_WRITE"];
const DECIDES: [&str; 3] = ["CUSTOMERS_READ", "CUSTOMERS_WRITE", "REVIEWS_DECIDE"];

#[rstest]
#[case::out_of_review(RHEA, "REVIEW", "VERIFIED")]
#[case::out_of_review_by_a_detour(RHEA, "REVIEW", "INACTIVE")]
#[case::out_of_pending(PENNY, "PENDING", "VERIFIED")]
#[case::out_of_rejected(REX, "REJECTED", "VERIFIED")]
#[case::out_of_rejected_by_a_detour(REX, "REJECTED", "INACTIVE")]
#[case::into_rejected(BLUE_KETTLE, "VERIFIED", "REJECTED")]
#[case::from_inactive_into_rejected(IVY, "INACTIVE", "REJECTED")]
#[tokio::test]
async fn a_deciding_status_change_needs_reviews_decide(#[case] id: Uuid, #[case] old: &str, #[case] new: &str) {
    let started = started("").await;
    let input = json!({"id": id, "status": new, "name": "Renamed Planted", "reason": "documents seen"});

    let refused = started.update(&WRITES, input.clone()).await;
    let extensions = &refused["errors"][0]["extensions"];
    assert_eq!(
        (&extensions["code"], &extensions["permission"]),
        (&json!("FORBIDDEN"), &json!("REVIEWS_DECIDE")),
        "{refused}"
    );
    assert_eq!(extensions.get("outcome"), None, "nothing was sent");
    assert_eq!(started.status(id).await, old);

    let done = started.update(&DECIDES, input).await;
    assert_eq!(done["data"]["updateCustomer"]["customer"]["status"], new, "{done}");
    let records = started.records();
    assert_eq!(records.len(), 2);
    for (record, (outcome, codes)) in records.iter().zip([("failed", json!(["FORBIDDEN"])), ("done", Value::Null)]) {
        assert_eq!(
            (&record["action"], &record["outcome"], &record["codes"]),
            (&json!("decide"), &json!(outcome), &codes)
        );
        assert_eq!((&record["old_status"], &record["new_status"]), (&json!(old), &json!(new)), "{record}");
        assert_eq!((&record["fields"], &record["reason"]), (&json!(["name", "status"]), &json!("documents seen")));
    }
    assert!(!started.directory.read("audit.jsonl").contains("Planted"));
}

#[tokio::test]
async fn activating_and_deactivating_needs_customers_write_only() {
    let started = started("").await;
    for status in ["INACTIVE", "VERIFIED"] {
        let done = started.update(&WRITES, json!({"id": BLUE_KETTLE, "status": status})).await;
        assert_eq!(done["data"]["updateCustomer"]["customer"]["status"], status, "{done}");
    }
    let told: Vec<_> = started
        .records()
        .iter()
        .map(|record| [&record["action"], &record["old_status"], &record["new_status"]].map(Value::clone))
        .collect();
    assert_eq!(
        told,
        [["update", "VERIFIED", "INACTIVE"], ["update", "INACTIVE", "VERIFIED"]]
            .map(|words| words.map(|word| json!(word)))
    );
}

#[tokio::test]
async fn setting_the_current_status_is_not_a_status_change() {
    let started = started("").await;
    // A form that sends all its fields also sends the unchanged status.
    let done = started.update(&WRITES, json!({"id": RHEA, "status": "REVIEW", "phone": "+12025550199"})).await;
    assert_eq!(done["data"]["updateCustomer"]["userErrors"], json!([]), "{done}");
    let records = started.records();
    assert_eq!((&records[0]["action"], &records[0]["fields"]), (&json!("update"), &json!(["phone"])));
    assert_eq!(records[0].get("new_status"), None);
}

#[tokio::test]
async fn a_deciding_update_needs_a_reason_if_decisions_do() {
    let started = started("[privacy]\ndecide_reason = 'required'").await;
    let without = started.update(&DECIDES, json!({"id": RHEA, "status": "VERIFIED"})).await;
    assert_eq!(
        without["data"]["updateCustomer"]["userErrors"],
        json!([{"code": "REQUIRED", "path": ["input", "reason"]}]),
        "{without}"
    );
    assert_eq!(started.status(RHEA).await, "REVIEW");
    for input in
        [json!({"id": RHEA, "phone": "+12025550199"}), json!({"id": RHEA, "status": "VERIFIED", "reason": "seen"})]
    {
        let done = started.update(&DECIDES, input).await;
        assert_eq!(done["data"]["updateCustomer"]["userErrors"], json!([]), "{done}");
    }
}
