//! No output contains personal data. The tests put marked values wherever a caller or the upstream can, run all kinds
//! of requests, and search all outputs: standard output, standard error at level debug, the audit file, the metrics,
//! the spans of a collector, and each response with its headers. Only the response to the query that requests a value
//! may contain it.
//!
//! A request cannot make the gateway panic; the log of a panic is tested in `telemetry`.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::{Value, json};

use crate::process::{Got, Process};
use crate::telemetry::traces::{Collected, collector};

/// The values of the upstream's customer.
const THEIRS: [&str; 9] = [
    "Zanzibar Quillfeather",
    "zq.canary@planted.example",
    "+12025559871",
    "971-53-8642",
    "1961-11-23",
    "198.51.100.213",
    "planted-external-4417",
    "Plantedstreet 77",
    "planted-metadata-value",
];

/// The values that the caller sends.
const OURS: [&str; 8] = [
    "Wilhelmina Farnsbarns",
    "wf.canary@planted.example",
    "+12025559872",
    "972-54-8643",
    "95-7654321",
    "203.0.113.214",
    "planted-idempotency-key-01",
    "sk_planted_key_7f3a",
];

const ID: &str = "0190b2de-7c11-7c3a-8f10-2f6b2c3d4e5f";

/// How the upstream responds.
#[derive(Clone, Debug)]
enum Mood {
    /// Returns its customer, masked or unmasked as requested.
    Honest,
    /// Returns its customer to reads, and this status to writes.
    RefusesWrites(u16),
    /// Returns this status and a body with all values.
    Lies(u16, &'static str),
    /// Never responds.
    Hangs,
    /// Closes the connection in the middle of a body.
    Breaks,
}

type Shared = Arc<Mutex<Mood>>;

fn all_of_it() -> String {
    THEIRS.join(" ") + " " + &OURS.join(" ")
}

/// An error all of whose texts contain personal data.
fn telltale(status: u16) -> Value {
    let sentence = format!("Customer {} ({}) with {} is wrong.", THEIRS[0], THEIRS[1], THEIRS[3]);
    let echoed = format!("{} was sent for {} by {}", OURS[0], OURS[3], OURS[7]);
    json!({"error": {"status": status, "type": THEIRS[0], "title": THEIRS[1], "detail": sentence,
        "items": [{"reference": "email", "detail": sentence}, {"reference": THEIRS[1], "detail": echoed},
            {"reference": "Device.IpAddress", "detail": format!("{} {}", THEIRS[5], OURS[5])}]},
        "meta": {"api_request_id": THEIRS[3]}, "extra": all_of_it()})
}

fn customer(clear: bool) -> Value {
    let show = |value: &str, mask: &str| if clear { value.to_owned() } else { mask.to_owned() };
    json!({"data": {"id": ID, "name": THEIRS[0], "type": "individual", "email": THEIRS[1], "phone": THEIRS[2],
        "external_id": THEIRS[6], "status": "review", "created_at": "2026-07-07T06:21:44",
        "updated_at": "2026-07-07T06:21:44", "metadata": {"note": THEIRS[8], "status": THEIRS[8]},
        "address": {"address1": THEIRS[7], "city": "Reno", "state": "NV", "zip": "89501"},
        "device": {"ip_address": show(THEIRS[5], "**.**.**.**")},
        "compliance_profile": {"dob": show(THEIRS[4], "****-**-**"), "ssn": show(THEIRS[3], "***-**-****")}},
        "meta": {"api_request_id": "019f0b6e-51c4-7c1d-9a55-0b8f5d1f7a01"}})
}

async fn upstream(State(mood): State<Shared>, request: Request) -> Response {
    let mood = mood.lock().unwrap().clone();
    let reads = request.method() == "GET";
    let clear = request.uri().path().ends_with("/unmasked");
    let (status, body) = match mood {
        Mood::Honest => (200, Body::from(customer(clear).to_string())),
        Mood::RefusesWrites(_) if reads => (200, Body::from(customer(clear).to_string())),
        Mood::RefusesWrites(status) => (status, Body::from(telltale(status).to_string())),
        Mood::Lies(status, "error") => (status, Body::from(telltale(status).to_string())),
        Mood::Lies(status, "html") => (status, Body::from(format!("<html><body>{}</body></html>", all_of_it()))),
        Mood::Lies(status, "text") => (status, Body::from(all_of_it())),
        Mood::Lies(status, "shape") => {
            let wrong =
                json!({"data": {"id": ID, "name": [all_of_it()], "type": THEIRS[0], "status": {"a": all_of_it()}}});
            (status, Body::from(wrong.to_string()))
        }
        Mood::Lies(status, "other") => {
            (status, Body::from(customer(true).to_string().replace(ID, &ID.replace('0', "1"))))
        }
        Mood::Lies(status, _) => (status, Body::from(customer(true).to_string()[..400].to_owned())),
        Mood::Hangs => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            (200, Body::empty())
        }
        Mood::Breaks => {
            let parts: [Result<Bytes, std::io::Error>; 2] =
                [Ok(Bytes::from(all_of_it())), Err(std::io::Error::other(all_of_it()))];
            (200, Body::from_stream(futures_util::stream::iter(parts)))
        }
    };
    let head = Response::builder().status(status).header("content-type", "application/json");
    head.header("x-planted", all_of_it())
        .header("retry-after", THEIRS[1])
        .header("location", format!("http://127.0.0.1:1/{}", THEIRS[6]))
        .body(body)
        .unwrap()
}

