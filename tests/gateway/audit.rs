//! Audit records of the real binary in a real file: each is written before its response.

use rstest::rstest;
use serde_json::{Value, json};

use customers_sandbox::seed::RHEA;

use crate::binary::complaint;
use crate::process::{Directory, Process, command, verify};

const UNMASK: &str = "mutation($input: UnmaskCustomerInput!) { unmaskCustomer(input: $input) {
    unmaskedCustomer { customerId who: name complianceProfile { ... on UnmaskedIndividualComplianceProfile { ssn } } }
    userErrors { code path } } }";

async fn unmask(gateway: &Process, input: Value) -> crate::process::Got {
    gateway.ask(UNMASK, json!({ "input": input })).await
}

#[tokio::test]
async fn an_unmask_record_has_fields_and_reason_and_no_values() {
    let gateway = Process::start(&[]).await;
    let id = gateway.somebody().await;
    let got = unmask(&gateway, json!({"id": id, "reason": "called about the tax form"})).await;
    let seen = &got.json()["data"]["unmaskCustomer"]["unmaskedCustomer"];
    assert_eq!(got.headers["cache-control"], "no-store");
    assert!(!got.headers.contains_key("content-encoding"));
    let records = gateway.records();
    assert_eq!(records.len(), 1);
    let record = &records[0];
    assert_eq!(record["action"], "unmask");
    assert_eq!(record["outcome"], "done");
    assert_eq!(record["customer_id"], json!(id));
    assert_eq!(record["fields"], json!(["complianceProfile.ssn", "customerId", "name"]));
    assert_eq!(record["reason"], "called about the tax form");
    assert_eq!(record["request_id"], got.headers["request-id"].to_str().unwrap());
    for value in [&seen["who"], &seen["complianceProfile"]["ssn"]] {
        assert!(!gateway.audit().contains(value.as_str().unwrap()));
    }
}

