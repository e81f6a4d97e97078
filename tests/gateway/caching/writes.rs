//! Each read that starts after the response to a write sees the write.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use customers_sandbox::seed::{ADA, REX, RHEA};
use serde_json::{Value, json};
use uuid::Uuid;

use super::name_of;
use crate::support::gateway::without_errors;
use crate::support::{Gateway, Sandbox, count};

/// A customer in the single read, the review and a list.
async fn shown(gateway: &Gateway, id: Uuid) -> [Value; 3] {
    let query = "query ($id: ID!) { customer(id: $id) { name status } }";
    let own = gateway.data_with(query, json!({"id": id})).await["customer"].clone();
    let query = "query ($id: ID!) { customerReview(customerId: $id) { customer { name status } } }";
    let review = gateway.data_with(query, json!({"id": id})).await["customerReview"]["customer"].clone();
    let mut rows = Vec::new();
    for number in 1..=3 {
        let query = "query ($n: Int!) { customerPage(number: $n, size: 100) { nodes { id name status } } }";
        let data = gateway.data_with(query, json!({"n": number})).await;
        rows.extend(data["customerPage"]["nodes"].as_array().unwrap().clone());
    }
    let row = rows.iter().find(|row| row["id"] == json!(id));
    let row = row.map_or(Value::Null, |row| json!({"name": row["name"], "status": row["status"]}));
    [own, review, row]
}

async fn start() -> (Gateway, Sandbox) {
    Gateway::start().await
}

#[tokio::test]
async fn an_update_is_visible_in_all_reads() {
    let (gateway, sandbox) = start().await;
    shown(&gateway, ADA).await;
    gateway
        .data(&format!(
            "mutation {{ updateCustomer(input: {{id: \"{ADA}\", name: \"Ada Renamed\"}}) {{ customer {{ id }} }} }}"
        ))
        .await;
    sandbox.forget_calls().await;
    let expected = json!({"name": "Ada Renamed", "status": "REVIEW"});
    assert_eq!(shown(&gateway, ADA).await, [expected.clone(), expected.clone(), expected]);
}

#[tokio::test]
async fn a_decision_is_visible_and_its_review_is_reloaded() {
    let (gateway, sandbox) = start().await;
    shown(&gateway, ADA).await;
    sandbox.forget_calls().await;
    let data = gateway
        .data(&format!("mutation {{ decideCustomerReview(input: {{customerId: \"{ADA}\", decision: REJECTED}}) {{ customer {{ status review {{ customer {{ status }} }} }} }} }}"))
        .await;
    assert_eq!(
        data["decideCustomerReview"]["customer"],
        json!({"status": "REJECTED", "review": {"customer": {"status": "REJECTED"}}})
    );
    assert_eq!(
        sandbox.calls().await,
        json!({"PATCH /v1/customers/{id}/review": 1, "GET /v1/customers/{id}/review": 1})
    );
    let expected = json!({"name": "Ada Example", "status": "REJECTED"});
    assert_eq!(shown(&gateway, ADA).await, [expected.clone(), expected.clone(), expected]);
}

#[tokio::test]
async fn a_deleted_customer_is_gone_from_all_reads() {
    let (gateway, _sandbox) = start().await;
    shown(&gateway, REX).await;
    gateway.data(&format!("mutation {{ deleteCustomer(input: {{id: \"{REX}\"}}) {{ deletedCustomerId }} }}")).await;
    assert_eq!(shown(&gateway, REX).await, [Value::Null, Value::Null, Value::Null]);
    assert_eq!(gateway.data("{ customers { totalCount } }").await["customers"]["totalCount"], 249);
}

#[tokio::test]
async fn a_refreshed_review_is_seen() {
    let (gateway, _sandbox) = start().await;
    let query =
        format!("{{ customerReview(customerId: \"{RHEA}\") {{ identity {{ reviewId }} customer {{ updatedAt }} }} }}");
    let before = gateway.data(&query).await;
    gateway.data(&format!("mutation {{ refreshCustomerReview(input: {{customerId: \"{RHEA}\"}}) {{ customer {{ id }} userErrors {{ code }} }} }}")).await;
    let after = gateway.data(&query).await;
    assert_ne!(before["customerReview"]["identity"], after["customerReview"]["identity"]);
    assert_ne!(before["customerReview"]["customer"], after["customerReview"]["customer"]);
}

