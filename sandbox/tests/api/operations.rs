//! Create, get, unmask, update, delete.

use customers_sandbox::seed;
use serde_json::json;

use super::{at, minimal_customer, minimal_update, start, with};

fn company() -> serde_json::Value {
    json!({ "name": "Tin Kettle", "type": "business", "email": "books@tinkettle.test", "phone": "+12025550144",
        "device": { "ip_address": "203.0.113.9" },
        "address": { "address1": "9 Quay Rd", "address2": null, "city": "Reno", "state": "NV", "zip": "89501" },
        "compliance_profile": { "ein": "98-7654321", "legal_business_name": "Tin Kettle LLC",
            "website": "https://tinkettle.test",
            "representatives": [ { "name": "Cy Doe", "email": "cy@tinkettle.test", "phone": null } ] },
        "external_id": "acct-77", "metadata": { "tier": "gold" },
        "config": { "processing_method": "inline", "sandbox_outcome": "review" } })
}

#[tokio::test]
async fn a_created_customer_is_screened_and_masked() {
    let sandbox = start().await;
    let created = sandbox.post("/v1/customers", company()).await;
    assert_eq!(created.status, 201);
    assert_eq!(created.json()["response_type"], "object");
    let data = created.data();
    assert_eq!(data["status"], "review");
    assert_eq!(data["device"]["ip_address"], "**.**.**.**");
    assert_eq!(data["compliance_profile"]["ein"], "**-*******");
    assert_eq!(data["compliance_profile"]["representatives"], company()["compliance_profile"]["representatives"]);
    for name in ["name", "type", "email", "phone", "address", "external_id", "metadata", "config"] {
        assert_eq!(data[name], company()[name], "{name}");
    }
    assert_eq!(data.as_object().unwrap().len(), 14);
    let read = sandbox.get(&at(data["id"].as_str().unwrap())).await.data();
    assert_eq!(read["compliance_profile"], data["compliance_profile"]);
}

#[tokio::test]
async fn unmasking_returns_the_submitted_values() {
    let sandbox = start().await;
    let id = sandbox.post("/v1/customers", company()).await.data()["id"].as_str().unwrap().to_owned();
    let clear = sandbox.get(&format!("{}/unmasked", at(id))).await.data();
    for name in ["device", "compliance_profile", "config"] {
        assert_eq!(clear[name], company()[name], "{name}");
    }
}

#[tokio::test]
async fn a_no_unmask_key_is_refused_only_unmasking() {
    let sandbox = start().await;
    for (path, status) in [(format!("{}/unmasked", at(seed::ADA)), 403), (at(seed::ADA), 200)] {
        let request = sandbox.client.get(format!("{}{path}", sandbox.base)).bearer_auth("my-no-unmask-key");
        assert_eq!(request.send().await.unwrap().status(), status);
    }
}

#[tokio::test]
async fn absent_optional_members_are_omitted_and_config_is_echoed() {
    let sandbox = start().await;
    let data = sandbox.post("/v1/customers", minimal_customer("tess@example.test")).await.data();
    let keys: Vec<_> = data.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        ["config", "created_at", "device", "email", "id", "name", "phone", "status", "type", "updated_at"]
    );
    assert_eq!(data["config"], json!({"processing_method": "inline"}));
    assert_eq!(data["status"], "review", "`standard` gives `review` for a made-up person");
}

#[tokio::test]
async fn the_requested_outcome_becomes_the_status() {
    let sandbox = start().await;
    for outcome in ["verified", "rejected", "review"] {
        let id = sandbox.person(&format!("{outcome}@example.test"), outcome).await;
        assert_eq!(sandbox.get(&at(id)).await.data()["status"], outcome);
    }
}

#[tokio::test]
async fn background_is_screened_later_and_skip_never() {
    let sandbox = start().await;
    let mut ids = Vec::new();
    for method in ["background", "skip"] {
        let config = json!({"config": {"processing_method": method, "sandbox_outcome": "verified"}});
        let body = with(minimal_customer(&format!("{method}@example.test")), config);
        let data = sandbox.post("/v1/customers", body).await.data();
        assert_eq!(data["status"], "pending");
        ids.push(data["id"].as_str().unwrap().to_owned());
    }
    let [background, skip] = ids.as_slice() else { unreachable!() };
    sandbox.wait_until(async || sandbox.get(&at(background)).await.data()["status"] != "pending").await;
    assert_eq!(sandbox.get(&at(background)).await.data()["status"], "verified");
    assert_eq!(sandbox.get(&at(skip)).await.data()["status"], "pending");
    assert!(sandbox.get(&format!("{}/review", at(skip))).await.data().get("identity_details").is_none());
}

#[tokio::test]
async fn a_malformed_body_is_a_400_with_pascal_case_references() {
    let sandbox = start().await;
    let body = json!({"name": 5, "type": "individual", "email": "a@example.test", "colour": "red",
        "device": {}, "compliance_profile": {"dob": null}});
    let got = sandbox.post("/v1/customers", body).await;
    assert_eq!(got.status, 400);
    assert_eq!(got.json()["error"]["type"], "/bad_request");
    assert_eq!(got.json()["error"]["title"], "Bad Request");
    assert_eq!(got.references(), ["Colour", "Name", "Phone", "Device.IpAddress", "ComplianceProfile.Ssn"]);
}

