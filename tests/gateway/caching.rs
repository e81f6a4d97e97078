//! The cache: which entries exist, for which scope, and for how long.

mod writes;

use std::sync::Arc;
use std::time::Duration;

use customers_gateway::auth::AuthMode;
use customers_sandbox::seed::{ADA, REX, RHEA};
use futures_util::future::join_all;
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::gateway::{Got, send, without_errors};
use crate::support::stub::{id_in, person, with};
use crate::support::{CUSTOMER, Gateway, LIST, REVIEW, Reply, Sandbox, Stub, count};

const UNKNOWN: Uuid = Uuid::from_u128(0x0190_b2de_7c11_7c3a_8f10_ffff_ffff_ffff);

fn name_of(id: Uuid) -> String {
    format!("{{ customer(id: \"{id}\") {{ name }} }}")
}

/// Renames a customer at the upstream, without the gateway.
async fn rename_behind(sandbox: &Sandbox, key: &str, id: Uuid, name: &str) {
    let email = format!("{}@example.test", id.simple());
    let body = json!({"name": name, "email": email, "phone": "+12025550123", "device": {"ip_address": "203.0.113.9"}, "status": "verified"});
    let got = sandbox.api(key, Method::PUT, &format!("/customers/{id}"), Some(body)).await;
    assert_eq!(got.status, 200, "{}", got.text);
}

/// Repeats a query until a condition holds.
async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    for _ in 0..2000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("it never happened: {what}");
}

#[tokio::test]
async fn an_expired_entry_is_loaded_again() {
    let (gateway, sandbox) = Gateway::with(|settings| settings.cache.customer_ttl = Duration::from_millis(300)).await;
    gateway.data(&name_of(ADA)).await;
    rename_behind(&sandbox, "sandbox", ADA, "Ada Renamed").await;
    assert_eq!(gateway.data(&name_of(ADA)).await["customer"]["name"], "Ada Example");
    until("the new name", async || gateway.data(&name_of(ADA)).await["customer"]["name"] == "Ada Renamed").await;
    assert_eq!(count(&sandbox.calls().await, CUSTOMER), 2);
}

#[tokio::test]
async fn not_found_is_cached_for_its_own_ttl() {
    let (gateway, sandbox) = Gateway::with(|settings| settings.cache.not_found_ttl = Duration::from_millis(300)).await;
    for query in [name_of(UNKNOWN), name_of(UNKNOWN)] {
        assert_eq!(gateway.data(&query).await["customer"], Value::Null);
    }
    assert_eq!(sandbox.calls().await, json!({CUSTOMER: 1}));
    until("another call", async || {
        gateway.data(&name_of(UNKNOWN)).await;
        count(&sandbox.calls().await, CUSTOMER) == 2
    })
    .await;
}

#[tokio::test]
async fn a_failed_load_is_not_cached() {
    let (gateway, sandbox) = Gateway::start().await;
    sandbox.fault(json!({"times": 1, "fault": {"status": 500}})).await;
    assert_eq!(gateway.ask(&name_of(ADA)).await["data"]["customer"], Value::Null);
    assert_eq!(gateway.data(&name_of(ADA)).await["customer"]["name"], "Ada Example");
}

#[rstest]
#[case("cache-control", "no-cache")]
#[case("cache-control", "max-age=0, No-Cache")]
#[case("pragma", "no-cache")]
#[tokio::test]
async fn a_no_cache_request_bypasses_and_refreshes_the_cache(#[case] name: &str, #[case] value: &str) {
    let (gateway, sandbox) = Gateway::start().await;
    let queries = [
        name_of(ADA),
        format!("{{ customerReview(customerId: \"{ADA}\") {{ customer {{ name }} }} }}"),
        "{ customerByExternalId(externalId: \"ada-1\") { name } }".to_owned(),
    ];
    for query in &queries {
        gateway.data(query).await;
    }
    let body = json!({"name": "Ada Renamed", "email": "new@example.test", "phone": "+12025550123", "external_id": "ada-1",
        "device": {"ip_address": "203.0.113.9"}, "status": "verified"});
    sandbox.api("sandbox", Method::PUT, &format!("/customers/{ADA}"), Some(body)).await;
    sandbox.forget_calls().await;
    for query in &queries {
        assert!(gateway.data(query).await.to_string().contains("Ada Example"));
    }
    assert_eq!(sandbox.calls().await, json!({}));
    for query in &queries {
        let fresh = without_errors(send(gateway.post(&json!({"query": query})).header(name, value)).await);
        assert!(fresh.to_string().contains("Ada Renamed"), "{fresh}");
    }
    assert_eq!(sandbox.calls().await, json!({CUSTOMER: 1, REVIEW: 1, LIST: 1}));
    for query in &queries {
        assert!(gateway.data(query).await.to_string().contains("Ada Renamed"));
    }
}

