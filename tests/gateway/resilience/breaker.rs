//! The circuit breaker: a failing upstream gets no calls for a moment, and calls again as soon as it responds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use customers_gateway::config::Settings;
use customers_sandbox::seed::ADA;
use serde_json::json;

use super::{code, name_of};
use crate::support::stub::{Reply, Stub, id_in, person};
use crate::support::{Gateway, Sandbox};

/// How long the breaker is open: far longer than one request takes on a busy machine.
const OPEN: Duration = Duration::from_secs(3);

/// Settings under which ten failures open the breaker.
fn brittle(settings: &mut Settings) {
    settings.cache.enabled = false;
    settings.upstream.retry.max_attempts = 1;
    settings.upstream.breaker.min_calls = 10;
    settings.upstream.breaker.window = Duration::from_secs(60);
    settings.upstream.breaker.open = OPEN;
}

/// An upstream whose status the test can change.
async fn moody(status: u16) -> (Stub, Arc<AtomicU16>) {
    let mood = Arc::new(AtomicU16::new(status));
    let now = Arc::clone(&mood);
    let stub = Stub::start(move |seen| match now.load(Ordering::SeqCst) {
        200 => Reply::object(&person(id_in(&seen.path))),
        status => Reply::json(status, &json!({})),
    })
    .await;
    (stub, mood)
}

#[tokio::test]
async fn the_breaker_opens_probes_and_closes() {
    let (stub, mood) = moody(503).await;
    let gateway = Gateway::over(&stub.base, brittle).await;
    let ask = async || gateway.ask(&name_of(ADA)).await;
    for _ in 0..10 {
        assert_eq!(code(&ask().await), "UPSTREAM_ERROR");
    }
    let answer = ask().await;
    let extensions = &answer["errors"][0]["extensions"];
    assert_eq!((code(&answer), &extensions["retryable"]), ("UPSTREAM_UNAVAILABLE", &json!(true)));
    let pause = extensions["retryAfterSeconds"].as_u64();
    assert!(pause.is_some_and(|pause| (1..=3).contains(&pause)), "{answer}");
    assert_eq!(stub.seen().len(), 10, "an open breaker sends nothing");
    // A probe that fails opens the breaker again, after one call.
    tokio::time::sleep(OPEN + Duration::from_millis(50)).await;
    assert_eq!(code(&ask().await), "UPSTREAM_ERROR");
    assert_eq!(code(&ask().await), "UPSTREAM_UNAVAILABLE");
    assert_eq!(stub.seen().len(), 11);
    mood.store(200, Ordering::SeqCst);
    tokio::time::sleep(OPEN + Duration::from_millis(50)).await;
    for _ in 0..10 {
        assert_eq!(ask().await["data"]["customer"]["name"], "Ada Example");
    }
}

#[tokio::test]
async fn rejections_do_not_open_the_breaker() {
    for status in [400, 401, 403, 404, 409, 422, 429] {
        let (stub, mood) = moody(status).await;
        let gateway = Gateway::over(&stub.base, brittle).await;
        for _ in 0..15 {
            gateway.ask(&name_of(ADA)).await;
        }
        mood.store(200, Ordering::SeqCst);
        assert_eq!(gateway.ask(&name_of(ADA)).await["data"]["customer"]["name"], "Ada Example", "{status}");
        assert_eq!(stub.seen().len(), 16);
    }
}

#[tokio::test]
async fn html_responses_open_the_breaker_and_do_not_close_it() {
    let stub = Stub::start(|_| Reply::new(200, "text/html", "<html>Back soon</html>")).await;
    let gateway = Gateway::over(&stub.base, brittle).await;
    for _ in 0..10 {
        assert_eq!(code(&gateway.ask(&name_of(ADA)).await), "UPSTREAM_INVALID_RESPONSE");
    }
    assert_eq!(code(&gateway.ask(&name_of(ADA)).await), "UPSTREAM_UNAVAILABLE");
    tokio::time::sleep(OPEN + Duration::from_millis(50)).await;
    assert_eq!(code(&gateway.ask(&name_of(ADA)).await), "UPSTREAM_INVALID_RESPONSE");
    assert_eq!(code(&gateway.ask(&name_of(ADA)).await), "UPSTREAM_UNAVAILABLE");
    assert_eq!(stub.seen().len(), 11);
}

#[tokio::test]
async fn a_write_blocked_by_the_breaker_was_not_sent() {
    let (stub, _mood) = moody(503).await;
    let gateway = Gateway::over(&stub.base, |settings| {
        brittle(settings);
        settings.upstream.breaker.open = Duration::from_secs(60);
    })
    .await;
    for _ in 0..10 {
        gateway.ask(&name_of(ADA)).await;
    }
    let delete = format!("mutation {{ deleteCustomer(input: {{id: \"{ADA}\"}}) {{ deletedCustomerId }} }}");
    let answer = gateway.ask(&delete).await;
    assert_eq!(
        (code(&answer), &answer["errors"][0]["extensions"]["retryable"]),
        ("UPSTREAM_UNAVAILABLE", &json!(true))
    );
    assert_eq!(stub.seen().len(), 10);
}

#[tokio::test]
async fn a_restarted_upstream_is_called_again() {
    let sandbox = Sandbox::start().await;
    let gateway = Gateway::over(&sandbox.base, brittle).await;
    assert_eq!(gateway.data(&name_of(ADA)).await["customer"]["name"], "Ada Example");
    let address = sandbox.base.trim_start_matches("http://").to_owned();
    drop(sandbox);
    for _ in 0..30 {
        assert_eq!(code(&gateway.ask(&name_of(ADA)).await), "UPSTREAM_UNAVAILABLE");
    }
    let _back = Sandbox::start_at(&address).await;
    for round in 0.. {
        assert!(round < 500, "the upstream got no call again");
        if gateway.ask(&name_of(ADA)).await["errors"].is_null() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for _ in 0..20 {
        gateway.data(&name_of(ADA)).await;
    }
}
