//! Deviations of the upstream from its documentation, and the requests that it gets.

use std::collections::HashSet;

use customers_gateway::auth::AuthMode;
use customers_gateway::config::Settings;
use customers_sandbox::seed::{ADA, REX};
use rstest::rstest;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::gateway::Got;
use crate::support::stub::{id_in, person, with};
use crate::support::wire::gzip;
use crate::support::{Gateway, Reply, Stub};

/// A gateway whose upstream returns every customer with this change.
async fn showing(change: Value) -> (Gateway, Stub) {
    let stub = Stub::start(move |seen| Reply::object(&with(person(id_in(&seen.path)), change.clone()))).await;
    (Gateway::over(&stub.base, |_| {}).await, stub)
}

/// The response for a customer that the upstream returns with this change.
async fn told(change: Value, selection: &str) -> Value {
    let (gateway, _stub) = showing(change).await;
    gateway.data(&format!("{{ customer(id: \"{ADA}\") {{ {selection} }} }}")).await["customer"].clone()
}

#[rstest]
#[case(json!({"status": "resubmit", "type": "trust", "config": {"processing_method": "later", "sandbox_outcome": "x"}}),
    json!({"status": "UNRECOGNIZED", "type": "UNRECOGNIZED", "config": {"processingMethod": "UNRECOGNIZED", "sandboxOutcome": "UNRECOGNIZED"}}))]
#[case(json!({"status": "Verified", "type": "INDIVIDUAL", "config": {"processing_method": "Inline", "sandbox_outcome": "STANDARD"}}),
    json!({"status": "VERIFIED", "type": "INDIVIDUAL", "config": {"processingMethod": "INLINE", "sandboxOutcome": "STANDARD"}}))]
#[case(json!({"config": {}}), json!({"status": "VERIFIED", "type": "INDIVIDUAL", "config": {"processingMethod": null, "sandboxOutcome": null}}))]
#[case(json!({"config": null}), json!({"status": "VERIFIED", "type": "INDIVIDUAL", "config": null}))]
#[tokio::test]
async fn words_are_read_in_any_case_and_unknown_ones_are_told_as_that(#[case] shown: Value, #[case] expected: Value) {
    assert_eq!(told(shown, "status type config { processingMethod sandboxOutcome }").await, expected);
}

#[tokio::test]
async fn unknown_upstream_fields_are_ignored() {
    let more = json!({"surprise": {"a": [1]}, "address": {"address1": "1", "city": "c", "state": "NV", "zip": "1", "country": "US", "type": "home"},
        "device": {"ip_address": "**.**.**.**", "os": "x"}});
    let expected = json!({"address": {"address1": "1", "address2": null}, "device": {"ipAddress": "**.**.**.**"}});
    assert_eq!(told(more, "address { address1 address2 } device { ipAddress }").await, expected);
}

const OPTIONAL: [(&str, &str); 6] = [
    ("external_id", "externalId"),
    ("address", "address { city }"),
    ("compliance_profile", "complianceProfile { __typename }"),
    ("device", "device { ipAddress }"),
    ("metadata", "metadata { key }"),
    ("config", "config { processingMethod }"),
];

#[rstest]
#[case::null(true)]
#[case::absent(false)]
#[tokio::test]
async fn an_optional_field_that_is_null_is_as_one_that_is_absent(#[case] null: bool) {
    let stub = Stub::start(move |seen| {
        let mut shown = person(id_in(&seen.path));
        for (name, _) in OPTIONAL {
            let fields = shown.as_object_mut().unwrap();
            if null {
                fields.insert(name.to_owned(), Value::Null)
            } else {
                fields.remove(name)
            };
        }
        Reply::object(&shown)
    })
    .await;
    let gateway = Gateway::over(&stub.base, |_| {}).await;
    let selection = OPTIONAL.map(|(_, field)| field).join(" ");
    let customer = gateway.data(&format!("{{ customer(id: \"{ADA}\") {{ {selection} }} }}")).await["customer"].clone();
    assert_eq!(customer.as_object().unwrap().len(), 6);
    assert!(customer.as_object().unwrap().values().all(Value::is_null), "{customer}");
}

