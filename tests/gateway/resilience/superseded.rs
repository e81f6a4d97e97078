//! A retry of an update does not undo a change that another client has made in the meantime.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use customers_sandbox::seed::{ADA, BLUE_KETTLE, REX};
use rstest::rstest;
use serde_json::{Value, json};

use super::{code, name_of, patient};
use crate::process::Process;
use crate::support::Gateway;
use crate::support::stub::{Reply, Stub, clear_person, person, with};

const UPDATE: &str = "mutation($input: UpdateCustomerInput!) { result: updateCustomer(input: $input) { customer { name status } userErrors { code path message } } }";

/// An upstream with one customer, which another client changes when the first PUT arrives. This PUT gets a 502. It
/// takes effect before the change, or not at all.
async fn moving(is_carried_out: bool, change: Value) -> Stub {
    let record = Arc::new(Mutex::new((clear_person(ADA), 0)));
    Stub::start(move |seen| {
        let mut record = record.lock().unwrap();
        let (customer, puts) = &mut *record;
        if seen.method == "PUT" {
            *puts += 1;
            if is_carried_out || *puts > 1 {
                *customer = with(customer.clone(), seen.json());
            }
            if *puts == 1 {
                *customer = with(customer.clone(), change.clone());
                return Reply::json(502, &json!({}));
            }
        }
        match seen.path.ends_with("/unmasked") {
            true => Reply::object(customer),
            false => {
                let masks = person(ADA);
                let masks = json!({"device": masks["device"], "compliance_profile": masks["compliance_profile"]});
                Reply::object(&with(customer.clone(), masks))
            }
        }
    })
    .await
}

fn puts(stub: &Stub) -> usize {
    stub.seen().iter().filter(|seen| seen.method == "PUT").count()
}

async fn update(gateway: &Gateway, change: Value) -> Value {
    gateway.data_with(UPDATE, json!({"input": with(json!({"id": ADA}), change)})).await["result"].clone()
}

#[rstest]
#[case::the_status(json!({"status": "rejected"}))]
#[case::another_field(json!({"phone": "+12025550177"}))]
#[case::the_address(json!({"address": null}))]
#[case::the_metadata(json!({"metadata": {"tier": "silver"}}))]
#[tokio::test]
async fn a_retried_update_does_not_overwrite_a_concurrent_change(#[case] change: Value) {
    let stub = moving(false, change).await;
    let gateway = Gateway::over(&stub.base, patient).await;
    let payload = update(&gateway, json!({"name": "Ada Renamed"})).await;
    assert_eq!(
        (&payload["customer"], &payload["userErrors"][0]["code"]),
        (&Value::Null, &json!("CONFLICT")),
        "{payload}"
    );
    assert!(payload["userErrors"][0]["message"].as_str().unwrap().contains("may have been made"));
    assert_eq!(puts(&stub), 1);
}

#[rstest]
#[case::nothing(json!({}))]
// A later `updated_at` alone is no change: the update itself may have set it.
#[case::its_time(json!({"updated_at": "2026-07-07T06:29:00"}))]
#[case::the_field_that_the_update_sets(json!({"name": "Somebody Else"}))]
#[tokio::test]
async fn an_update_is_sent_again_where_nothing_else_has_changed(#[case] change: Value) {
    let stub = moving(false, change).await;
    let gateway = Gateway::over(&stub.base, patient).await;
    let payload = update(&gateway, json!({"name": "Ada Renamed", "status": "INACTIVE"})).await;
    assert_eq!(payload["customer"], json!({"name": "Ada Renamed", "status": "INACTIVE"}), "{payload}");
    assert_eq!(puts(&stub), 2);
}

#[tokio::test]
async fn an_update_applied_before_a_concurrent_change_succeeds() {
    let stub = moving(true, json!({"status": "rejected"})).await;
    let gateway = Gateway::over(&stub.base, patient).await;
    let payload = update(&gateway, json!({"name": "Ada Renamed"})).await;
    assert_eq!(payload["customer"], json!({"name": "Ada Renamed", "status": "REJECTED"}), "{payload}");
    assert_eq!(puts(&stub), 1);
}

/// An upstream that performs the first PUT and loses its response. After that the customer does not exist.
async fn vanishing(second: fn() -> Reply) -> (Gateway, Stub) {
    let puts = AtomicUsize::new(0);
    let stub = Stub::start(move |seen| match seen.method.as_str() {
        "PUT" if puts.fetch_add(1, Ordering::SeqCst) == 0 => Reply::json(502, &json!({})),
        "PUT" => second(),
        _ if puts.load(Ordering::SeqCst) > 0 => Reply::refusal(404, None, &[]),
        _ => Reply::object(&clear_person(ADA)),
    })
    .await;
    (Gateway::over(&stub.base, patient).await, stub)
}