async fn start_upstream() -> (String, Shared) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let mood: Shared = Arc::new(Mutex::new(Mood::Honest));
    let router = Router::new().fallback(upstream).with_state(Arc::clone(&mood));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (base, mood)
}

/// One operation of each kind, with a marked value in each input. The requested fields are not personal.
fn operations() -> Vec<(&'static str, Value)> {
    let reason = format!("{} ({}, {}) called about {}", THEIRS[0], THEIRS[1], THEIRS[3], OURS[1]);
    let about = json!({"id": ID, "reason": reason, "key": OURS[6]});
    let profile = json!({"individual": {"ssn": OURS[3], "dob": "1962-12-24"}});
    let device = json!({"ipAddress": OURS[5]});
    let new = json!({"name": OURS[0], "type": "INDIVIDUAL", "email": OURS[1], "phone": OURS[2], "device": device,
        "complianceProfile": profile, "metadata": [{"key": "status", "value": OURS[0]}], "idempotencyKey": OURS[6]});
    let change = json!({"id": ID, "name": OURS[0], "email": OURS[1], "phone": OURS[2], "device": device,
        "complianceProfile": profile, "idempotencyKey": OURS[6]});
    vec![
        ("query($id: ID!) { customer(id: $id) { id status review { identity { decision } } } }", json!({ "id": ID })),
        ("query($f: CustomerFilter) { customers(first: 2, filter: $f) { totalCount nodes { id } } }",
            json!({"f": {"name": OURS[0], "email": OURS[1], "search": OURS[3]}})),
        ("query($e: String!) { customerByExternalId(externalId: $e) { id } }", json!({"e": OURS[0]})),
        ("mutation($i: CreateCustomerInput!) { createCustomer(input: $i) { customer { id } userErrors { code message path } } }",
            json!({"i": new})),
        ("mutation($i: UpdateCustomerInput!) { updateCustomer(input: $i) { customer { id } userErrors { code message path } } }",
            json!({"i": change})),
        ("mutation($id: ID!, $reason: String, $key: String) { deleteCustomer(input: {id: $id, reason: $reason,
            idempotencyKey: $key}) { deletedCustomerId userErrors { code message path } } }", about.clone()),
        ("mutation($id: ID!, $reason: String, $key: String) { decideCustomerReview(input: {customerId: $id,
            decision: VERIFIED, reason: $reason, idempotencyKey: $key}) { customer { id } userErrors { code message path } } }",
            about.clone()),
        ("mutation($id: ID!, $key: String) { refreshCustomerReview(input: {customerId: $id, idempotencyKey: $key}) {
            customer { id } userErrors { code message path } } }", json!({"id": ID, "key": OURS[6]})),
        ("mutation($id: ID!, $reason: String) { unmaskCustomer(input: {id: $id, reason: $reason}) {
            unmaskedCustomer { customerId status } userErrors { code message path } } }",
            json!({"id": ID, "reason": reason})),
    ]
}

