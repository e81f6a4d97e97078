//! Rate limits: what a request costs, which caller is charged, and the error for a caller over its limit.

use std::time::Duration;

use customers_gateway::auth::AuthMode;
use customers_gateway::config::{Settings, Switch};
use customers_sandbox::seed::ADA;
use rstest::rstest;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::gateway::Got;
use crate::support::{CUSTOMER, Gateway, LIST, Reply, Sandbox, Stub, count, only_error};

/// One unit is refilled per second, so none is refilled while a test sends its few requests.
async fn limited(burst: u32) -> (Gateway, Sandbox) {
    Gateway::with(|settings| {
        settings.auth.mode = AuthMode::Passthrough;
        settings.graphql.executor.max_upstream_calls = 5;
        limit(settings, burst);
    })
    .await
}

fn limit(settings: &mut Settings, burst: u32) {
    settings.rate_limit.enabled = Switch::On;
    settings.rate_limit.units_per_second = 1.try_into().unwrap();
    settings.rate_limit.burst = burst.try_into().unwrap();
}

async fn ask(gateway: &Gateway, key: &str, query: &str) -> Got {
    Got::from(gateway.post(&json!({"query": query})).bearer_auth(key).send().await.unwrap()).await
}

/// Lets the upstream accept a key, which costs two units of the address.
async fn accepted(gateway: &Gateway, key: &str) {
    let got = ask(gateway, key, "{ customers(first: 1) { totalCount } }").await;
    assert_eq!(got.json()["data"]["customers"]["totalCount"], 250, "{}", got.text);
}

/// Checks that the caller is over its rate limit, and returns the time to wait.
fn over_its_rate(got: &Got) -> u64 {
    assert_eq!(got.status, 429, "{}", got.text);
    let answer = got.json();
    let error = only_error(&answer);
    assert_eq!(
        (&error["extensions"]["code"], &error["extensions"]["retryable"]),
        (&json!("RATE_LIMITED"), &json!(true))
    );
    assert_eq!(answer.get("data"), None);
    let seconds = got.header("retry-after").unwrap().parse().unwrap();
    assert_eq!(error["extensions"]["retryAfterSeconds"], seconds);
    seconds
}

#[tokio::test]
async fn a_rate_limited_caller_gets_retry_after_and_others_are_served() {
    let (gateway, sandbox) = limited(100).await;
    accepted(&gateway, "one").await;
    accepted(&gateway, "two").await;
    let mut served = 0;
    let refused = loop {
        let got = ask(&gateway, "one", "{ __typename }").await;
        if got.status != 200 {
            break got;
        }
        served += 1;
        assert!(served < 200, "nothing is counted");
    };
    assert!(served >= 100, "{served} were served");
    assert!((1..=2).contains(&over_its_rate(&refused)));
    assert_eq!(ask(&gateway, "two", "{ __typename }").await.status, 200);
    assert_eq!(sandbox.calls().await, json!({LIST: 2}));
}

#[tokio::test]
async fn a_rate_limited_request_makes_no_upstream_call() {
    let (gateway, sandbox) = limited(8).await;
    accepted(&gateway, "one").await;
    // One unit for the request, and one for each of four calls.
    let four = format!(
        "{{ a: customer(id: \"{ADA}\") {{ id }} b: customers(first: 1) {{ totalCount }} c: customerPage {{ meta {{ pageNumber }} }} d: customers(first: 2) {{ totalCount }} }}"
    );
    assert_eq!(ask(&gateway, "one", &four).await.status, 200);
    let before = sandbox.calls().await;
    let pause = over_its_rate(&ask(&gateway, "one", &four).await);
    assert!((1..=2).contains(&pause), "five units of which three are there: {pause}");
    assert_eq!(sandbox.calls().await, before);
    // A cached customer costs as much, because the planned calls count. Three units are left: the rejected request
    // took none.
    let one = format!("{{ customer(id: \"{ADA}\") {{ id }} }}");
    assert_eq!(ask(&gateway, "one", &one).await.status, 200);
    over_its_rate(&ask(&gateway, "one", &four).await);
}

/// A client that sends incomplete bodies pays for each of them.
#[tokio::test]
async fn the_unit_of_a_request_is_taken_before_its_body_is_read() {
    let (gateway, _sandbox) = limited(6).await;
    accepted(&gateway, "one").await;
    while ask(&gateway, "one", "{ __typename }").await.status == 200 {}
    let head =
        "POST /graphql HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\nauthorization: Bearer one\r\n";
    let address = gateway.base.trim_start_matches("http://");
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("{head}content-length: 1000\r\n\r\n").as_bytes()).await.unwrap();
    let mut told = [0; 12];
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_exact(&mut told));
    read.await.expect("an answer before the body").unwrap();
    assert_eq!(&told, b"HTTP/1.1 429");
}

#[tokio::test]
async fn under_plain_json_it_is_a_429_as_well() {
    let (gateway, _sandbox) = limited(6).await;
    for accept in ["application/json", "application/graphql-response+json"] {
        for _ in 0..20 {
            ask(&gateway, accept, "{ __typename }").await;
        }
        let request = gateway.post(&json!({"query": "{ __typename }"})).bearer_auth(accept);
        let got = Got::from(request.header("accept", accept).send().await.unwrap()).await;
        over_its_rate(&got);
        assert!(got.header("content-type").unwrap().starts_with(accept));
    }
}

