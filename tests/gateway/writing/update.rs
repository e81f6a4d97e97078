//! An update is partial in the schema and a full replacement at the upstream. Fields that the input leaves out are not
//! lost.

use customers_gateway::auth::AuthMode;
use customers_sandbox::seed::{ADA, BLUE_KETTLE, RHEA};
use futures_util::future::join_all;
use rstest::rstest;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{UPDATE, clear, complaints, for_customer, paths, run};
use crate::support::gateway::without_errors;
use crate::support::stub::{id_in, person, with};
use crate::support::{CUSTOMER, Gateway, Reply, Stub, UNMASKED, count};

/// Each change with the path and the value in the unmasked customer after it.
fn changes() -> Vec<(Value, &'static str, Value)> {
    let address = json!({"address1": "2 New Rd", "address2": null, "city": "Elko", "state": "NV", "zip": "89801"});
    let metadata = json!([{"key": "a", "value": "1"}, {"key": "b", "value": ""}]);
    vec![
        (json!({"name": "New Name"}), "/name", json!("New Name")),
        (json!({"email": "new-name@example.test"}), "/email", json!("new-name@example.test")),
        (json!({"phone": "+12025550199"}), "/phone", json!("+12025550199")),
        (json!({"status": "INACTIVE"}), "/status", json!("INACTIVE")),
        (json!({"device": {"ipAddress": "198.51.100.7"}}), "/device/ipAddress", json!("198.51.100.7")),
        (json!({"address": address}), "/address", address),
        (json!({"address": null}), "/address", Value::Null),
        (json!({"externalId": "x-9"}), "/externalId", json!("x-9")),
        (json!({"externalId": null}), "/externalId", Value::Null),
        (json!({"metadata": metadata}), "/metadata", metadata),
        (json!({"metadata": null}), "/metadata", Value::Null),
    ]
}

fn of_a_person() -> Vec<(Value, &'static str, Value)> {
    let profile = |field: &str, value: Value| json!({"complianceProfile": {"individual": {field: value}}});
    let mut all = changes();
    all.extend([
        (profile("dob", json!("1980-02-29")), "/complianceProfile/dob", json!("1980-02-29")),
        (profile("ssn", json!("900-11-2233")), "/complianceProfile/ssn", json!("900-11-2233")),
        (profile("ssn", Value::Null), "/complianceProfile/ssn", Value::Null),
        (json!({"complianceProfile": null}), "/complianceProfile", Value::Null),
    ]);
    all
}

fn of_a_company() -> Vec<(Value, &'static str, Value)> {
    let profile = |field: &str, value: Value| json!({"complianceProfile": {"business": {field: value}}});
    let people = json!([{"name": "Eve Roe", "email": null, "phone": "+12025550177"}]);
    let mut all = changes();
    all.extend([
        (profile("ein", json!("11-2233445")), "/complianceProfile/ein", json!("11-2233445")),
        (profile("legalBusinessName", json!("New LLC")), "/complianceProfile/legalBusinessName", json!("New LLC")),
        (
            profile("website", json!("https://new.example.test/a")),
            "/complianceProfile/website",
            json!("https://new.example.test/a"),
        ),
        (profile("website", Value::Null), "/complianceProfile/website", Value::Null),
        (profile("representatives", people.clone()), "/complianceProfile/representatives", people),
        (profile("representatives", Value::Null), "/complianceProfile/representatives", Value::Null),
    ]);
    all
}

#[rstest]
#[case::of_a_person(ADA, of_a_person())]
#[case::of_a_company(BLUE_KETTLE, of_a_company())]
#[tokio::test]
async fn a_change_keeps_everything_that_it_leaves_out(#[case] id: Uuid, #[case] changes: Vec<(Value, &str, Value)>) {
    let (gateway, sandbox) = Gateway::start().await;
    let mut expected = clear(&gateway, id).await;
    assert!(
        expected["device"]["ipAddress"].as_str().unwrap().split('.').count() == 4
            && !expected.to_string().contains('*')
    );
    for (change, place, value) in changes {
        sandbox.forget_calls().await;
        let payload = run(&gateway, UPDATE, for_customer(id, change.clone())).await;
        assert_eq!(payload["userErrors"], json!([]), "{change}");
        assert_eq!(sandbox.calls().await, json!({UNMASKED: 1, "PUT /v1/customers/{id}": 1}));
        *expected.pointer_mut(place).unwrap() = value;
        assert_eq!(clear(&gateway, id).await, expected, "{change}");
    }
}