/// The marked values in a text, each with its surroundings.
fn planted(text: &str) -> Vec<String> {
    // Each word of a name counts as the name.
    let words = THEIRS.iter().chain(&OURS).flat_map(|value| value.split(' ')).filter(|word| word.len() > 3);
    let found = words.filter_map(|word| text.find(word).map(|at| (word, at)));
    found
        .map(|(word, at)| {
            let around: String = text.chars().skip(text[..at].chars().count().saturating_sub(80)).take(200).collect();
            format!("{word}: …{around}…")
        })
        .collect()
}

fn assert_clean(what: &str, got: &Got) {
    assert_eq!(planted(&got.whole()), [] as [String; 0], "{what}");
    assert_eq!(got.headers["cache-control"], "no-store", "{what}");
}

async fn start(settings: &[(&str, &str)]) -> (Process, Collected) {
    let (endpoint, collected) = collector(http::StatusCode::OK).await;
    let all = [
        ("GATEWAY__TRACES__ENDPOINT", endpoint.as_str()),
        ("GATEWAY__TRACES__SAMPLE_RATIO", "1"),
        ("GATEWAY__HTTP__SERVER_TIMING", "true"),
        ("GATEWAY__PRIVACY__MAX_UNMASK_PER_MINUTE", "1000"),
        ("GATEWAY__UPSTREAM__TIMEOUT", "300ms"),
        ("GATEWAY__CACHE__ENABLED", "false"),
        // Each call has to reach the upstream, whatever the earlier responses were.
        ("GATEWAY__UPSTREAM__BREAKER_MIN_CALLS", "1000000"),
    ];
    (Process::start(&[&all, settings].concat()).await, collected)
}

/// The outputs that operators see.
async fn assert_seen_clean(gateway: &Process) {
    for path in ["/metrics", "/readyz"] {
        assert_eq!(planted(&gateway.admin(path).await.whole()), [] as [String; 0], "{path}");
    }
}