#[tokio::test]
async fn every_write_is_recorded_as_it_ended() {
    let gateway = Process::start(&[]).await;
    let customer = json!({"name": "Tess Example", "type": "INDIVIDUAL", "email": "tess.audit@example.com",
        "phone": "+12025550123", "device": {"ipAddress": "203.0.113.9"}, "config": {"sandboxOutcome": "REVIEW"}});
    let create = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) {
        customer { id } userErrors { code } } }";
    let made = gateway.ask(create, json!({"input": customer})).await;
    let id = made.json()["data"]["createCustomer"]["customer"]["id"].clone();
    assert!(id.is_string(), "{}", made.text);
    gateway.ask(create, json!({"input": customer})).await;
    let about = json!({ "id": id });
    gateway
        .ask(
            "mutation($id: ID!) { decideCustomerReview(input: {customerId: $id, decision: VERIFIED,
                reason: \"Tess Example showed her passport\"}) { userErrors { code } } }",
            about.clone(),
        )
        .await;
    gateway
        .ask(
            "mutation($id: ID!) { updateCustomer(input: {id: $id, phone: \"+12025550199\"}) { userErrors { code } } }",
            about.clone(),
        )
        .await;
    gateway
        .ask(
            "mutation($id: ID!) { refreshCustomerReview(input: {customerId: $id}) { userErrors { code } } }",
            about.clone(),
        )
        .await;
    for _ in 0..2 {
        gateway
            .ask(
                "mutation($id: ID!) { deleteCustomer(input: {id: $id, reason: \"asked to\"}) { userErrors { code } } }",
                about.clone(),
            )
            .await;
    }
    let told: Vec<String> = gateway
        .records()
        .iter()
        .map(|record| {
            let codes = record["codes"].as_array().map(|codes| format!(" {}", json!(codes))).unwrap_or_default();
            format!("{} {}{codes}", record["action"].as_str().unwrap(), record["outcome"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        told,
        [
            "create done",
            r#"create refused ["TAKEN"]"#,
            "decide done",
            "update done",
            "refresh done",
            "delete done",
            r#"delete refused ["NOT_FOUND"]"#
        ]
    );
    let records = gateway.records();
    assert_eq!(records[0]["customer_id"], id);
    assert_eq!(records[2]["reason"], "[…] showed her passport");
    assert_eq!((&records[2]["old_status"], &records[2]["new_status"]), (&json!("REVIEW"), &json!("VERIFIED")));
    assert_eq!(records[3]["fields"], json!(["phone"]));
    let (whole, said) = verify(&gateway.audit_file());
    assert!(whole && said.contains("7 records"), "{said}");
    assert!(said.contains(records[6]["hash"].as_str().unwrap()), "{said}");
}

#[tokio::test]
async fn if_auditing_fails_unmasking_fails_and_writes_succeed() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let full = Process::start_saying(full, Directory::new(), &[("GATEWAY__AUDIT__DESTINATION", "stdout")]).await;
    let id = full.somebody().await;
    let got = unmask(&full, json!({ "id": id })).await;
    assert_eq!(got.code(), "INTERNAL_SERVER_ERROR");
    assert_eq!(got.json()["data"], Value::Null);
    let got = full
        .ask("mutation($id: ID!) { deleteCustomer(input: {id: $id}) { deletedCustomerId } }", json!({ "id": id }))
        .await;
    assert_eq!(got.json()["data"]["deleteCustomer"]["deletedCustomerId"], json!(id), "{}", got.text);
    let said = full.said();
    assert_eq!(said.matches("an audit record is missing").count(), 2, "{said}");
}

#[tokio::test]
async fn unmasking_requires_a_reason_if_configured() {
    let gateway = Process::start(&[("GATEWAY__PRIVACY__UNMASK_REASON", "required")]).await;
    let id = gateway.somebody().await;
    for input in [json!({ "id": id }), json!({"id": id, "reason": "  "})] {
        let got = unmask(&gateway, input).await.json();
        let payload = &got["data"]["unmaskCustomer"];
        assert_eq!(payload["unmaskedCustomer"], Value::Null);
        assert_eq!(payload["userErrors"], json!([{"code": "REQUIRED", "path": ["input", "reason"]}]));
    }
    let got = unmask(&gateway, json!({"id": id, "reason": "asked to"})).await.json();
    assert_eq!(got["data"]["unmaskCustomer"]["userErrors"], json!([]));
    let outcomes: Vec<Value> = gateway.records().iter().map(|record| record["outcome"].clone()).collect();
    assert_eq!(outcomes, ["refused", "refused", "done"]);
}

#[rstest]
#[case::a_decision(
    "decide_reason",
    "mutation($input: DecideCustomerReviewInput!) { result: decideCustomerReview(input: $input) { userErrors { code path } } }",
    json!({"customerId": RHEA, "decision": "REJECTED"})
)]
#[case::an_erasure(
    "delete_reason",
    "mutation($input: DeleteCustomerInput!) { result: deleteCustomer(input: $input) { userErrors { code path } } }",
    json!({"id": RHEA})
)]
#[tokio::test]
async fn decide_and_delete_require_a_reason_if_configured(
    #[case] setting: &str,
    #[case] mutation: &str,
    #[case] mut input: Value,
) {
    let name = format!("GATEWAY__PRIVACY__{}", setting.to_uppercase());
    let gateway = Process::start(&[(&name, "required")]).await;
    let got = gateway.ask(mutation, json!({ "input": input })).await.json();
    let missing = json!([{"code": "REQUIRED", "path": ["input", "reason"]}]);
    assert_eq!(got["data"]["result"]["userErrors"], missing, "{got}");
    input["reason"] = json!("asked to");
    let got = gateway.ask(mutation, json!({ "input": input })).await.json();
    assert_eq!(got["data"]["result"]["userErrors"], json!([]), "{got}");
    let outcomes: Vec<Value> = gateway.records().iter().map(|record| record["outcome"].clone()).collect();
    assert_eq!(outcomes, ["refused", "done"]);
}

