//! Each failure of the upstream has its error code, and no error reveals upstream details or personal data.

use std::time::{Duration, Instant};

use customers_gateway::auth::AuthMode;
use customers_sandbox::seed::{ADA, REX};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::stub::{API_REQUEST_ID, id_in, person, with};
use crate::support::{CUSTOMER, Gateway, Reply, Stub, codes, only_error};

/// Words in every body of the stub. No response of the gateway may contain them.
const PLANTED: [&str; 4] = ["planted", "900-12-3456", "ada@example.test", "Ada Example"];

/// An error body in the API's envelope, full of personal data.
fn envelope(status: u16) -> Value {
    let detail = "planted: Ada Example, ada@example.test, 900-12-3456";
    let error = json!({"status": status, "type": "/planted", "title": "planted", "detail": detail, "items": [{"reference": "planted", "detail": detail}]});
    json!({"error": error, "meta": {"api_request_id": API_REQUEST_ID, "api_request_timestamp": "2026-07-07T06:23:00Z"}, "response_type": "error"})
}

fn html(status: u16) -> Reply {
    Reply::new(status, "text/html", "<html>planted ada@example.test 900-12-3456</html>")
}

/// Asserts that a response contains nothing of the upstream's bodies or address.
fn says_nothing(answer: &Value, stub: &Stub) {
    let text = answer.to_string();
    let address = stub.base.trim_start_matches("http://");
    for word in PLANTED.into_iter().chain([address, "127.0.0.1", "http", "reqwest", "hyper"]) {
        assert!(!text.contains(word), "{word} in {text}");
    }
}

const EVERY_READ: &str = "query ($id: ID!) { a: customer(id: $id) { name } b: customerReview(customerId: $id) { identity { decision } } \
    c: customerByExternalId(externalId: \"u-1\") { name } d: node(id: $id) { id } e: customer(id: $id) { name review { identity { decision } } } }";
const EVERY_LIST: [&str; 3] =
    ["{ customers { nodes { id } } }", "{ customers { totalCount } }", "{ customerPage { nodes { id } } }"];

/// Runs all kinds of operations over an upstream that always responds like this. Every error must have this code.
async fn told_as(
    mode: AuthMode,
    reply: impl Fn() -> Reply + Send + Sync + 'static,
    code: &str,
    retryable: bool,
) -> Vec<Value> {
    let stub = Stub::start(move |_| reply()).await;
    let gateway = Gateway::over(&stub.base, |settings| {
        settings.auth.mode = mode;
        settings.upstream.max_response_bytes = 20_000;
    })
    .await;
    let mut errors = Vec::new();
    let answer = gateway.ask_as("key", EVERY_READ, json!({"id": ADA})).await;
    assert_eq!(answer["data"], json!({"a": null, "b": null, "c": null, "d": null, "e": null}));
    assert_eq!(codes(&answer), [code; 5], "{answer}");
    says_nothing(&answer, &stub);
    errors.extend(answer["errors"].as_array().unwrap().clone());
    for query in EVERY_LIST {
        let answer = gateway.ask_as("key", query, json!({})).await;
        assert_eq!(answer["data"], Value::Null);
        errors.push(only_error(&answer).clone());
        says_nothing(&answer, &stub);
    }
    for error in &errors {
        let extensions = &error["extensions"];
        assert_eq!((&extensions["code"], &extensions["retryable"]), (&json!(code), &json!(retryable)), "{error}");
        assert!(extensions["requestId"].is_string() && error["message"].as_str().is_some_and(|text| text.len() > 10));
    }
    errors
}

#[tokio::test]
async fn an_upstream_429_gives_retry_after() {
    let errors = told_as(
        AuthMode::Sandbox,
        || Reply::json(429, &envelope(429)).header("retry-after", "7"),
        "UPSTREAM_RATE_LIMITED",
        true,
    )
    .await;
    assert!(errors.iter().all(|error| error["extensions"]["retryAfterSeconds"] == 7));
    let errors =
        told_as(AuthMode::Sandbox, || html(429).header("retry-after", "planted"), "UPSTREAM_RATE_LIMITED", true).await;
    assert!(errors.iter().all(|error| error["extensions"].get("retryAfterSeconds").is_none()));
}