#[tokio::test]
async fn fifty_callers_at_once_share_one_call() {
    let (gateway, sandbox) = Gateway::start().await;
    sandbox.latency(150).await;
    for (query, calls) in [
        (name_of(ADA), json!({CUSTOMER: 1})),
        (format!("{{ customer(id: \"{REX}\") {{ name review {{ identity {{ decision }} }} }} }}"), json!({REVIEW: 1})),
        ("{ customers(first: 9) { nodes { id } } }".to_owned(), json!({LIST: 1})),
    ] {
        let answers = join_all((0..50).map(|_| gateway.data(&query))).await;
        assert!(answers.iter().all(|answer| *answer == answers[0]));
        assert_eq!(sandbox.calls().await, calls);
        sandbox.forget_calls().await;
    }
}

#[tokio::test]
async fn a_disconnecting_caller_does_not_cancel_a_shared_load() {
    let (gateway, sandbox) = Gateway::start().await;
    let gateway = Arc::new(gateway);
    sandbox.latency(1500).await;
    let ask = |query: String| {
        let gateway = Arc::clone(&gateway);
        tokio::spawn(async move { gateway.data(&query).await })
    };
    let first = ask(name_of(ADA));
    sandbox.until_calls(|calls| count(calls, CUSTOMER) == 1).await;
    // It has joined the call when the one for its other customer comes.
    let second = ask(format!("{{ customer(id: \"{ADA}\") {{ name }} other: customer(id: \"{REX}\") {{ name }} }}"));
    sandbox.until_calls(|calls| count(calls, CUSTOMER) == 2).await;
    first.abort();
    assert_eq!(second.await.unwrap()["customer"]["name"], "Ada Example");
    assert_eq!(sandbox.calls().await, json!({CUSTOMER: 2}));
}

#[tokio::test]
async fn with_the_cache_disabled_nothing_is_cached() {
    let (gateway, sandbox) = Gateway::with(|settings| {
        settings.cache.enabled = false;
        settings.cache.stale_while_revalidate = Duration::from_secs(60);
    })
    .await;
    for _ in 0..50 {
        gateway.data(&name_of(ADA)).await;
        gateway.data(&name_of(UNKNOWN)).await;
        gateway.data("{ customers { totalCount } }").await;
        gateway.data(&format!("{{ customerReview(customerId: \"{ADA}\") {{ identity {{ decision }} }} }}")).await;
    }
    assert_eq!(sandbox.calls().await, json!({CUSTOMER: 100, LIST: 50, REVIEW: 50}));
    // Within one request each record is still read once.
    sandbox.forget_calls().await;
    gateway.data(&format!("{{ a: customer(id: \"{ADA}\") {{ name }} b: customer(id: \"{ADA}\") {{ email }} }}")).await;
    assert_eq!(sandbox.calls().await, json!({CUSTOMER: 1}));
}

#[tokio::test]
async fn stale_while_revalidate_serves_the_stale_entry() {
    let (gateway, sandbox) = Gateway::with(|settings| {
        settings.cache.customer_ttl = Duration::from_millis(100);
        settings.cache.stale_while_revalidate = Duration::from_secs(60);
    })
    .await;
    gateway.data(&name_of(ADA)).await;
    rename_behind(&sandbox, "sandbox", ADA, "Ada Renamed").await;
    sandbox.fault(json!({"route": CUSTOMER, "times": 1, "fault": {"hang": true}})).await;
    // While the upstream hangs, requests get the stale entry.
    until("a refresh", async || {
        assert_eq!(gateway.data(&name_of(ADA)).await["customer"]["name"], "Ada Example");
        count(&sandbox.calls().await, CUSTOMER) == 2
    })
    .await;
    assert_eq!(gateway.data(&name_of(ADA)).await["customer"]["name"], "Ada Example");
    assert_eq!(count(&sandbox.calls().await, CUSTOMER), 2);
}

#[tokio::test]
async fn a_stale_response_is_followed_by_a_fresh_one() {
    let (gateway, sandbox) = Gateway::with(|settings| {
        settings.cache.customer_ttl = Duration::from_millis(100);
        settings.cache.stale_while_revalidate = Duration::from_secs(60);
    })
    .await;
    gateway.data(&name_of(ADA)).await;
    rename_behind(&sandbox, "sandbox", ADA, "Ada Renamed").await;
    until("the new name", async || gateway.data(&name_of(ADA)).await["customer"]["name"] == "Ada Renamed").await;
}

/// The name of Ada for two keys, in any order of requests.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_never_share_cache_entries() {
    let (gateway, sandbox) = Gateway::passthrough().await;
    for key in ["key-a", "key-b"] {
        rename_behind(&sandbox, key, ADA, &format!("Ada of {key}")).await;
    }
    sandbox.forget_calls().await;
    let queries = [
        name_of(ADA),
        format!("{{ customerReview(customerId: \"{ADA}\") {{ customer {{ name }} }} }}"),
        "{ customers(first: 100) { nodes { name } } }".to_owned(),
    ];
    let (gateway, queries) = (&gateway, &queries);
    let asked = (0..300).map(|i| async move {
        let (mine, other) = if i % 2 == 0 { ("key-a", "key-b") } else { ("key-b", "key-a") };
        let seen = without_errors(gateway.ask_as(mine, &queries[i % 3], json!({})).await).to_string();
        assert!(seen.contains(&format!("Ada of {mine}")) && !seen.contains(&format!("Ada of {other}")), "{seen}");
    });
    join_all(asked).await;
    // Each key has its own entry. If its review was read first, that also served the customer.
    let calls = sandbox.calls().await;
    assert_eq!((count(&calls, REVIEW), count(&calls, LIST)), (2, 2));
    assert!(count(&calls, CUSTOMER) <= 2, "{calls}");
}