#[tokio::test]
async fn a_customer_without_a_profile_gets_one() {
    let (gateway, _sandbox) = Gateway::start().await;
    let id = customers_sandbox::seed::PENNY;
    let change = json!({"complianceProfile": {"individual": {"ssn": "900-11-2233"}}});
    run(&gateway, UPDATE, for_customer(id, change)).await;
    assert_eq!(clear(&gateway, id).await["complianceProfile"], json!({"dob": null, "ssn": "900-11-2233"}));
}

#[tokio::test]
async fn the_answer_is_masked() {
    let (gateway, _sandbox) = Gateway::start().await;
    let mutation = format!(
        "mutation {{ updateCustomer(input: {{id: \"{ADA}\", device: {{ipAddress: \"198.51.100.7\"}}}}) {{ customer {{ device {{ ipAddress }} complianceProfile {{ ... on IndividualComplianceProfile {{ dob ssn }} }} }} }} }}"
    );
    let customer = json!({"device": {"ipAddress": "**.**.**.**"}, "complianceProfile": {"dob": "****-**-**", "ssn": "***-**-****"}});
    assert_eq!(gateway.data(&mutation).await["updateCustomer"]["customer"], customer);
}

#[tokio::test]
async fn an_update_with_an_outdated_expected_updated_at_is_a_conflict() {
    let (gateway, sandbox) = Gateway::start().await;
    let query = format!("{{ customer(id: \"{ADA}\") {{ updatedAt }} }}");
    let seen = gateway.data(&query).await["customer"]["updatedAt"].clone();
    let change = |name: &str, expected: &Value| for_customer(ADA, json!({"name": name, "expectedUpdatedAt": expected}));
    assert_eq!(run(&gateway, UPDATE, change("First", &seen)).await["customer"]["name"], "First");
    let payload = run(&gateway, UPDATE, change("Second", &seen)).await;
    assert_eq!(complaints(&payload), [("CONFLICT".to_owned(), "input.expectedUpdatedAt".to_owned())]);
    assert_eq!(sandbox.writes().await.len(), 1);
    let calls = sandbox.calls().await;
    assert_eq!(count(&calls, "PUT /v1/customers/{id}"), 1, "{calls}");
    let seen = gateway.data(&query).await["customer"]["updatedAt"].clone();
    assert_eq!(run(&gateway, UPDATE, change("Third", &seen)).await["customer"]["name"], "Third");
}

#[tokio::test]
async fn without_unmask_permission_an_update_needs_the_device() {
    let (gateway, sandbox) = Gateway::passthrough().await;
    let key = "key-no-unmask";
    let ask = async |input: Value| {
        without_errors(gateway.ask_as(key, UPDATE, json!({"input": input})).await)["result"].clone()
    };
    let payload = ask(for_customer(ADA, json!({"name": "Ada Renamed"}))).await;
    assert_eq!(paths(&payload, "REQUIRED"), ["input.device"]);
    assert_eq!(count(&sandbox.calls().await, "PUT /v1/customers/{id}"), 0);
    let payload = ask(for_customer(ADA, json!({"name": "Ada Renamed", "device": {"ipAddress": "198.51.100.7"}}))).await;
    assert_eq!(payload["customer"]["name"], "Ada Renamed");
    // A partial profile cannot be merged with a profile that the upstream does not show.
    let half =
        json!({"device": {"ipAddress": "198.51.100.7"}, "complianceProfile": {"individual": {"dob": "1980-01-01"}}});
    assert_eq!(paths(&ask(for_customer(RHEA, half)).await, "REQUIRED"), ["input.complianceProfile.individual.ssn"]);
}

/// An upstream that does not show unmasked data: it rejects the read, or returns masked values instead.
async fn masking(refusal: Option<u16>) -> Stub {
    Stub::start(move |seen| match (seen.method.as_str(), refusal) {
        ("GET", Some(status)) if seen.path.ends_with("/unmasked") => Reply::refusal(status, Some("No."), &[]),
        _ => Reply::object(&person(id_in(&seen.path))),
    })
    .await
}

