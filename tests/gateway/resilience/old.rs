//! Stale cache entries: with the settings for it, they are served while the upstream fails, and the response says so.

use std::time::Duration;

use customers_gateway::config::Settings;
use customers_sandbox::seed::{ADA, RHEA};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use super::{code, name_of};
use crate::support::gateway::{Got, send, without_errors};
use crate::support::{CUSTOMER, Gateway, REVIEW, Sandbox, count};

/// Settings under which cache entries are stale at once, and are served for a long time.
fn forgiving(settings: &mut Settings) {
    settings.cache.customer_ttl = Duration::from_millis(50);
    settings.cache.review_ttl = Duration::from_millis(50);
    settings.cache.page_ttl = Duration::from_millis(50);
    settings.cache.stale_if_error = Duration::from_secs(600);
    // Far longer than one call takes on a busy machine.
    settings.upstream.timeout = Duration::from_secs(2);
}

async fn start() -> (Gateway, Sandbox) {
    let (gateway, sandbox) = Gateway::with(forgiving).await;
    gateway.data(&name_of(ADA)).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    (gateway, sandbox)
}

#[rstest]
#[case(json!({"status": 503}))]
#[case(json!({"hang": true}))]
#[case(json!({"reset": "before_headers"}))]
#[case(json!({"garbage": true}))]
#[tokio::test]
async fn stale_if_error_serves_a_stale_entry_marked_as_stale(#[case] fault: Value) {
    let (gateway, sandbox) = start().await;
    sandbox.fault(json!({"fault": fault})).await;
    let request = gateway.post(&json!({"query": name_of(ADA)})).header("gateway-report-upstream", "1");
    let got = Got::from(request.send().await.unwrap()).await;
    let answer = got.json();
    assert_eq!((&answer["data"]["customer"]["name"], &answer["errors"]), (&json!("Ada Example"), &Value::Null));
    let oldest = answer["extensions"]["stale"]["oldestSeconds"].as_u64().unwrap_or_else(|| panic!("{answer}"));
    assert!(oldest < 60);
    assert_eq!(got.header("age"), Some(oldest.to_string().as_str()));
    assert!(got.header("warning").is_some_and(|warning| warning.starts_with("110 ")));
    assert_eq!(got.header("cache-control"), Some("no-store"));
    let report = &answer["extensions"]["upstream"];
    assert_eq!((&report["cached"], &report["shared"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn a_fresh_response_is_not_marked_stale() {
    let (gateway, _sandbox) = start().await;
    let got = Got::from(gateway.post(&json!({"query": name_of(ADA)})).send().await.unwrap()).await;
    assert!(got.json().get("extensions").is_none());
    assert!(got.header("age").is_none() && got.header("warning").is_none());
}

#[tokio::test]
async fn stale_if_error_applies_to_a_passed_deadline() {
    let (gateway, sandbox) = start().await;
    sandbox.latency(5000).await;
    let answer = send(gateway.post(&json!({"query": name_of(ADA)})).header("request-timeout", "0.2")).await;
    assert_eq!(answer["data"]["customer"]["name"], "Ada Example");
    assert!(answer["extensions"]["stale"].is_object());
}

#[tokio::test]
async fn stale_if_error_applies_to_an_open_breaker() {
    let (gateway, sandbox) = Gateway::with(|settings| {
        forgiving(settings);
        settings.upstream.breaker.min_calls = 3;
        settings.upstream.breaker.failures_percent = 1;
        settings.upstream.breaker.open = Duration::from_secs(600);
    })
    .await;
    gateway.data(&name_of(ADA)).await;
    sandbox.fault(json!({"route": REVIEW, "fault": {"status": 500}})).await;
    for _ in 0..3 {
        gateway.ask(&format!("{{ customerReview(customerId: \"{ADA}\") {{ identity {{ decision }} }} }}")).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    sandbox.forget_calls().await;
    let answer = gateway.ask(&name_of(ADA)).await;
    assert_eq!(without_errors(answer.clone())["customer"]["name"], "Ada Example");
    assert!(answer["extensions"]["stale"].is_object());
    assert_eq!(sandbox.calls().await, json!({}));
}

#[rstest]
#[case::the_key_is_no_good(json!({"status": 401}), "UPSTREAM_UNAVAILABLE")]
#[case::it_is_not_allowed(json!({"status": 403}), "FORBIDDEN")]
#[case::too_many_calls(json!({"status": 429}), "UPSTREAM_RATE_LIMITED")]
#[tokio::test]
async fn stale_if_error_does_not_apply_to_rejections(#[case] fault: Value, #[case] told: &str) {
    let (gateway, sandbox) = start().await;
    sandbox.fault(json!({"fault": fault})).await;
    assert_eq!(code(&gateway.ask(&name_of(ADA)).await), told);
}

#[tokio::test]
async fn stale_if_error_does_not_apply_to_not_found() {
    let (gateway, sandbox) = start().await;
    sandbox.api("sandbox", Method::DELETE, &format!("/customers/{ADA}"), None).await;
    assert_eq!(gateway.data(&name_of(ADA)).await, json!({"customer": null}));
    tokio::time::sleep(Duration::from_millis(100)).await;
    sandbox.fault(json!({"fault": {"status": 503}})).await;
    gateway.ask(&name_of(ADA)).await;
}

#[tokio::test]
async fn a_no_cache_request_gets_no_stale_entry() {
    let (gateway, sandbox) = start().await;
    sandbox.fault(json!({"fault": {"status": 503}})).await;
    let request = gateway.post(&json!({"query": name_of(ADA)})).header("cache-control", "no-cache");
    assert_eq!(code(&send(request).await), "UPSTREAM_ERROR");
    // The stale entry stays in the cache for other requests.
    let answer = gateway.ask(&name_of(ADA)).await;
    assert_eq!(answer["data"]["customer"]["name"], "Ada Example");
    assert!(answer["extensions"]["stale"].is_object());
}

#[tokio::test]
async fn no_stale_entry_is_served_after_a_write() {
    let (gateway, sandbox) = start().await;
    let rename = format!(
        "mutation {{ updateCustomer(input: {{id: \"{ADA}\", name: \"Ada Renamed\"}}) {{ userErrors {{ code }} }} }}"
    );
    gateway.data(&rename).await;
    sandbox.fault(json!({"fault": {"status": 503}})).await;
    assert_eq!(code(&gateway.ask(&name_of(ADA)).await), "UPSTREAM_ERROR");
}

#[tokio::test]
async fn a_decision_never_returns_a_stale_review() {
    let (gateway, sandbox) = Gateway::with(forgiving).await;
    gateway.data(&format!("{{ customerReview(customerId: \"{RHEA}\") {{ identity {{ decision }} }} }}")).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    sandbox.fault(json!({"route": REVIEW, "fault": {"status": 503}})).await;
    let decide = format!(
        "mutation {{ decideCustomerReview(input: {{customerId: \"{RHEA}\", decision: VERIFIED}}) {{ customer {{ id review {{ identity {{ decision }} }} }} }} }}"
    );
    let answer = gateway.ask(&decide).await;
    assert_eq!(code(&answer), "UPSTREAM_ERROR");
    assert_eq!(answer["data"]["decideCustomerReview"]["customer"]["review"], Value::Null);
    assert!(answer["extensions"].get("stale").is_none());
}

#[tokio::test]
async fn a_stale_entry_served_during_refresh_counts_as_cached() {
    let (gateway, sandbox) = Gateway::with(|settings| {
        settings.cache.customer_ttl = Duration::from_millis(50);
        settings.cache.stale_while_revalidate = Duration::from_secs(60);
    })
    .await;
    gateway.data(&name_of(ADA)).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    sandbox.fault(json!({"route": CUSTOMER, "fault": {"hang": true}})).await;
    for _ in 0..2 {
        let answer = send(gateway.post(&json!({"query": name_of(ADA)})).header("gateway-report-upstream", "1")).await;
        let report = &answer["extensions"]["upstream"];
        assert_eq!((&report["cached"], &report["shared"]), (&json!(1), &json!(0)));
        assert!(answer["extensions"]["stale"].is_object(), "the response reports the stale entry: {answer}");
    }
    sandbox.until_calls(|calls| count(calls, CUSTOMER) == 2).await;
}