#[rstest]
#[case("2026-07-07T06:21:44", "2026-07-07T06:21:44Z")]
#[case("2026-07-07T06:21:44.5", "2026-07-07T06:21:44.500Z")]
#[case("2026-07-07T06:21:44.1234567Z", "2026-07-07T06:21:44.123456700Z")]
#[case("2026-07-07T08:21:44+02:00", "2026-07-07T06:21:44Z")]
#[tokio::test]
async fn times_are_told_in_utc_with_a_zone(#[case] shown: &str, #[case] expected: &str) {
    assert_eq!(told(json!({"created_at": shown}), "createdAt").await, json!({"createdAt": expected}));
}

#[rstest]
#[case::masked_person(json!({"dob": "****-**-**", "ssn": "***-**-****"}), "individual", "IndividualComplianceProfile")]
#[case::nulls_of_a_person(json!({"dob": null, "ssn": null}), "individual", "IndividualComplianceProfile")]
#[case::one_key(json!({"ssn": "***-**-****"}), "unheard-of", "IndividualComplianceProfile")]
#[case::masked_company(json!({"ein": "**-*******", "legal_business_name": "L"}), "business", "BusinessComplianceProfile")]
#[case::nulls_of_a_company(json!({"ein": null, "legal_business_name": null}), "unheard-of", "BusinessComplianceProfile")]
#[case::all_keys_of_a_person(json!({"dob": null, "ssn": null, "ein": null, "legal_business_name": null}), "individual", "IndividualComplianceProfile")]
#[case::all_keys_of_a_company(json!({"dob": null, "ssn": null, "ein": null, "legal_business_name": null}), "business", "BusinessComplianceProfile")]
#[case::no_key(json!({}), "business", "BusinessComplianceProfile")]
#[tokio::test]
async fn a_profile_is_told_apart_by_its_keys_and_then_by_the_type(
    #[case] profile: Value,
    #[case] kind: &str,
    #[case] name: &str,
) {
    let told = told(json!({"compliance_profile": profile, "type": kind}), "complianceProfile { __typename }").await;
    assert_eq!(told["complianceProfile"]["__typename"], name);
}

#[rstest]
#[case(json!(3_000_000_000_u64), i32::MAX)]
#[case(json!(99_999_999_999_999_999_999_f64), i32::MAX)]
#[case(json!(-1), 0)]
#[case(json!(7.0), 7)]
#[tokio::test]
async fn a_total_past_32_bits_is_the_largest_there_is(#[case] shown: Value, #[case] total: i32) {
    let stub = Stub::start(move |seen| Reply::page(seen, &[], shown.clone())).await;
    let gateway = Gateway::over(&stub.base, |_| {}).await;
    let data = gateway.data("{ customers { totalCount } customerPage(size: 5) { meta { totalItems } } }").await;
    assert_eq!(data, json!({"customers": {"totalCount": total}, "customerPage": {"meta": {"totalItems": total}}}));
}

#[tokio::test]
async fn a_list_whose_envelope_differs_is_read_all_the_same() {
    let stub = Stub::start(|seen| {
        let reply = Reply::page(seen, &[person(ADA)], 1);
        let mut body: Value = serde_json::from_slice(&reply.body).unwrap();
        body["response_type"] = json!("object");
        body["meta"]["sort_order"] = json!("Desc");
        body["more"] = json!(1);
        Reply::new(200, "text/plain", body.to_string())
    })
    .await;
    let gateway = Gateway::over(&stub.base, |_| {}).await;
    let data = gateway.data("{ customerPage { nodes { id } meta { sortOrder } } }").await;
    assert_eq!(data["customerPage"], json!({"nodes": [{"id": ADA}], "meta": {"sortOrder": "DESC"}}));
}

