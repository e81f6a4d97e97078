//! Observed oddities of the real service, and protocol errors.

use customers_sandbox::seed;
use reqwest::Method;
use serde_json::json;

use super::{TestResponse, at, minimal_customer, minimal_update, start};

/// The format of a text: each digit becomes `0`.
fn form(text: &serde_json::Value) -> String {
    text.as_str().unwrap().chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect()
}

#[tokio::test]
async fn reads_show_whole_seconds_without_a_zone_and_writes_seven_digits() {
    let sandbox = start().await;
    let (read, write) = ("0000-00-00T00:00:00", "0000-00-00T00:00:00.0000000Z");
    let created = sandbox.post("/v1/customers", minimal_customer("t@example.test")).await.json();
    assert_eq!(form(&created["data"]["created_at"]), write);
    assert_eq!(form(&created["meta"]["api_request_timestamp"]), write);
    let path = at(created["data"]["id"].as_str().unwrap());
    assert_eq!(form(&sandbox.put(&path, minimal_update("t@example.test", "review")).await.data()["updated_at"]), write);
    for tail in ["", "/unmasked"] {
        let got = sandbox.get(&format!("{path}{tail}")).await.json();
        assert_eq!(form(&got["data"]["created_at"]), read);
        assert_eq!(form(&got["meta"]["api_request_timestamp"]), write);
    }
    let review = sandbox.get(&format!("{path}/review")).await.data();
    assert_eq!(form(&review["customer_details"]["updated_at"]), read);
    assert_eq!(form(&review["identity_details"]["created_at"]), read);
    assert_eq!(form(&sandbox.get("/v1/customers").await.data()[0]["created_at"]), read);
}

#[tokio::test]
async fn consecutive_updates_have_different_timestamps() {
    let sandbox = start().await;
    let first = sandbox.put(&at(seed::ADA), minimal_update("ada@example.test", "review")).await.data();
    let second = sandbox.put(&at(seed::ADA), minimal_update("ada@example.test", "review")).await.data();
    assert!(first["updated_at"].as_str() < second["updated_at"].as_str());
}

#[tokio::test]
async fn a_call_without_a_key_is_an_empty_401() {
    let sandbox = start().await;
    for authorization in [None, Some("Bearer "), Some("Bearer"), Some("Basic abc")] {
        let mut request = sandbox.client.get(format!("{}/v1/customers", sandbox.base));
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        let got = TestResponse::from(request.send().await.unwrap()).await;
        assert_eq!((got.status, got.text.as_str(), got.header("content-type")), (401, "", None));
    }
}

#[tokio::test]
async fn responses_are_json_in_utf_8() {
    let sandbox = start().await;
    for path in ["/v1/customers".to_owned(), at(seed::ADA), at("0190b2de-0000-7000-8000-00000000dead")] {
        assert_eq!(sandbox.get(&path).await.header("content-type"), Some("application/json; charset=utf-8"));
    }
}

#[tokio::test]
async fn an_error_has_the_error_member_and_no_data() {
    let sandbox = start().await;
    let got = sandbox.get(&at("0190b2de-0000-7000-8000-00000000dead")).await;
    assert_eq!(got.status, 404);
    let json = got.json();
    assert_eq!(json["error"], json!({"status": 404, "type": "/not_found", "title": "Not Found"}));
    assert_eq!(json["response_type"], "error");
    assert!(json.get("data").is_none());
}

#[tokio::test]
async fn an_unknown_route_is_an_html_404_and_a_wrong_method_a_405() {
    let sandbox = start().await;
    let got = sandbox.get("/v1/paykeys").await;
    assert_eq!((got.status, got.header("content-type")), (404, Some("text/html; charset=utf-8")));
    assert_eq!(sandbox.patch("/v1/customers", json!({})).await.status, 405);
    assert_eq!(sandbox.delete(&format!("{}/unmasked", at(seed::ADA))).await.status, 405);
}

#[tokio::test]
async fn an_id_that_is_not_a_uuid_is_a_400() {
    let sandbox = start().await;
    let got = sandbox.get("/v1/customers/ada").await;
    assert_eq!((got.status, got.references()), (400, vec!["Id".to_owned()]));
    let request = sandbox.request(Method::GET, "/v1/customers").header("straddle-account-id", "acct_1");
    assert_eq!(request.send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn a_body_must_be_json_and_have_its_content_type() {
    let sandbox = start().await;
    let send = async |kind: &str, body: &str| {
        let request = sandbox.request(Method::POST, "/v1/customers").header("content-type", kind);
        TestResponse::from(request.body(body.to_owned()).send().await.unwrap()).await
    };
    assert_eq!(send("text/plain", "{}").await.status, 415);
    for kind in ["application/json", "text/json; charset=utf-8", "application/problem+json"] {
        let got = send(kind, "{").await;
        assert_eq!((got.status, got.references().len()), (400, 0), "{kind}");
    }
    assert_eq!(send("application/json", &" ".repeat(300 * 1024)).await.status, 413);
}

#[tokio::test]
async fn each_key_and_account_is_a_tenant() {
    let sandbox = start().await;
    let account = "0190b000-0000-7000-8000-0000000000aa";
    assert_eq!(sandbox.delete(&at(seed::ADA)).await.status, 200);
    let mine = sandbox.get(&at(seed::ADA)).await.status;
    let others = sandbox.client.get(format!("{}{}", sandbox.base, at(seed::ADA))).bearer_auth("another-key");
    let accounts = sandbox.request(Method::GET, &at(seed::ADA)).header("straddle-account-id", account);
    let (others, accounts) = (others.send().await.unwrap().status(), accounts.send().await.unwrap().status());
    assert_eq!((mine, others.as_u16(), accounts.as_u16()), (404, 200, 200));
}

#[tokio::test]
async fn the_seed_is_deterministic() {
    let (one, two) = (start().await, start().await);
    let path = "/v1/customers?page_size=1000";
    let list = one.get(path).await.data();
    assert_eq!(list, two.get(path).await.data());
    for row in list.as_array().unwrap().iter().step_by(10) {
        let path = format!("{}/review", at(row["id"].as_str().unwrap()));
        assert_eq!(one.get(&path).await.data(), two.get(&path).await.data());
    }
}

#[tokio::test]
async fn the_64_most_recent_tenants_are_kept() {
    let sandbox = start().await;
    sandbox.delete(&at(seed::ADA)).await;
    let visit = async |number: u32| {
        let request = sandbox.client.get(format!("{}/v1/customers", sandbox.base));
        request.bearer_auth(format!("key-{number}")).send().await.unwrap();
    };
    for number in 0..63 {
        visit(number).await;
    }
    assert_eq!(sandbox.get(&at(seed::ADA)).await.status, 404, "64 tenants fit");
    for number in 100..164 {
        visit(number).await;
    }
    assert_eq!(sandbox.get(&at(seed::ADA)).await.status, 200, "evicted, then seeded again");
}
