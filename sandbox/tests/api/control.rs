//! The control API, which is a public contract.

use customers_sandbox::seed;
use reqwest::Method;
use serde_json::json;

use super::{TestResponse, at, minimal_customer, start};

#[tokio::test]
async fn calls_are_counted_by_route_on_arrival() {
    let sandbox = start().await;
    sandbox.get("/v1/customers?page_size=1").await;
    for id in [seed::ADA, seed::REX] {
        sandbox.get(&format!("{}/review", at(id))).await;
    }
    sandbox.client.get(format!("{}/v1/customers", sandbox.base)).send().await.unwrap();
    sandbox.fault(json!({"fault": {"status": 500}})).await;
    sandbox.get(&at(seed::ADA)).await;
    sandbox.get("/nowhere").await;
    let expected = json!({"total": 5, "calls": {"GET /v1/customers": 2, "GET /v1/customers/{id}": 1,
        "GET /v1/customers/{id}/review": 2}});
    assert_eq!(sandbox.get("/_sandbox/calls").await.json(), expected);
    assert_eq!(sandbox.delete("/_sandbox/calls").await.status, 200);
    assert_eq!(sandbox.get("/_sandbox/calls").await.json(), json!({"total": 0, "calls": {}}));
}

#[tokio::test]
async fn applied_writes_are_listed_in_order() {
    let sandbox = start().await;
    let request = sandbox.request(Method::DELETE, &at(seed::REX)).header("idempotency-key", "delete-rex-1");
    request.send().await.unwrap();
    sandbox.delete(&at(seed::REX)).await;
    let id = sandbox.post("/v1/customers", minimal_customer("w@example.test")).await.data()["id"].clone();
    let expected = json!([
        {"method": "DELETE", "route": "/v1/customers/{id}", "customer_id": seed::REX,
         "idempotency_key": "delete-rex-1", "status": 200},
        {"method": "POST", "route": "/v1/customers", "customer_id": id, "idempotency_key": null, "status": 201},
    ]);
    assert_eq!(sandbox.get("/_sandbox/writes").await.json(), expected);
}

#[tokio::test]
async fn customers_can_be_added() {
    let sandbox = start().await;
    let got = sandbox.post("/_sandbox/customers", json!({"count": 2500})).await;
    assert_eq!(got.json(), json!({"created": 2500, "total": seed::COUNT + 2500}));
    let list = sandbox.get("/v1/customers?page_size=1000&page_number=3").await.json();
    assert_eq!(list["meta"]["total_pages"], 3);
    assert_eq!(list["data"].as_array().unwrap().len(), 750);
    assert_eq!(sandbox.post("/_sandbox/customers", json!({"count": 20_000})).await.status, 400);
}

#[tokio::test]
async fn a_reset_restores_the_seed() {
    let sandbox = start().await;
    sandbox.delete(&at(seed::ADA)).await;
    sandbox.fault(json!({"fault": {"status": 500}})).await;
    sandbox.put("/_sandbox/latency", json!({"ms": 5})).await;
    assert_eq!(sandbox.post("/_sandbox/reset", json!({})).await.status, 200);
    assert_eq!(sandbox.get("/_sandbox/calls").await.json()["total"], 0);
    assert_eq!(sandbox.get("/_sandbox/writes").await.json(), json!([]));
    assert_eq!(sandbox.get(&at(seed::ADA)).await.status, 200);
}

#[tokio::test]
async fn control_calls_without_a_key_act_on_the_default_tenant() {
    let sandbox = start().await;
    let add_one = |key: Option<&str>| {
        let request = sandbox.client.post(format!("{}/_sandbox/customers", sandbox.base)).json(&json!({"count": 1}));
        match key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    };
    let without = TestResponse::from(add_one(None).send().await.unwrap()).await.json();
    let other = TestResponse::from(add_one(Some("another-key")).send().await.unwrap()).await.json();
    let default = TestResponse::from(add_one(Some(super::KEY)).send().await.unwrap()).await.json();
    assert_eq!([&without["total"], &other["total"], &default["total"]], [251, 251, 252]);
}

#[tokio::test]
async fn faults_are_listed_as_they_were_added() {
    let sandbox = start().await;
    let fault = json!({"route": "POST /v1/customers", "times": 3, "after_write": true, "fault": {"slow_body_ms": 10}});
    sandbox.fault(fault.clone()).await;
    assert_eq!(sandbox.get("/_sandbox/faults").await.json(), json!({"faults": [fault]}));
}