#[tokio::test]
async fn an_upstream_failure_gives_the_upstream_request_id() {
    let errors = told_as(AuthMode::Sandbox, || Reply::json(500, &envelope(500)), "UPSTREAM_ERROR", true).await;
    assert!(errors.iter().all(|error| error["extensions"]["upstreamRequestId"] == API_REQUEST_ID));
}

#[rstest]
#[case(500)]
#[case(502)]
#[case(503)]
#[case(504)]
#[case(599)]
#[tokio::test]
async fn a_proxy_error_is_an_upstream_failure(#[case] status: u16) {
    told_as(AuthMode::Sandbox, move || html(status), "UPSTREAM_ERROR", true).await;
    told_as(AuthMode::Sandbox, move || Reply::new(status, "text/plain", ""), "UPSTREAM_ERROR", true).await;
}

#[tokio::test]
async fn a_rejected_key_is_reported_to_its_owner_only() {
    let empty = || Reply { status: 401, headers: vec![], body: vec![] };
    told_as(AuthMode::Sandbox, empty, "UPSTREAM_UNAVAILABLE", true).await;
    told_as(AuthMode::Passthrough, empty, "UNAUTHENTICATED", false).await;
}

#[tokio::test]
async fn an_upstream_403_is_forbidden() {
    told_as(AuthMode::Passthrough, || Reply::json(403, &envelope(403)), "FORBIDDEN", false).await;
}

#[rstest]
#[case(400)]
#[case(422)]
#[case(418)]
#[tokio::test]
async fn a_rejected_read_is_bad_user_input(#[case] status: u16) {
    told_as(AuthMode::Sandbox, move || Reply::json(status, &envelope(status)), "BAD_USER_INPUT", false).await;
}

#[rstest]
#[case::an_error_under_200(Reply::json(200, &envelope(404)))]
#[case::a_web_page(html(200))]
#[case::a_web_page_that_says_it_is_json(Reply::new(200, "application/json", "<html>planted</html>"))]
#[case::a_web_page_for_404(html(404))]
#[case::no_json(Reply::new(200, "application/json", "{\"data\": planted"))]
#[case::nothing(Reply::new(200, "application/json", ""))]
#[case::no_content(Reply { status: 204, headers: vec![], body: vec![] })]
#[case::null(Reply::object(&Value::Null))]
#[case::a_list_of_anything(Reply::object(&json!(["planted"])))]
#[case::another_customer(Reply::object(&with(person(REX), json!({"external_id": "planted"}))))]
#[case::a_customer_without_an_id(Reply::object(&json!({"name": "planted"})))]
#[case::larger_than_the_bound(Reply::object(&with(person(ADA), json!({"name": "planted ".repeat(3000)}))))]
#[tokio::test]
async fn an_invalid_upstream_response_is_an_error(#[case] reply: Reply) {
    let again = move || Reply { status: reply.status, headers: reply.headers.clone(), body: reply.body.clone() };
    told_as(AuthMode::Sandbox, again, "UPSTREAM_INVALID_RESPONSE", false).await;
}

#[rstest]
#[case(301)]
#[case(302)]
#[case(307)]
#[case(308)]
#[tokio::test]
async fn a_redirect_is_not_followed(#[case] status: u16) {
    let elsewhere = Stub::start(|seen| Reply::object(&person(id_in(&seen.path)))).await;
    let location = format!("{}/v1/customers/{ADA}", elsewhere.base);
    told_as(AuthMode::Sandbox, move || html(status).header("location", &location), "UPSTREAM_INVALID_RESPONSE", false)
        .await;
    assert_eq!(elsewhere.routes(), Vec::<String>::new());
}

#[tokio::test]
async fn a_refused_connection_is_upstream_unavailable() {
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gateway = Gateway::over(&format!("http://{nowhere}"), |_| {}).await;
    let answer = gateway.ask_with(EVERY_READ, json!({"id": ADA})).await;
    assert_eq!(codes(&answer), ["UPSTREAM_UNAVAILABLE"; 5]);
    assert!(answer["errors"].as_array().unwrap().iter().all(|error| error["extensions"]["retryable"] == true));
    assert!(!answer.to_string().contains(&nowhere.port().to_string()));
    // Nothing was sent, so nothing changed.
    let answer =
        gateway.ask(&format!("mutation {{ deleteCustomer(input: {{id: \"{ADA}\"}}) {{ deletedCustomerId }} }}")).await;
    let extensions = &only_error(&answer)["extensions"];
    assert_eq!((&extensions["code"], &extensions["retryable"]), (&json!("UPSTREAM_UNAVAILABLE"), &json!(true)));
}

