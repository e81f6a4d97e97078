//! Retries of reads, and the error after the last attempt.

use std::time::{Duration, Instant};

use customers_gateway::auth::AuthMode;
use customers_sandbox::seed::ADA;
use rstest::rstest;
use serde_json::{Value, json};

use super::{code, name_of, patient};
use crate::support::certified::Certified;
use crate::support::stub::{Reply, Stub, id_in, person};
use crate::support::wire::{Act, Wire, answer};
use crate::support::{CUSTOMER, Gateway, count};

#[rstest]
#[case::an_error(json!({"status": 503}), "UPSTREAM_ERROR", 3)]
#[case::an_error_that_asks_for_a_long_pause(json!({"status": 503, "retry_after": 60}), "UPSTREAM_ERROR", 1)]
#[case::too_slow_for_it(json!({"status": 408}), "UPSTREAM_TIMEOUT", 3)]
#[case::a_rate_limit(json!({"status": 429}), "UPSTREAM_RATE_LIMITED", 3)]
#[case::a_rate_limit_that_says_when(json!({"status": 429, "retry_after": 60}), "UPSTREAM_RATE_LIMITED", 1)]
#[case::no_headers(json!({"hang": true}), "UPSTREAM_TIMEOUT", 3)]
#[case::a_reset(json!({"reset": "before_headers"}), "UPSTREAM_UNAVAILABLE", 3)]
#[case::half_a_body(json!({"reset": "mid_body"}), "UPSTREAM_UNAVAILABLE", 3)]
#[case::a_body_that_drips(json!({"slow_body_ms": 60_000}), "UPSTREAM_TIMEOUT", 3)]
#[case::garbage(json!({"garbage": true}), "UPSTREAM_INVALID_RESPONSE", 1)]
#[case::a_key_that_was_withdrawn(json!({"status": 401}), "UPSTREAM_UNAVAILABLE", 1)]
#[case::a_permission_that_was_withdrawn(json!({"status": 403}), "FORBIDDEN", 1)]
#[tokio::test]
async fn a_persistent_failure_is_reported_after_all_attempts(
    #[case] fault: Value,
    #[case] told: &str,
    #[case] calls: u64,
) {
    let (gateway, sandbox) = Gateway::with(patient).await;
    sandbox.fault(json!({"route": CUSTOMER, "fault": fault})).await;
    let started = Instant::now();
    let answer = gateway.ask(&name_of(ADA)).await;
    assert_eq!(code(&answer), told);
    assert_eq!(count(&sandbox.calls().await, CUSTOMER), calls);
    assert_eq!(answer["errors"][0]["extensions"].get("retryAfterSeconds"), fault.get("retry_after"));
    assert!(started.elapsed() < Duration::from_secs(15), "without the timeout it would hang longer");
}

#[rstest]
#[case(json!({"status": 500}))]
#[case(json!({"status": 408}))]
#[case(json!({"status": 429, "retry_after": 1}))]
#[case(json!({"hang": true}))]
#[case(json!({"reset": "before_headers"}))]
#[case(json!({"reset": "mid_body"}))]
#[tokio::test]
async fn a_single_failure_is_retried_invisibly(#[case] fault: Value) {
    let (gateway, sandbox) = Gateway::with(patient).await;
    sandbox.fault(json!({"route": CUSTOMER, "times": 1, "fault": fault})).await;
    assert_eq!(gateway.data(&name_of(ADA)).await["customer"]["name"], "Ada Example");
    assert_eq!(count(&sandbox.calls().await, CUSTOMER), 2);
}

#[rstest]
#[case::nothing(Act::Hang, "UPSTREAM_TIMEOUT", 3)]
#[case::a_reset(Act::Reset, "UPSTREAM_UNAVAILABLE", 3)]
#[case::half_a_head(Act::SayThenReset(b"HTTP/1.1 200 OK\r\ncontent-".to_vec()), "UPSTREAM_UNAVAILABLE", 3)]
#[case::half_a_body(
    Act::SayThenReset(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"data\":".to_vec()),
    "UPSTREAM_UNAVAILABLE",
    3
)]
#[case::an_end_without_an_answer(Act::Say(Vec::new()), "UPSTREAM_UNAVAILABLE", 3)]
#[case::no_http(Act::Say(b"SSH-2.0-OpenSSH_9.6\r\n".to_vec()), "UPSTREAM_UNAVAILABLE", 3)]
#[case::a_byte_a_second(Act::Drip(b"{\"data\": {}}".repeat(10)), "UPSTREAM_TIMEOUT", 3)]
#[case::a_web_page(Act::Say(answer("text/html", b"<html>Sign in</html>")), "UPSTREAM_INVALID_RESPONSE", 1)]
#[case::an_image(Act::Say(answer("image/png", b"\x89PNG\r\n\x1a\n")), "UPSTREAM_INVALID_RESPONSE", 1)]
#[case::an_error_under_200(
    Act::Say(answer(
        "application/json",
        br#"{"error": {"status": 500, "type": "/x", "title": "X"}, "response_type": "error"}"#
    )),
    "UPSTREAM_INVALID_RESPONSE",
    1
)]
#[case::five_megabytes_of_spaces(Act::Say(answer("application/json", &[b' '; 5 << 20])), "UPSTREAM_INVALID_RESPONSE", 1)]
#[tokio::test]
async fn an_invalid_response_is_reported(#[case] act: Act, #[case] told: &str, #[case] calls: usize) {
    let wire = Wire::start(act).await;
    let gateway = Gateway::over(&wire.base, patient).await;
    let started = Instant::now();
    assert_eq!(code(&gateway.ask(&name_of(ADA)).await), told);
    assert_eq!(wire.calls(), calls);
    assert!(started.elapsed() < Duration::from_secs(15), "without the timeout it would hang longer");
}