#[tokio::test]
async fn invalid_fields_are_a_422_with_lower_case_references() {
    let sandbox = start().await;
    let pairs: serde_json::Map<_, _> = (0..21).map(|n| (format!("k{n}"), json!("v"))).collect();
    let body = json!({"name": " ", "type": "individual", "email": "ada", "phone": "0123", "metadata": pairs,
        "device": {"ip_address": "**.**.**.**"},
        "address": {"address1": "a".repeat(101), "city": "Reno", "state": "nv", "zip": "895"},
        "compliance_profile": {"dob": "1980-02-30", "ssn": "***-**-****"}});
    let got = sandbox.post("/v1/customers", body).await;
    assert_eq!(got.status, 422);
    assert_eq!(got.json()["error"]["type"], "/validation_error");
    assert_eq!(got.json()["error"]["title"], "Validation Failed");
    let expected = "name email phone device.ip_address address.address1 address.state address.zip \
                    compliance_profile.dob compliance_profile.ssn metadata";
    assert_eq!(got.references(), expected.split(' ').collect::<Vec<_>>());
}

#[tokio::test]
async fn a_profile_of_the_other_type_is_rejected() {
    let sandbox = start().await;
    let body = with(company(), json!({"type": "individual"}));
    let got = sandbox.post("/v1/customers", body).await;
    assert_eq!((got.status, got.references()), (422, vec!["compliance_profile".to_owned()]));
}

#[tokio::test]
async fn an_email_is_unique_case_insensitively_until_its_customer_is_deleted() {
    let sandbox = start().await;
    let got = sandbox.post("/v1/customers", minimal_customer("ADA@example.test")).await;
    assert_eq!(got.status, 422);
    let error = got.json()["error"].clone();
    assert!(error.get("items").is_none(), "{error}");
    let detail = error["detail"].as_str().unwrap();
    assert!(detail.contains("ADA@example.test") && detail.contains("exists") && detail.contains("unique"));
    assert_eq!(sandbox.delete(&at(seed::ADA)).await.status, 200);
    assert_eq!(sandbox.post("/v1/customers", minimal_customer("ADA@example.test")).await.status, 201);
}

#[tokio::test]
async fn an_update_clears_omitted_members() {
    let sandbox = start().await;
    let body = with(minimal_update("ada@example.test", "verified"), json!({"external_id": null}));
    let before = sandbox.get(&at(seed::ADA)).await.data();
    let after = sandbox.put(&at(seed::ADA), body).await.data();
    assert_eq!(after["name"], "Tess B. Example");
    assert_eq!(after["status"], "verified");
    for gone in ["address", "compliance_profile", "metadata", "external_id"] {
        assert!(after.get(gone).is_none(), "{gone}");
    }
    assert_eq!(after["config"], before["config"]);
    assert_ne!(after["updated_at"], before["updated_at"]);
    let clear = sandbox.get(&format!("{}/unmasked", at(seed::ADA))).await.data();
    assert_eq!(clear["device"]["ip_address"], "203.0.113.10");
}

#[tokio::test]
async fn an_update_rejects_type_and_config_and_requires_five_fields() {
    let sandbox = start().await;
    let body = with(minimal_update("ada@example.test", "verified"), json!({"type": "individual", "config": {}}));
    let got = sandbox.put(&at(seed::ADA), body).await;
    assert_eq!((got.status, got.references()), (400, vec!["Config".into(), "Type".into()]));
    let got = sandbox.put(&at(seed::ADA), json!({})).await;
    assert_eq!(got.status, 400);
    let mut references = got.references();
    references.sort();
    assert_eq!(references, ["Device", "Email", "Name", "Phone", "Status"]);
}

#[tokio::test]
async fn only_three_statuses_can_be_set_and_the_current_one_is_accepted() {
    let sandbox = start().await;
    for (status, expected) in [("review", 200), ("pending", 422), ("inactive", 200), ("review", 422), ("rejected", 200)]
    {
        let got = sandbox.put(&at(seed::ADA), minimal_update("ada@example.test", status)).await;
        assert_eq!(got.status, expected, "{status}");
        if expected == 422 {
            assert_eq!(got.references(), ["status"]);
        }
    }
}

#[tokio::test]
async fn an_update_cannot_take_another_customers_email() {
    let sandbox = start().await;
    assert_eq!(sandbox.put(&at(seed::ADA), minimal_update("REX@example.test", "review")).await.status, 422);
    assert_eq!(sandbox.put(&at(seed::ADA), minimal_update("Ada@Example.test", "review")).await.status, 200);
}

#[tokio::test]
async fn a_deleted_customer_is_returned_and_then_not_found() {
    let sandbox = start().await;
    let shown = sandbox.delete(&at(seed::ADA)).await.data();
    assert_eq!((shown["name"].as_str(), shown["status"].as_str()), (Some("Ada Example"), Some("review")));
    let path = at(seed::ADA);
    for tail in ["", "/unmasked", "/review"] {
        let got = sandbox.get(&format!("{path}{tail}")).await;
        assert_eq!((got.status, got.json()["error"]["type"].as_str()), (404, Some("/not_found")), "{tail}");
    }
    assert_eq!(sandbox.put(&path, minimal_update("ada@example.test", "verified")).await.status, 404);
    assert_eq!(sandbox.delete(&path).await.status, 404);
    assert_eq!(sandbox.patch(&format!("{path}/review"), json!({"status": "verified"})).await.status, 404);
    assert_eq!(sandbox.put(&format!("{path}/refresh_review"), json!({})).await.status, 404);
    assert_eq!(sandbox.get("/v1/customers?external_id=ada-1").await.json()["meta"]["total_items"], 0);
}