#[tokio::test]
async fn the_record_of_an_update_names_what_changed_and_no_value() {
    let gateway = Process::start(&[]).await;
    let update = "mutation($input: UpdateCustomerInput!) { updateCustomer(input: $input) { userErrors { code } } }";
    let change = json!({"id": RHEA, "name": "Planted Name", "email": "planted@example.com", "externalId": "rhea-6",
        "device": {"ipAddress": "198.51.100.77"}, "metadata": [{"key": "planted", "value": "planted"}],
        "address": {"address1": "77 Planted Rd", "city": "Planted", "state": "NV", "zip": "89577"},
        "complianceProfile": {"individual": {"ssn": "900-77-7777"}}, "reason": "moved"});
    let got = gateway.ask(update, json!({ "input": change })).await;
    assert_eq!(got.json()["data"]["updateCustomer"]["userErrors"], json!([]), "{}", got.text);
    let wrong = json!({"id": RHEA, "phone": "77", "name": "Planted"});
    gateway.ask(update, json!({ "input": wrong })).await;
    let records = gateway.records();
    let fields: Vec<&str> =
        records[0]["fields"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    for changed in ["name", "email", "device.ipAddress", "metadata", "address.city", "complianceProfile.ssn"] {
        assert!(fields.contains(&changed), "{fields:?}");
    }
    // It was rhea-6 before.
    assert!(!fields.contains(&"externalId") && !fields.contains(&"phone"), "{fields:?}");
    assert_eq!(records[0]["reason"], "moved");
    assert_eq!((&records[1]["outcome"], &records[1]["fields"]), (&json!("refused"), &json!(["name", "phone"])));
    let text = gateway.audit().to_lowercase();
    for value in ["planted", "198.51.100.77", "900-77-7777", "89577"] {
        assert!(!text.contains(value), "{value}: {text}");
    }
}

#[tokio::test]
async fn unmasking_is_limited_per_operation_and_per_minute() {
    let settings =
        [("GATEWAY__PRIVACY__MAX_UNMASK_PER_OPERATION", "2"), ("GATEWAY__PRIVACY__MAX_UNMASK_PER_MINUTE", "3")];
    let gateway = Process::start(&settings).await;
    let id = gateway.somebody().await;
    let times = |count: usize| {
        let field = |at| format!("a{at}: unmaskCustomer(input: {{id: $id}}) {{ userErrors {{ code }} }} ");
        format!(
            "mutation($id: ID!) {{ ...A }} fragment A on Mutation {{ {} }}",
            (0..count).map(field).collect::<String>()
        )
    };
    let got = gateway.ask(&times(3), json!({ "id": id })).await;
    assert_eq!(got.code(), "OPERATION_TOO_LARGE");
    assert!(got.text.contains("`max_unmask_per_operation`: 3, where 2 is the maximum"), "{}", got.text);
    assert!(gateway.records().is_empty());
    assert_eq!(gateway.ask(&times(2), json!({ "id": id })).await.json()["errors"], Value::Null);
    let got = gateway.ask(&times(2), json!({ "id": id })).await;
    assert_eq!((got.status, got.code()), (429, json!("RATE_LIMITED")));
    let pause = got.json()["errors"][0]["extensions"]["retryAfterSeconds"].as_u64().unwrap();
    assert!((1..=60).contains(&pause));
    assert_eq!(gateway.ask(&times(1), json!({ "id": id })).await.json()["errors"], Value::Null);
    assert_eq!(gateway.records().len(), 3);
    assert_eq!(
        gateway.get("mutation { unmaskCustomer(input: {id: \"1\"}) { userErrors { code } } }").await.status,
        405
    );
}

#[tokio::test]
async fn the_chain_continues_after_a_restart_and_detects_changes() {
    let first = Process::start(&[]).await;
    let id = first.somebody().await;
    unmask(&first, json!({ "id": id })).await;
    unmask(&first, json!({"id": "nobody"})).await;
    let second = Process::start_in(first.into_directory().await, &[]).await;
    unmask(&second, json!({ "id": id })).await;
    let directory = second.into_directory().await;
    let file = directory.path("audit.jsonl");
    let (whole, said) = verify(&file);
    assert!(whole && said.contains("3 records"), "{said}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);

    let text = directory.read("audit.jsonl");
    let changed = directory.path("changed.jsonl");
    let lines: Vec<&str> = text.lines().collect();
    for (lines, told) in [
        ([lines[0], &lines[1].replace("refused", "done"), lines[2]].join("\n") + "\n", "line 2: it was changed"),
        ([lines[0], lines[2]].join("\n") + "\n", "line 2: it is record 3 where record 2 belongs"),
        ([lines[1], lines[0], lines[2]].join("\n") + "\n", "line 1: it is record 2 where record 1 belongs"),
        (text[..text.len() - 9].to_owned(), "line 3: it is cut"),
        (text.clone() + "hello\n", "line 4: it is no audit record"),
    ] {
        std::fs::write(&changed, lines).unwrap();
        let (whole, said) = verify(&changed);
        assert!(!whole && said.contains(told), "{told}: {said}");
    }
}

#[test]
fn a_gateway_does_not_start_with_a_broken_audit_file() {
    let directory = Directory::new();
    let file = directory.path("audit.jsonl");
    std::fs::write(&file, "{\"sequence\":1").unwrap();
    let output = command()
        .env("GATEWAY__SERVER__LISTEN", "127.0.0.1:0")
        .env("GATEWAY__SERVER__ADMIN_LISTEN", "127.0.0.1:0")
        .env("GATEWAY__SANDBOX__LISTEN", "127.0.0.1:0")
        .env("GATEWAY__AUDIT__DESTINATION", &file)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("does not end in a whole audit record"), "{said}");
}

#[rstest]
#[case::nothing("/dev/null")]
#[case::a_device("/dev/full")]
#[case::a_directory("/")]
#[test]
fn an_audit_destination_that_is_not_a_regular_file_is_rejected(#[case] destination: &str) {
    for command in ["serve", "check-config"] {
        let told = complaint(&[command], &[("GATEWAY__AUDIT__DESTINATION", destination)]);
        assert!(told.contains("audit.destination (GATEWAY__AUDIT__DESTINATION)"), "{told}");
        assert!(told.contains(&format!("{destination} is not a regular file")) && told.contains("`stdout`"), "{told}");
    }
}

#[tokio::test]
async fn two_gateways_cannot_share_an_audit_file() {
    let gateway = Process::start(&[]).await;
    let output = command()
        .env("GATEWAY__SERVER__LISTEN", "127.0.0.1:0")
        .env("GATEWAY__SERVER__ADMIN_LISTEN", "127.0.0.1:0")
        .env("GATEWAY__SANDBOX__LISTEN", "127.0.0.1:0")
        .env("GATEWAY__AUDIT__DESTINATION", gateway.audit_file())
        .output()
        .unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains("another gateway writes it"));
}