#[tokio::test]
async fn a_review_that_is_looser_than_its_schema_is_read() {
    let review = json!({"review_id": "0190b2de-8001-7aaa-8f10-000000000001", "decision": "Escalate", "messages": null,
        "breakdown": {"address": {"decision": "ACCEPT", "codes": null, "correlation": "match", "risk_score": 0.5}, "email": null, "future": {}},
        "watch_list": {"decision": null, "matched": null, "matches": [{"correlation": "High_Confidence", "list_name": "L", "match_fields": null}]},
        "created_at": "2026-07-07T06:21:44", "updated_at": "2026-07-07T06:21:44"});
    let stub = Stub::start(move |seen| {
        Reply::object(&json!({"customer_details": person(id_in(&seen.path)), "identity_details": review, "more": 1}))
    })
    .await;
    let gateway = Gateway::over(&stub.base, |_| {}).await;
    let query = format!(
        "{{ customerReview(customerId: \"{ADA}\") {{ identity {{ decision messages {{ code }} kyc {{ decision }} breakdown {{ address {{ decision codes correlation riskScore correlationScore }} email {{ decision }} }} \
        watchlist {{ decision codes matched matches {{ correlation listName matchFields urls }} }} reasons {{ check }} checks {{ check decision codes correlation riskScore }} }} }} }}"
    );
    let identity = json!({"decision": "UNRECOGNIZED", "messages": [], "kyc": null,
        "breakdown": {"address": {"decision": "ACCEPT", "codes": [], "correlation": "UNRECOGNIZED", "riskScore": 0.5, "correlationScore": null}, "email": null},
        "watchlist": {"decision": null, "codes": [], "matched": [], "matches": [{"correlation": "HIGH_CONFIDENCE", "listName": "L", "matchFields": [], "urls": []}]},
        "reasons": [],
        "checks": [{"check": "ADDRESS", "decision": "ACCEPT", "codes": [], "correlation": "UNRECOGNIZED", "riskScore": 0.5},
            {"check": "WATCHLIST", "decision": null, "codes": [], "correlation": null, "riskScore": null}]});
    assert_eq!(gateway.data(&query).await["customerReview"]["identity"], identity);
}

#[tokio::test]
async fn a_compressed_answer_is_read_and_a_broken_one_is_not() {
    let stub = Stub::start(|seen| {
        assert!(seen.header("accept-encoding").unwrap().contains("gzip"));
        let mut reply = Reply::object(&person(id_in(&seen.path))).header("content-encoding", "gzip");
        reply.body = gzip(&reply.body);
        if id_in(&seen.path) == REX.to_string() {
            reply.body[0] = 0;
        }
        reply
    })
    .await;
    let gateway = Gateway::over(&stub.base, |_| {}).await;
    let answer = gateway
        .ask(&format!("{{ a: customer(id: \"{ADA}\") {{ name }} b: customer(id: \"{REX}\") {{ name }} }}"))
        .await;
    assert_eq!(answer["data"], json!({"a": {"name": "Ada Example"}, "b": null}));
    assert_eq!(crate::support::codes(&answer), ["UPSTREAM_INVALID_RESPONSE"]);
}

#[tokio::test]
async fn the_bound_on_answers_counts_what_comes_out_of_compression() {
    let stub = Stub::start(|seen| {
        let mut reply = Reply::object(&person(id_in(&seen.path))).header("content-encoding", "gzip");
        reply.body = gzip(&reply.body);
        reply
    })
    .await;
    let whole = Reply::object(&person(ADA)).body.len();
    for (bound, there) in [(whole, true), (whole - 1, false)] {
        let gateway = Gateway::over(&stub.base, |settings| settings.upstream.max_response_bytes = bound).await;
        let answer = gateway.ask(&format!("{{ customer(id: \"{ADA}\") {{ name }} }}")).await;
        assert_eq!(answer["data"]["customer"].is_object(), there);
    }
}

#[tokio::test]
async fn a_404_means_not_found_only_from_the_api() {
    let stub = Stub::start(|_| Reply::refusal(404, None, &[])).await;
    let gateway = Gateway::over(&stub.base, |_| {}).await;
    let query = format!("{{ customer(id: \"{ADA}\") {{ name }} }}");
    assert_eq!(gateway.data(&query).await, json!({"customer": null}));
    let stub = Stub::start(|_| Reply::new(404, "text/html", "<html>404</html>")).await;
    let gateway = Gateway::over(&stub.base, |_| {}).await;
    assert_eq!(crate::support::codes(&gateway.ask(&query).await), ["UPSTREAM_INVALID_RESPONSE"]);
}

/// The names of the headers that an upstream call may have.
const SENT: [&str; 9] = [
    "accept",
    "accept-encoding",
    "authorization",
    "correlation-id",
    "host",
    "request-id",
    "user-agent",
    "content-type",
    "content-length",
];