#[rstest]
#[case::one_key("one", "one", None, 429)]
#[case::two_keys("one", "two", None, 200)]
#[case::one_key_for_another_account("one", "one", Some("0190b2de-7c11-7c3a-8f10-00000000000a"), 429)]
#[tokio::test]
async fn rate_limits_are_per_key_and_not_per_account(
    #[case] first: &str,
    #[case] second: &str,
    #[case] account: Option<&str>,
    #[case] status: u16,
) {
    let (gateway, _sandbox) = limited(6).await;
    accepted(&gateway, first).await;
    accepted(&gateway, second).await;
    while ask(&gateway, first, "{ __typename }").await.status == 200 {}
    let mut request = gateway.post(&json!({"query": "{ __typename }"})).bearer_auth(second);
    if let Some(account) = account {
        request = request.header("straddle-account-id", account);
    }
    assert_eq!(request.send().await.unwrap().status(), status);
}

#[tokio::test]
async fn callers_without_a_key_are_limited_by_address() {
    let (gateway, _sandbox) = Gateway::with(|settings| {
        settings.graphql.executor.max_upstream_calls = 5;
        limit(settings, 6);
    })
    .await;
    // Invented keys and `X-Forwarded-For` do not change the rate-limit key.
    // All requests run at once, and far fewer units are refilled meanwhile.
    let requests = (0..100).map(async |i| {
        let request = gateway.post(&json!({"query": "{ __typename }"}));
        let request = request.bearer_auth(i).header("x-forwarded-for", format!("203.0.113.{i}"));
        request.send().await.unwrap().status().as_u16()
    });
    let statuses = futures_util::future::join_all(requests).await;
    assert!(statuses.contains(&429), "{statuses:?}");
}

#[tokio::test]
async fn unverified_keys_are_limited_by_address() {
    let stub = Stub::start(|seen| match seen.header("authorization") {
        Some("Bearer good") => Reply::page(seen, &[], 0),
        _ => Reply::refusal(401, None, &[]),
    })
    .await;
    let gateway = Gateway::over(&stub.base, |settings| {
        settings.auth.mode = AuthMode::Passthrough;
        settings.cache.enabled = false;
        settings.graphql.executor.max_upstream_calls = 5;
        settings.privacy.max_unmask_per_minute = 20.try_into().unwrap();
        limit(settings, 60);
    })
    .await;
    let query = "{ customers(first: 1) { totalCount } }";
    assert_eq!(ask(&gateway, "good", query).await.json()["data"]["customers"]["totalCount"], 0);
    let mut made_up = 0;
    loop {
        // Each invented key comes several times, and is still not verified.
        let got = ask(&gateway, &format!("made-up-{}", made_up / 4), query).await;
        if got.status == 429 {
            break;
        }
        assert_eq!(only_error(&got.json())["extensions"]["code"], "UNAUTHENTICATED");
        made_up += 1;
        assert!(made_up < 60, "each has a rate of its own");
    }
    assert!(made_up >= 28, "{made_up}");
    // A verified caller is not affected.
    assert_eq!(ask(&gateway, "good", query).await.json()["data"]["customers"]["totalCount"], 0);
}

#[tokio::test]
async fn unverified_keys_share_one_unmask_limit() {
    let stub = Stub::start(|_| Reply::refusal(401, None, &[])).await;
    let gateway = Gateway::over(&stub.base, |settings| {
        settings.auth.mode = AuthMode::Passthrough;
        settings.privacy.max_unmask_per_minute = 10.try_into().unwrap();
    })
    .await;
    let query = format!("mutation {{ unmaskCustomer(input: {{id: \"{ADA}\"}}) {{ userErrors {{ code }} }} }}");
    let mut statuses = Vec::new();
    for i in 0..12 {
        statuses.push(ask(&gateway, &format!("made-up-{}", i / 4), &query).await.status);
    }
    assert_eq!(statuses, [[200; 10].as_slice(), &[429; 2]].concat());
}

#[tokio::test]
async fn an_operation_larger_than_the_burst_is_not_retryable() {
    // The gateway does not start with such settings, but an app that is built with them must still respond.
    let (gateway, sandbox) = Gateway::with(|settings| limit(settings, 3)).await;
    let got = ask(&gateway, "one", "{ customers(first: 10) { nodes { device { ipAddress } } } }").await;
    let answer: Value = got.json();
    let error = only_error(&answer);
    assert_eq!(
        (&error["extensions"]["code"], &error["extensions"]["retryable"]),
        (&json!("OPERATION_TOO_LARGE"), &json!(false))
    );
    assert_eq!(count(&sandbox.calls().await, CUSTOMER), 0);
}

#[tokio::test]
async fn the_rate_limit_is_off_for_the_sandbox() {
    let (gateway, _sandbox) = Gateway::with(|settings| {
        settings.rate_limit.units_per_second = 1.try_into().unwrap();
        settings.rate_limit.burst = 1.try_into().unwrap();
    })
    .await;
    for _ in 0..20 {
        assert_eq!(ask(&gateway, "one", "{ __typename }").await.status, 200);
    }
}