#[tokio::test]
async fn audit_records_are_the_only_output_on_stdout() {
    let gateway = Process::start(&[("GATEWAY__AUDIT__DESTINATION", "stdout")]).await;
    let id = gateway.somebody().await;
    unmask(&gateway, json!({ "id": id })).await;
    let (whole, said) = verify(&gateway.directory.path("stdout"));
    assert!(whole && said.contains("1 records"), "{said}");
}

/// Changes of an audit file while the gateway writes it.
type Happens = fn(&std::path::Path);

#[rstest]
#[case::removed(|file: &std::path::Path| std::fs::remove_file(file).unwrap())]
#[case::moved_away(|file: &std::path::Path| std::fs::rename(file, file.with_extension("1")).unwrap())]
#[case::replaced(|file: &std::path::Path| {
    std::fs::copy(file, file.with_extension("new")).unwrap();
    std::fs::rename(file.with_extension("new"), file).unwrap();
})]
#[case::truncated(|file: &std::path::Path| std::fs::write(file, "").unwrap())]
#[case::cut(|file: &std::path::Path| {
    let half = std::fs::metadata(file).unwrap().len() / 2;
    std::fs::OpenOptions::new().write(true).open(file).unwrap().set_len(half).unwrap();
})]
#[case::written_by_somebody_else(|file: &std::path::Path| {
    use std::io::Write;
    writeln!(std::fs::OpenOptions::new().append(true).open(file).unwrap(), "hello").unwrap();
})]
#[tokio::test]
async fn a_replaced_or_changed_audit_file_takes_no_records(#[case] happens: Happens) {
    let gateway = Process::start(&[]).await;
    let id = gateway.somebody().await;
    assert_eq!(unmask(&gateway, json!({ "id": id })).await.json()["errors"], Value::Null);
    happens(&gateway.audit_file());
    let before = gateway.audit();
    for missing in 1..=2 {
        let got = unmask(&gateway, json!({ "id": id })).await;
        assert_eq!(got.code(), "INTERNAL_SERVER_ERROR", "nobody is shown: {}", got.text);
        let told = gateway.admin("/readyz").await.json();
        assert_eq!(told["audit"]["missingRecords"], missing, "{told}");
    }
    assert_eq!(gateway.audit(), before, "nothing more is written there");
    let said = gateway.said();
    let reasons = ["the audit file was replaced or changed", "the audit file cannot be written"];
    assert!(reasons.iter().any(|reason| said.contains(reason)), "{said}");
}

#[tokio::test]
async fn a_restored_audit_file_takes_records_again() {
    let gateway = Process::start(&[]).await;
    let id = gateway.somebody().await;
    assert_eq!(unmask(&gateway, json!({ "id": id })).await.json()["errors"], Value::Null);
    let (file, away) = (gateway.audit_file(), gateway.audit_file().with_extension("away"));
    std::fs::rename(&file, &away).unwrap();
    assert_eq!(unmask(&gateway, json!({ "id": id })).await.code(), "INTERNAL_SERVER_ERROR");
    std::fs::rename(&away, &file).unwrap();
    assert_eq!(unmask(&gateway, json!({ "id": id })).await.json()["errors"], Value::Null);
    let (whole, said) = verify(&file);
    assert!(whole && said.contains("2 records"), "{said}");
}