#[tokio::test]
async fn a_created_customer_appears_in_lists() {
    let (gateway, _sandbox) = start().await;
    let by_external_id = "{ customerByExternalId(externalId: \"new-1\") { name } customers { totalCount } }";
    assert_eq!(
        gateway.data(by_external_id).await,
        json!({"customerByExternalId": null, "customers": {"totalCount": 250}})
    );
    let create = "mutation { createCustomer(input: {name: \"New One\", type: INDIVIDUAL, email: \"new@example.test\", phone: \"+12025550123\", \
        device: {ipAddress: \"0.0.0.0\"}, externalId: \"new-1\"}) { customer { id } userErrors { message } } }";
    let id = gateway.data(create).await["createCustomer"]["customer"]["id"].clone();
    assert!(id.is_string());
    assert_eq!(
        gateway.data(by_external_id).await,
        json!({"customerByExternalId": {"name": "New One"}, "customers": {"totalCount": 251}})
    );
}

#[tokio::test]
async fn a_request_reads_its_own_write() {
    let (gateway, _sandbox) = start().await;
    let query = format!(
        "mutation {{ a: decideCustomerReview(input: {{customerId: \"{ADA}\", decision: VERIFIED}}) {{ customer {{ review {{ customer {{ name status }} }} }} }} \
         b: updateCustomer(input: {{id: \"{ADA}\", name: \"Ada Renamed\"}}) {{ customer {{ review {{ customer {{ name status }} }} }} }} }}"
    );
    let data = gateway.data(&query).await;
    assert_eq!(data["a"]["customer"]["review"]["customer"], json!({"name": "Ada Example", "status": "VERIFIED"}));
    assert_eq!(data["b"]["customer"]["review"]["customer"], json!({"name": "Ada Renamed", "status": "VERIFIED"}));
}

#[tokio::test]
async fn a_failed_write_invalidates_the_cache_too() {
    let (gateway, sandbox) = start().await;
    gateway.data(&name_of(REX)).await;
    // It is done, and nobody hears of it.
    sandbox.fault(json!({"route": "DELETE /v1/customers/{id}", "after_write": true, "fault": {"status": 500}})).await;
    let answer =
        gateway.ask(&format!("mutation {{ deleteCustomer(input: {{id: \"{REX}\"}}) {{ deletedCustomerId }} }}")).await;
    assert!(answer["errors"].is_array());
    assert_eq!(gateway.data(&name_of(REX)).await["customer"], Value::Null);
}

/// Readers run while a writer renames a customer repeatedly. Each read that starts after the response to a mutation
/// sees its name or a later one, whatever was in flight.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_is_seen_by_reads_that_start_after_it_while_others_are_in_flight() {
    const ROUNDS: u64 = 150;
    let (gateway, sandbox) = start().await;
    // The upstream reads the record before it waits, so the response has the state from before the wait.
    sandbox.latency(4).await;
    let gateway = Arc::new(gateway);
    let (written, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let rename = |round: u64| {
        format!(
            "mutation {{ updateCustomer(input: {{id: \"{ADA}\", name: \"Ada {round}\"}}) {{ customer {{ name }} userErrors {{ message }} }} }}"
        )
    };
    without_errors(gateway.ask(&rename(0)).await);
    let places = [
        ("/customer/name", name_of(ADA)),
        (
            "/customerReview/customer/name",
            format!("{{ customerReview(customerId: \"{ADA}\") {{ customer {{ name }} }} }}"),
        ),
        ("/customerByExternalId/name", "{ customerByExternalId(externalId: \"ada-1\") { name } }".to_owned()),
        (
            "/customers/nodes/0/review/customer/name",
            "{ customers(filter: {externalId: \"ada-1\"}) { nodes { review { customer { name } } } } }".to_owned(),
        ),
    ];
    let readers = places.into_iter().cycle().take(8).enumerate().map(|(reader, (place, query))| {
        let (gateway, written, done) = (Arc::clone(&gateway), Arc::clone(&written), Arc::clone(&done));
        tokio::spawn(async move {
            let mut reads = 0;
            while !done.load(Ordering::SeqCst) {
                let known = written.load(Ordering::SeqCst);
                let data = gateway.data(&query).await;
                let name = data.pointer(place).and_then(Value::as_str).unwrap_or_else(|| panic!("{data}"));
                let seen: u64 = name.strip_prefix("Ada ").unwrap().parse().unwrap();
                assert!(seen >= known, "reader {reader} at {place} saw {seen} after {known} was answered");
                reads += 1;
            }
            reads
        })
    });
    let readers: Vec<_> = readers.collect();
    for round in 1..=ROUNDS {
        let data = without_errors(gateway.ask(&rename(round)).await);
        assert_eq!(data["updateCustomer"]["customer"]["name"], format!("Ada {round}"), "{data}");
        written.store(round, Ordering::SeqCst);
    }
    done.store(true, Ordering::SeqCst);
    for reader in readers {
        assert!(reader.await.unwrap() > 0);
    }
    assert_eq!(count(&sandbox.calls().await, "PUT /v1/customers/{id}"), ROUNDS + 1);
}