#[rstest]
#[case::forbidden(Some(403))]
#[case::as_if_not_there(Some(404))]
#[case::as_a_rule(Some(422))]
#[case::by_masked_values(None)]
#[tokio::test]
async fn a_masked_value_is_never_sent_back(#[case] refusal: Option<u16>) {
    let stub = masking(refusal).await;
    let gateway = Gateway::over(&stub.base, |_| {}).await;
    let payload = run(&gateway, UPDATE, for_customer(ADA, json!({"phone": "+12025550199"}))).await;
    assert_eq!(paths(&payload, "REQUIRED"), ["input.device"]);
    let change = json!({"phone": "+12025550199", "device": {"ipAddress": "0.0.0.0"}});
    assert_eq!(run(&gateway, UPDATE, for_customer(ADA, change)).await["userErrors"], json!([]));
    let puts: Vec<_> = stub.seen().into_iter().filter(|seen| seen.method == "PUT").collect();
    let expected = json!({"name": "Ada Example", "email": "ada@example.test", "phone": "+12025550199", "device": {"ip_address": "0.0.0.0"},
        "status": "verified", "address": {"address1": "1 Way", "address2": null, "city": "Reno", "state": "NV", "zip": "89501"},
        "external_id": "u-1", "metadata": {"tier": "gold"}});
    assert_eq!(puts.iter().map(|seen| seen.json()).collect::<Vec<_>>(), [expected]);
}

#[tokio::test]
async fn a_status_that_is_not_known_has_to_be_given() {
    let stub = Stub::start(|seen| {
        Reply::object(&with(crate::support::stub::clear_person(id_in(&seen.path)), json!({"status": "resubmit"})))
    })
    .await;
    let gateway = Gateway::over(&stub.base, |_| {}).await;
    let payload = run(&gateway, UPDATE, for_customer(ADA, json!({"name": "N"}))).await;
    assert_eq!(paths(&payload, "REQUIRED"), ["input.status"]);
    assert_eq!(run(&gateway, UPDATE, for_customer(ADA, json!({"status": "VERIFIED"}))).await["userErrors"], json!([]));
}

#[tokio::test]
async fn an_unmasked_record_is_not_cached() {
    let (gateway, sandbox) = Gateway::start().await;
    for name in ["Ada Renamed", "Ada Again"] {
        clear(&gateway, ADA).await;
        run(&gateway, UPDATE, for_customer(ADA, json!({"name": name}))).await;
    }
    assert_eq!(count(&sandbox.calls().await, UNMASKED), 4);
    let read = gateway.data(&format!("{{ customer(id: \"{ADA}\") {{ device {{ ipAddress }} }} }}")).await;
    assert_eq!(read["customer"]["device"]["ipAddress"], "**.**.**.**");
    assert_eq!(count(&sandbox.calls().await, CUSTOMER), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn updates_of_different_fields_at_once_all_survive() {
    let (gateway, sandbox) = Gateway::start().await;
    sandbox.latency(4).await;
    let mut expected = clear(&gateway, BLUE_KETTLE).await;
    // Either of two changes of one field may win, so each field is changed once, and then all of them once more.
    let mut seen = std::collections::HashSet::new();
    let changes: Vec<_> =
        of_a_company().into_iter().filter(|(_, place, value)| !value.is_null() && seen.insert(*place)).collect();
    let twice = changes.iter().chain(&changes).take(20);
    let updates = twice.map(|(change, ..)| run(&gateway, UPDATE, for_customer(BLUE_KETTLE, change.clone())));
    for payload in join_all(updates).await {
        assert_eq!(payload["userErrors"], json!([]));
    }
    for (_, place, value) in &changes {
        *expected.pointer_mut(place).unwrap() = value.clone();
    }
    assert_eq!(clear(&gateway, BLUE_KETTLE).await, expected);
    // The second update of each field finds the change of the first.
    assert_eq!(sandbox.writes().await.len(), changes.len());
}

#[tokio::test]
async fn writes_of_different_credentials_are_not_serialized() {
    // Both updates read before either gets a response. With one shared lock, neither would get one.
    let stub = Stub::holding(2, |seen| Reply::object(&crate::support::stub::clear_person(id_in(&seen.path)))).await;
    let gateway = Gateway::over(&stub.base, |settings| settings.auth.mode = AuthMode::Passthrough).await;
    let variables = json!({"input": for_customer(ADA, json!({"name": "N"}))});
    let (a, b) =
        tokio::join!(gateway.ask_as("a", UPDATE, variables.clone()), gateway.ask_as("b", UPDATE, variables.clone()));
    for answer in [a, b] {
        assert_eq!(without_errors(answer)["result"]["userErrors"], json!([]));
    }
}