#[tokio::test]
async fn concurrent_scopes_do_not_share_a_call() {
    // No call is answered before all three have arrived, so a shared call would hang.
    let stub = Stub::holding(3, |seen| {
        let name =
            format!("{} {}", seen.header("authorization").unwrap(), seen.header("straddle-account-id").unwrap_or("-"));
        Reply::object(&with(person(id_in(&seen.path)), json!({"name": name})))
    })
    .await;
    let gateway = Gateway::over(&stub.base, |settings| settings.auth.mode = AuthMode::Passthrough).await;
    let query = json!({"query": name_of(ADA)});
    let account = Uuid::from_u128(7).to_string();
    let plain = |key: &str| gateway.post(&query).bearer_auth(key);
    let (a, b, c) =
        tokio::join!(send(plain("a")), send(plain("b")), send(plain("a").header("straddle-account-id", &account)));
    let names = [a, b, c].map(|answer| answer["data"]["customer"]["name"].as_str().unwrap().to_owned());
    assert_eq!(names, ["Bearer a -".to_owned(), "Bearer b -".to_owned(), format!("Bearer a {account}")]);
}

#[tokio::test]
async fn a_write_invalidates_its_own_scope_only() {
    let (gateway, sandbox) = Gateway::passthrough().await;
    for key in ["key-a", "key-b"] {
        gateway.ask_as(key, &name_of(ADA), json!({})).await;
    }
    let rename =
        format!("mutation {{ updateCustomer(input: {{id: \"{ADA}\", name: \"Of A\"}}) {{ customer {{ name }} }} }}");
    without_errors(gateway.ask_as("key-a", &rename, json!({})).await);
    sandbox.forget_calls().await;
    let name = async |key| gateway.ask_as(key, &name_of(ADA), json!({})).await["data"]["customer"]["name"].clone();
    assert_eq!((name("key-a").await, name("key-b").await), (json!("Of A"), json!("Ada Example")));
    assert_eq!(sandbox.calls().await, json!({CUSTOMER: 1}));
}

/// The `Cache-Control` of a read by GET.
async fn cache_control_of(gateway: &Gateway, query: &str) -> String {
    let request = gateway.request(Method::GET, "/graphql").query(&[("query", query)]);
    Got::from(request.send().await.unwrap()).await.header("cache-control").unwrap().to_owned()
}

#[tokio::test]
async fn responses_have_cache_control_no_store() {
    let (gateway, _sandbox) = Gateway::start().await;
    assert_eq!(cache_control_of(&gateway, &name_of(ADA)).await, "no-store");
    for body in [json!({"query": name_of(ADA)}), json!({"query": "{"}), json!([])] {
        let got = Got::from(gateway.post(&body).send().await.unwrap()).await;
        assert_eq!(got.header("cache-control"), Some("no-store"));
    }
    for path in ["/", "/livez", "/nowhere"] {
        let got = Got::from(gateway.request(Method::GET, path).send().await.unwrap()).await;
        assert_eq!(got.header("cache-control"), Some("no-store"), "{path}");
    }
}

#[tokio::test]
async fn a_get_read_may_be_cached_privately_if_configured() {
    let (gateway, sandbox) = Gateway::with(|settings| {
        settings.graphql.allow_private_caching = true;
        settings.cache.customer_ttl = Duration::from_secs(1000);
        settings.cache.page_ttl = Duration::from_secs(100);
    })
    .await;
    let seconds = async |query: &str| {
        let value = cache_control_of(&gateway, query).await;
        value.strip_prefix("private, max-age=").unwrap_or_else(|| panic!("{value}")).parse::<u64>().unwrap()
    };
    // Kept or not, it is what is left; generous for slow machines.
    for _ in 0..2 {
        assert!((900..1000).contains(&seconds(&name_of(ADA)).await));
        assert!((50..100).contains(&seconds("{ customers(first: 2) { nodes { address { city } } } }").await));
    }
    sandbox.fault(json!({"customer_id": RHEA, "fault": {"status": 500}})).await;
    for query in [name_of(RHEA), "{ viewer { permissions } }".to_owned(), "{ nothing }".to_owned()] {
        assert_eq!(cache_control_of(&gateway, &query).await, "no-store", "{query}");
    }
    let post = Got::from(gateway.post(&json!({"query": name_of(ADA)})).send().await.unwrap()).await;
    assert_eq!(post.header("cache-control"), Some("no-store"));
}