fn assert_spans_clean(collected: &Collected) {
    let spans = collected.text();
    assert!(spans.contains("upstream_calls"), "the spans are not those of this test");
    assert_eq!(planted(&spans), [] as [String; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn personal_data_in_upstream_errors_does_not_leak() {
    let (base, mood) = start_upstream().await;
    let settings = [("GATEWAY__UPSTREAM__BASE_URL", base.as_str()), ("GATEWAY__AUTH__MODE", "passthrough")];
    let (mut gateway, spans) = start(&settings).await;
    let mut moods = vec![Mood::Honest, Mood::Hangs, Mood::Breaks];
    for status in [400, 401, 403, 404, 409, 410, 418, 422, 429, 500, 502, 503, 504, 302, 299] {
        moods.push(Mood::Lies(status, "error"));
        moods.push(Mood::RefusesWrites(status));
    }
    for body in ["html", "text", "shape", "other", "cut"] {
        moods.extend([200, 404, 500].map(|status| Mood::Lies(status, body)));
    }
    for next in moods {
        *mood.lock().unwrap() = next.clone();
        for (query, variables) in operations() {
            let got = gateway.ask(query, variables).await;
            assert_clean(&format!("{next:?}: {query}"), &got);
        }
    }

    // The response contains the requested values and no others.
    *mood.lock().unwrap() = Mood::Honest;
    let query = "mutation($id: ID!) { unmaskCustomer(input: {id: $id}) { unmaskedCustomer {
        complianceProfile { ... on UnmaskedIndividualComplianceProfile { ssn } } } } }";
    let got = gateway.ask(query, json!({ "id": ID })).await;
    assert_eq!(planted(&got.whole().replace(THEIRS[3], "")), [] as [String; 0]);
    assert!(got.text.contains(THEIRS[3]), "{}", got.text);
    let got =
        gateway.ask("query($id: ID!) { customer(id: $id) { name device { ipAddress } } }", json!({ "id": ID })).await;
    assert_eq!(planted(&got.whole().replace(THEIRS[0], "")), [] as [String; 0]);
    assert!(got.text.contains(THEIRS[0]) && got.text.contains("**.**.**.**"));

    // Shutdown during a write.
    *mood.lock().unwrap() = Mood::Hangs;
    let (query, variables) = operations().remove(4);
    let (got, ()) = tokio::join!(gateway.ask(query, variables), tokio::time::sleep(Duration::from_millis(50)));
    assert_clean("shutdown", &got);
    assert_seen_clean(&gateway).await;
    gateway.stop().await;
    assert_spans_clean(&spans);
    assert!(gateway.said().contains("upstream call failed"), "the log is not that of this test");
    assert_eq!(planted(&gateway.said()), [] as [String; 0]);
    assert!(gateway.records().len() > 100, "the records are not those of this test");
    assert_eq!(planted(&gateway.audit()), [] as [String; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn personal_data_in_requests_does_not_leak() {
    let (mut gateway, spans) = start(&[]).await;
    let all = all_of_it();
    let create = "mutation($i: CreateCustomerInput!) { createCustomer(input: $i) { userErrors { message } } }";
    let wrong =
        json!({"name": {"first": all}, "type": all, "email": [all], "phone": 12_025_559_871_i64, "device": all});
    let invalid = json!({"name": " ", "type": "BUSINESS", "email": all, "phone": all, "device": {"ipAddress": all},
        "address": {"address1": all.repeat(3), "city": "Reno", "state": all, "zip": all}, "externalId": all,
        "complianceProfile": {"individual": {"ssn": all, "dob": all}}, "idempotencyKey": all,
        "metadata": [{"key": all, "value": all}, {"key": all, "value": all}]});
    let bodies = [
        ("a wrong type", json!({"query": create, "variables": {"i": wrong}}).to_string()),
        ("a wrong form", json!({"query": create, "variables": {"i": invalid}}).to_string()),
        ("a variable of another kind", json!({"query": create, "variables": {"i": all}}).to_string()),
        ("a literal", json!({"query": format!("{{ customer(id: {all:?}, at: {all:?}) {{ id }} }}")}).to_string()),
        (
            "a literal of another type",
            json!({"query": format!("{{ customers(first: {all:?}) {{ totalCount }} }}")}).to_string(),
        ),
        ("a syntax error", json!({"query": format!("{{ customer(id: {all:?} ] {{")}).to_string()),
        ("text for a document", json!({ "query": all }).to_string()),
        ("text for a name", json!({"query": "query A { viewer { subject } }", "operationName": all}).to_string()),
        ("text for variables", json!({"query": "{ viewer { subject } }", "variables": all}).to_string()),
        (
            "a wrong cursor",
            json!({"query": "query($a: String) { customers(after: $a) { totalCount nodes { id } } }",
            "variables": {"a": all}})
            .to_string(),
        ),
        (
            "a wrong id",
            json!({"query": "mutation($i: ID!) { unmaskCustomer(input: {id: $i}) { userErrors { message } } }",
            "variables": {"i": all}})
            .to_string(),
        ),
        ("truncated JSON", json!({"query": create, "variables": {"i": invalid}}).to_string()[..900].to_owned()),
        ("no JSON", all.clone()),
        ("a batch", json!([{ "query": all }]).to_string()),
        ("too large", json!({"query": format!("{{ a(b: {:?}) }}", all.repeat(20_000))}).to_string()),
    ];
    for (what, body) in bodies {
        assert_clean(what, &gateway.post(body).await);
    }
    assert_clean("by GET", &gateway.get(&format!("{{ customer(id: {all:?} ")).await);

    // A new customer with marked values in the sandbox: shown if requested, masked without the permission.
    let new = json!({"name": OURS[0], "type": "INDIVIDUAL", "email": OURS[1], "phone": OURS[2],
        "device": {"ipAddress": OURS[5]}, "complianceProfile": {"individual": {"ssn": OURS[3], "dob": "1962-12-24"}}});
    let create = "mutation($i: CreateCustomerInput!) { createCustomer(input: $i) { customer { id device { ipAddress }
        complianceProfile { ... on IndividualComplianceProfile { ssn dob } } } userErrors { message } } }";
    let got = gateway.ask(create, json!({ "i": new })).await;
    assert_clean("masked", &got);
    assert!(got.text.contains("***-**-****"), "{}", got.text);
    let got = gateway.ask(create, json!({ "i": new })).await;
    assert_clean("taken", &got);
    assert_seen_clean(&gateway).await;
    gateway.stop().await;
    assert_spans_clean(&spans);
    assert!(gateway.said().contains("upstream call succeeded"), "the log is not at debug level");
    assert_eq!(planted(&gateway.said()), [] as [String; 0]);
    assert_eq!(planted(&gateway.audit()), [] as [String; 0]);
}