#[tokio::test]
async fn a_call_carries_the_gateways_key_and_ids_and_nothing_of_the_callers_headers() {
    let (gateway, stub) = showing(json!({})).await;
    let query = format!("{{ a: customer(id: \"{ADA}\") {{ name }} b: customer(id: \"{REX}\") {{ name }} }}");
    let request = gateway.post(&json!({"query": query})).bearer_auth("planted").header("cookie", "planted=1");
    let request = request.header("x-forwarded-for", "203.0.113.1").header("correlation-id", "planted");
    let request = request.header("idempotency-key", "planted-planted").header("straddle-account-id", ADA.to_string());
    let got = Got::from(request.send().await.unwrap()).await;
    let seen = stub.seen();
    assert_eq!(seen.len(), 2);
    let mut ids = HashSet::new();
    for call in &seen {
        let unexpected: Vec<&str> =
            call.headers.keys().map(|name| name.as_str()).filter(|name| !SENT.contains(name)).collect();
        assert_eq!(unexpected, Vec::<&str>::new());
        assert_eq!(call.header("authorization"), Some("Bearer sandbox"));
        assert_eq!(call.header("accept"), Some("application/json"));
        assert_eq!(call.header("correlation-id"), got.header("request-id"));
        assert!(ids.insert(Uuid::parse_str(call.header("request-id").unwrap()).unwrap()));
    }
}

#[tokio::test]
async fn the_gateways_account_is_named_where_it_is_set() {
    let stub = Stub::start(|seen| Reply::object(&person(id_in(&seen.path)))).await;
    let file = std::env::temp_dir().join(format!("gateway-test-{}.toml", Uuid::new_v4()));
    std::fs::write(&file, format!("[upstream]\napi_key = \"ours\"\naccount_id = \"{REX}\"\n")).unwrap();
    let gateway = Gateway::serve(&stub.base, &Settings::load(Some(&file)).unwrap());
    std::fs::remove_file(&file).unwrap();
    let query = format!("{{ customer(id: \"{ADA}\") {{ name }} viewer {{ accountId }} }}");
    assert_eq!(gateway.data(&query).await["viewer"]["accountId"], json!(REX));
    let seen = &stub.seen()[0];
    assert_eq!(seen.header("straddle-account-id"), Some(REX.to_string().as_str()));
    assert_eq!(seen.header("authorization"), Some("Bearer ours"));
}

#[tokio::test]
async fn in_passthrough_the_callers_key_and_account_are_sent_on() {
    let stub = Stub::start(|seen| Reply::object(&person(id_in(&seen.path)))).await;
    let gateway = Gateway::over(&stub.base, |settings| settings.auth.mode = AuthMode::Passthrough).await;
    let query = format!("{{ customer(id: \"{ADA}\") {{ name }} }}");
    let request =
        gateway.post(&json!({"query": query})).bearer_auth("theirs").header("straddle-account-id", REX.to_string());
    assert_eq!(Got::from(request.send().await.unwrap()).await.status, 200);
    let seen = &stub.seen()[0];
    assert_eq!(
        (seen.header("authorization"), seen.header("straddle-account-id")),
        (Some("Bearer theirs"), Some(REX.to_string().as_str()))
    );
}

#[tokio::test]
async fn no_header_of_the_upstream_reaches_the_caller() {
    let stub = Stub::start(|seen| {
        let reply = Reply::object(&person(id_in(&seen.path)));
        reply
            .header("set-cookie", "planted=1")
            .header("server", "planted")
            .header("x-planted", "1")
            .header("cache-control", "max-age=99")
    })
    .await;
    let gateway = Gateway::over(&stub.base, |_| {}).await;
    let got = Got::from(
        gateway.post(&json!({"query": format!("{{ customer(id: \"{ADA}\") {{ name }} }}")})).send().await.unwrap(),
    )
    .await;
    for name in ["set-cookie", "server", "x-planted"] {
        assert_eq!(got.header(name), None);
    }
    assert!(!format!("{:?}", got.headers).contains("planted"));
    assert_eq!(got.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn a_base_url_with_a_path_keeps_it() {
    let stub = Stub::start(|_| Reply::object(&person(ADA))).await;
    for path in ["/straddle", "/straddle/"] {
        let gateway = Gateway::over(&format!("{}{path}", stub.base), |_| {}).await;
        gateway.data(&format!("{{ customer(id: \"{ADA}\") {{ name }} }}")).await;
    }
    assert_eq!(stub.routes(), vec![format!("GET /straddle/v1/customers/{ADA}"); 2]);
}