#[tokio::test]
async fn a_response_after_five_megabytes_of_whitespace_is_read() {
    let stub = Stub::start(|seen| {
        let mut reply = Reply::object(&person(id_in(&seen.path)));
        reply.body.splice(0..0, std::iter::repeat_n(b' ', 5 << 20));
        reply
    })
    .await;
    let gateway = Gateway::over(&stub.base, |settings| settings.upstream.timeout = Duration::from_secs(20)).await;
    assert_eq!(gateway.data(&name_of(ADA)).await["customer"]["name"], "Ada Example");
}

#[tokio::test]
async fn a_revoked_and_restored_key_works_again() {
    let (gateway, sandbox) = Gateway::with(|settings| {
        patient(settings);
        settings.cache.enabled = false;
    })
    .await;
    let name = async || gateway.data(&name_of(ADA)).await["customer"]["name"].clone();
    assert_eq!(name().await, "Ada Example");
    sandbox.fault(json!({"fault": {"status": 401}})).await;
    for _ in 0..30 {
        assert_eq!(code(&gateway.ask(&name_of(ADA)).await), "UPSTREAM_UNAVAILABLE");
    }
    sandbox.clear_faults().await;
    assert_eq!(name().await, "Ada Example", "the breaker is closed");
    assert_eq!(count(&sandbox.calls().await, CUSTOMER), 32);
}

#[tokio::test]
async fn a_429_throttles_its_key_only() {
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let stub = Stub::start(move |seen| {
        let limited = seen.header("authorization") == Some("Bearer key-a");
        match calls.fetch_add(usize::from(limited), std::sync::atomic::Ordering::SeqCst) {
            0 if limited => Reply::json(429, &json!({})).header("retry-after", "60"),
            _ => Reply::object(&person(id_in(&seen.path))),
        }
    })
    .await;
    let gateway = Gateway::over(&stub.base, |settings| {
        patient(settings);
        settings.auth.mode = AuthMode::Passthrough;
    })
    .await;
    for _ in 0..8 {
        let answer = gateway.ask_as("key-a", &name_of(ADA), json!({})).await;
        assert_eq!(code(&answer), "UPSTREAM_RATE_LIMITED");
        let seconds = answer["errors"][0]["extensions"]["retryAfterSeconds"].as_u64();
        assert!(seconds > Some(30) && seconds <= Some(60), "{answer}");
    }
    assert_eq!(stub.seen().len(), 1);
    assert_eq!(gateway.ask_as("key-b", &name_of(ADA), json!({})).await["data"]["customer"]["name"], "Ada Example");
}

#[tokio::test]
async fn a_refused_connection_is_reported() {
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for upstream in [format!("http://{nowhere}"), "https://upstream.invalid".to_owned()] {
        let gateway = Gateway::over(&upstream, |settings| {
            patient(settings);
            // Its name is that of a real upstream.
            settings.auth.mode = AuthMode::Passthrough;
        })
        .await;
        let answer = gateway.ask_as("key", &name_of(ADA), json!({})).await;
        let error = &answer["errors"][0];
        assert_eq!((code(&answer), &error["extensions"]["retryable"]), ("UPSTREAM_UNAVAILABLE", &json!(true)));
        assert!(!answer.to_string().contains("upstream.invalid") && !answer.to_string().contains("127.0.0.1"));
    }
}

#[tokio::test]
async fn an_untrusted_certificate_is_reported() {
    let certified = Certified::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = format!("https://{}", listener.local_addr().unwrap());
    let tls =
        axum_server::tls_rustls::RustlsConfig::from_pem_file(certified.certificate(), certified.key()).await.unwrap();
    let reached = axum::Router::new().fallback(async || "it was let in");
    tokio::spawn(axum_server::from_tcp_rustls(listener, tls).unwrap().serve(reached.into_make_service()));
    let gateway = Gateway::over(&upstream, patient).await;
    let answer = gateway.ask(&name_of(ADA)).await;
    assert_eq!(code(&answer), "UPSTREAM_UNAVAILABLE");
}

#[tokio::test]
async fn the_retry_budget_limits_retries() {
    let (gateway, sandbox) = Gateway::with(|settings| {
        patient(settings);
        settings.cache.enabled = false;
    })
    .await;
    sandbox.fault(json!({"route": CUSTOMER, "customer_id": ADA, "fault": {"status": 503}})).await;
    // A tenth of the customers always fails.
    let mut wanted = 0;
    for round in 1..=30_u128 {
        let others: String = (1..=9)
            .map(|i| format!("a{i}: customer(id: \"{}\") {{ id }} ", uuid::Uuid::from_u128(round * 100 + i)))
            .collect();
        gateway.ask(&format!("{{ ada: customer(id: \"{ADA}\") {{ id }} {others} }}")).await;
        wanted += 10;
    }
    let sent = count(&sandbox.calls().await, CUSTOMER);
    assert!(sent > wanted && sent * 10 <= wanted * 12, "{sent} for {wanted}");
}