#[tokio::test]
async fn an_update_of_a_deleted_customer_reports_the_upstreams_answer() {
    // With the same key the upstream returns its first response again.
    let (gateway, stub) = vanishing(|| Reply::object(&with(person(ADA), json!({"name": "Ada Renamed"})))).await;
    let payload = update(&gateway, json!({"name": "Ada Renamed"})).await;
    assert_eq!((&payload["customer"]["name"], puts(&stub)), (&json!("Ada Renamed"), 2), "{payload}");
    let (gateway, stub) = vanishing(|| Reply::refusal(404, None, &[])).await;
    let payload = update(&gateway, json!({"name": "Ada Renamed"})).await;
    assert_eq!((&payload["userErrors"][0]["code"], puts(&stub)), (&json!("NOT_FOUND"), 2), "{payload}");
}

#[tokio::test]
async fn an_update_that_is_not_repeated_is_recorded_as_unknown() {
    let stub = moving(false, json!({"status": "rejected"})).await;
    let settings = [("GATEWAY__UPSTREAM__BASE_URL", stub.base.as_str()), ("GATEWAY__AUTH__MODE", "passthrough")];
    let gateway = Process::start(&settings).await;
    let got = gateway.ask(UPDATE, json!({"input": {"id": ADA, "name": "Ada Renamed"}})).await.json();
    assert_eq!(got["data"]["result"]["userErrors"][0]["code"], "CONFLICT", "{got}");
    let records = gateway.records();
    let told = [&records[0]["action"], &records[0]["outcome"], &records[0]["codes"], &records[0]["fields"]];
    assert_eq!(told, [&json!("update"), &json!("unknown"), &json!(["CONFLICT"]), &json!(["name"])]);
}

#[tokio::test]
async fn a_retried_update_does_not_undo_a_rejection() {
    let (gateway, sandbox) = Gateway::with(patient).await;
    let fault =
        json!({"route": "PUT /v1/customers/{id}", "times": 1, "set_status": "rejected", "fault": {"status": 502}});
    sandbox.fault(fault).await;
    let input = json!({"id": BLUE_KETTLE, "name": "Blue Renamed"});
    let payload = gateway.data_with(UPDATE, json!({"input": input})).await["result"].clone();
    assert_eq!(payload["userErrors"][0]["code"], "CONFLICT", "{payload}");
    let shown = gateway.data(&format!("{{ customer(id: \"{BLUE_KETTLE}\") {{ name status }} }}")).await;
    assert_eq!(shown["customer"], json!({"name": "Blue Kettle", "status": "REJECTED"}));
    assert_eq!(sandbox.writes().await.len(), 0);
}

/// The read of the update ends after another call of the key got a 429, so the update is throttled. Before the gateway
/// sends it, it reads the customer again and gets this response.
#[rstest]
#[case::a_failure(|| Reply::json(502, &json!({})), "UPSTREAM_ERROR")]
#[case::a_time_out(|| Reply::json(408, &json!({})), "UPSTREAM_TIMEOUT")]
#[case::no_answer(|| Reply::json(200, &json!({"data": 1})), "UPSTREAM_INVALID_RESPONSE")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_update_that_was_only_held_back_was_not_sent_whatever_the_look_gives(
    #[case] look: fn() -> Reply,
    #[case] told: &str,
) {
    let (limited, is_limited) = mpsc::channel::<()>();
    let (reading, is_reading) = tokio::sync::watch::channel(false);
    let is_limited = Mutex::new(is_limited);
    let stub = Stub::start(move |seen| match seen.path.as_str() {
        path if path.ends_with(&REX.to_string()) => Reply::json(429, &json!({})).header("retry-after", "4"),
        path if path.ends_with("/unmasked") => {
            reading.send_replace(true);
            // The other tasks of this thread move to another one.
            tokio::task::block_in_place(|| is_limited.lock().unwrap().recv().unwrap());
            Reply::object(&clear_person(ADA))
        }
        _ if seen.method == "GET" => look(),
        _ => Reply::object(&with(person(ADA), json!({"name": "Ada Renamed"}))),
    })
    .await;
    let gateway = Arc::new(Gateway::over(&stub.base, |_| {}).await);
    let updated = tokio::spawn({
        let gateway = Arc::clone(&gateway);
        async move { gateway.ask_with(UPDATE, json!({"input": {"id": ADA, "name": "Ada Renamed"}})).await }
    });
    is_reading.clone().wait_for(|is_reading| *is_reading).await.unwrap();
    assert_eq!(code(&gateway.ask_with(&name_of(REX), json!({})).await), "UPSTREAM_RATE_LIMITED");
    limited.send(()).unwrap();
    let answer = updated.await.unwrap();
    let extensions = &answer["errors"][0]["extensions"];
    assert_eq!((code(&answer), &extensions["outcome"]), (told, &Value::Null), "{answer}");
    assert_eq!(extensions["retryable"], json!(told != "UPSTREAM_INVALID_RESPONSE"), "{answer}");
    assert_eq!(puts(&stub), 0);
}