#[rstest]
#[case::by_the_requests_deadline(Duration::from_millis(400), Duration::from_secs(60))]
#[case::by_the_calls_time(Duration::from_secs(60), Duration::from_millis(400))]
#[tokio::test]
async fn a_hanging_upstream_times_out(#[case] deadline: Duration, #[case] timeout: Duration) {
    let (gateway, sandbox) = Gateway::with(|settings| {
        settings.server.deadline = deadline;
        settings.upstream.timeout = timeout;
    })
    .await;
    sandbox.fault(json!({"fault": {"hang": true}})).await;
    let started = Instant::now();
    let answer = gateway.ask_with(EVERY_READ, json!({"id": ADA})).await;
    assert!(started.elapsed() < Duration::from_secs(20), "generous, and far below the other bound");
    assert!(codes(&answer).iter().all(|code| *code == "UPSTREAM_TIMEOUT"), "{answer}");
    assert_eq!(answer["data"], json!({"a": null, "b": null, "c": null, "d": null, "e": null}));
    assert!(answer["errors"].as_array().unwrap().iter().all(|error| error["extensions"]["retryable"] == true));
}

#[tokio::test]
async fn a_slow_upstream_body_is_read_until_the_deadline() {
    let (gateway, sandbox) = Gateway::start().await;
    sandbox.fault(json!({"fault": {"slow_body_ms": 200}})).await;
    assert_eq!(
        gateway.data(&format!("{{ customer(id: \"{ADA}\") {{ name }} }}")).await["customer"]["name"],
        "Ada Example"
    );
    let (gateway, sandbox) = Gateway::with(|settings| settings.server.deadline = Duration::from_millis(300)).await;
    sandbox.fault(json!({"fault": {"slow_body_ms": 60_000}})).await;
    let answer = gateway.ask(&format!("{{ customer(id: \"{ADA}\") {{ name }} }}")).await;
    assert_eq!(only_error(&answer)["extensions"]["code"], "UPSTREAM_TIMEOUT");
}

#[tokio::test]
async fn a_call_that_waits_too_long_in_the_queue_is_overloaded() {
    let (gateway, sandbox) = Gateway::with(|settings| {
        settings.upstream.concurrency.max_in_flight = 1;
        settings.upstream.concurrency.queue_timeout = Duration::from_millis(1500);
    })
    .await;
    sandbox.latency(1000).await;
    // The second call gets a permit after 1 s. The third one would get it after 2 s.
    let fields: String =
        (1..=3_u128).map(|i| format!("a{i}: customer(id: \"{}\") {{ id }} ", uuid::Uuid::from_u128(i))).collect();
    let answer = gateway.ask(&format!("{{ {fields} }}")).await;
    let extensions = &only_error(&answer)["extensions"];
    assert_eq!((&extensions["code"], &extensions["retryable"]), (&json!("OVERLOADED"), &json!(true)));
    assert_eq!(sandbox.calls().await, json!({CUSTOMER: 2}));
}

#[tokio::test]
async fn a_response_for_another_page_is_invalid() {
    for (field, value) in [("page_number", json!(2)), ("page_size", json!(7))] {
        let stub = Stub::start(move |seen| {
            let mut reply = Reply::page(seen, &[person(ADA)], 250);
            let mut body: Value = serde_json::from_slice(&reply.body).unwrap();
            body["meta"][field] = value.clone();
            reply.body = body.to_string().into_bytes();
            reply
        })
        .await;
        let gateway = Gateway::over(&stub.base, |_| {}).await;
        let answer = gateway.ask("{ customers(first: 3) { nodes { id } } }").await;
        assert_eq!(only_error(&answer)["extensions"]["code"], "UPSTREAM_INVALID_RESPONSE");
    }
}