#[tokio::test]
async fn the_control_api_reports_what_it_accepts() {
    let sandbox = start().await;
    for (method, path, body, hint) in [
        (Method::PUT, "/_sandbox/latency", json!({"ms": -1}), "\"ms\""),
        (Method::PUT, "/_sandbox/latency", json!({"seconds": 1}), "ms"),
        (Method::POST, "/_sandbox/faults", json!({"fault": {"statsu": 503}}), "before_headers"),
        (
            Method::POST,
            "/_sandbox/faults",
            json!({"route": "/v1", "fault": {"hang": true}}),
            "GET /v1/customers/{id}/review",
        ),
        (Method::POST, "/_sandbox/customers", json!({}), "count"),
        (Method::PUT, "/_sandbox/customers/1", json!({"status": "gone"}), "members"),
        (
            Method::PUT,
            "/_sandbox/webhook",
            json!({"url": "http://203.0.113.9/", "secret": "whsec_c2VjcmV0"}),
            "loopback",
        ),
        (Method::PUT, "/_sandbox/webhook", json!({"url": "http://127.0.0.1/", "secret": "s"}), "whsec_"),
    ] {
        let got = sandbox.send(method, path, Some(body)).await;
        assert_eq!(got.status, 400, "{path}");
        let text = got.json()["error"].as_str().unwrap().to_owned();
        assert!(text.contains(hint), "{text}");
    }
    assert_eq!(sandbox.get("/_sandbox/nothing").await.status, 404);
}

#[tokio::test]
async fn a_customer_can_be_changed_without_an_event() {
    let sandbox = start().await;
    let before = sandbox.get(&at(seed::RHEA)).await.data();
    let members = json!({"nickname": "Rhe", "device": {"model": "x"}, "address": {"country": "US"}});
    let path = format!("/_sandbox/customers/{}", seed::RHEA);
    let got = sandbox.put(&path, json!({"status": "rejected", "members": members})).await;
    assert_eq!(got.json(), json!({"id": seed::RHEA, "status": "rejected", "members": members}));
    for path in [at(seed::RHEA), format!("{}/unmasked", at(seed::RHEA))] {
        let shown = sandbox.get(&path).await.data();
        assert_eq!(
            (&shown["status"], &shown["nickname"], &shown["device"]["model"]),
            (&json!("rejected"), &json!("Rhe"), &json!("x"))
        );
        assert_eq!(shown["address"]["country"], "US");
        assert_ne!(shown["updated_at"], before["updated_at"]);
    }
    assert_eq!(sandbox.get("/_sandbox/writes").await.json(), json!([]));

    // A PUT keeps the unknown members that it names, clears the others, and rejects members that the customer lacks.
    let mut body = json!({"name": "R", "email": "r@example.test", "phone": "+12025550123", "status": "rejected",
        "device": {"ip_address": "203.0.113.9", "model": "y"}});
    let put = sandbox.put(&at(seed::RHEA), body.clone()).await.data();
    assert_eq!((put.get("nickname"), &put["device"]["model"]), (None, &json!("y")));
    body["nickname"] = json!("Rhe");
    assert_eq!(sandbox.put(&at(seed::RHEA), body).await.references(), ["Nickname"]);
}

#[tokio::test]
async fn a_fault_can_set_the_status_of_its_customer() {
    let sandbox = start().await;
    let status = async || sandbox.get(&at(seed::BLUE_KETTLE)).await.data()["status"].clone();
    let unmasked = format!("{}/unmasked", at(seed::BLUE_KETTLE));
    sandbox
        .fault(json!({"route": "GET /v1/customers/{id}/unmasked", "times": 1, "fault": {"set_status": "rejected"}}))
        .await;
    assert_eq!(sandbox.get(&unmasked).await.data()["status"], "verified", "the status changes after the read");
    assert_eq!(status().await, "rejected");
    let fault = json!({"route": "GET /v1/customers/{id}/unmasked", "times": 1, "set_status": "inactive",
        "fault": {"status": 502}});
    sandbox.fault(fault).await;
    assert_eq!(sandbox.get(&unmasked).await.status, 502);
    assert_eq!(status().await, "inactive");
}
