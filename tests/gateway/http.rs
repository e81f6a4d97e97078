//! GraphQL over HTTP: media types, statuses, methods, parameters, limits, and shutdown.

use std::io::{Read, Write};
use std::time::Duration;

use customers_gateway::auth::AuthMode;
use customers_sandbox::seed::{ADA, REX};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::gateway::Got;
use crate::support::stub::{Reply, Stub, id_in, person};
use crate::support::{Gateway, codes, count, only_error};

const GRAPHQL: &str = "application/graphql-response+json";
const QUERY: &str = "{ viewer { subject } }";

/// Sends a POST with these headers and this body.
async fn post(gateway: &Gateway, headers: &[(&str, &str)], body: impl Into<String>) -> Got {
    let mut request = gateway.request(Method::POST, "/graphql").body(body.into());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Got::from(request.send().await.unwrap()).await
}

async fn get(gateway: &Gateway, parameters: &[(&str, &str)]) -> Got {
    Got::from(gateway.request(Method::GET, "/graphql").query(parameters).send().await.unwrap()).await
}

/// Asserts that the response is JSON with one error, no data, and the request id of its header.
fn refused(got: &Got, status: u16, code: &str) {
    assert_eq!(got.status, status, "{}", got.text);
    let answer = got.json();
    assert_eq!((codes(&answer), answer.get("data")), (vec![code], None), "{answer}");
    assert_eq!(only_error(&answer)["extensions"]["requestId"], got.header("request-id").unwrap());
    assert!(got.header("content-type").unwrap().ends_with("json; charset=utf-8"));
    assert_eq!(got.header("cache-control"), Some("no-store"));
}

#[rstest]
#[case("*/*", "application/json")]
#[case("application/json", "application/json")]
#[case("application/graphql-response+json", GRAPHQL)]
#[case("application/graphql-response+json, application/json;q=0.9", GRAPHQL)]
#[case("application/graphql-response+json;q=0.5, application/json;q=0.9", "application/json")]
#[case("text/html, application/json;q=0.1", "application/json")]
#[tokio::test]
async fn the_response_media_type_follows_accept(#[case] accept: &str, #[case] media: &str) {
    let (gateway, _sandbox) = Gateway::start().await;
    let body = json!({"query": QUERY}).to_string();
    let got = post(&gateway, &[("accept", accept), ("content-type", "application/json")], body).await;
    assert_eq!((got.status, got.header("content-type")), (200, Some(format!("{media}; charset=utf-8").as_str())));
    assert_eq!(
        (got.header("vary"), got.header("x-content-type-options")),
        (Some("accept, authorization, straddle-account-id"), Some("nosniff"))
    );
}

#[rstest]
#[case("text/html")]
#[case("application/json;q=0")]
#[case("application/xml, image/*")]
#[tokio::test]
async fn an_accept_header_without_json_gets_406(#[case] accept: &str) {
    let (gateway, _sandbox) = Gateway::start().await;
    let body = json!({"query": QUERY}).to_string();
    refused(
        &post(&gateway, &[("accept", accept), ("content-type", "application/json")], body).await,
        406,
        "BAD_REQUEST",
    );
}

#[rstest]
#[case(Some("text/plain"))]
#[case(Some("application/x-www-form-urlencoded"))]
#[case(Some("multipart/form-data; boundary=x"))]
#[case(Some("application/graphql"))]
#[case(Some("application/json; charset=utf-16"))]
#[case(None)]
#[tokio::test]
async fn only_json_bodies_are_accepted(#[case] content_type: Option<&str>) {
    let (gateway, sandbox) = Gateway::start().await;
    let headers: Vec<_> = content_type.map(|value| ("content-type", value)).into_iter().collect();
    let mutation = format!("mutation {{ deleteCustomer(input: {{id: \"{ADA}\"}}) {{ deletedCustomerId }} }}");
    refused(&post(&gateway, &headers, json!({"query": mutation}).to_string()).await, 415, "BAD_REQUEST");
    assert_eq!(sandbox.calls().await, json!({}));
}

#[rstest]
#[case(Method::PUT)]
#[case(Method::DELETE)]
#[case(Method::PATCH)]
#[case(Method::OPTIONS)]
#[tokio::test]
async fn other_methods_get_405(#[case] method: Method) {
    let (gateway, _sandbox) = Gateway::start().await;
    let request = gateway.request(method, "/graphql").json(&json!({"query": QUERY}));
    let got = Got::from(request.send().await.unwrap()).await;
    refused(&got, 405, "BAD_REQUEST");
    assert_eq!(got.header("allow"), Some("GET, POST, QUERY"));
}

#[tokio::test]
async fn a_query_runs_by_get() {
    let (gateway, _sandbox) = Gateway::start().await;
    let query = "query A($id: ID!) { customer(id: $id) { name } } query B { viewer { subject } }";
    let variables = json!({"id": REX}).to_string();
    let got =
        get(&gateway, &[("query", query), ("operationName", "A"), ("variables", &variables), ("extensions", "{}")])
            .await;
    assert_eq!((got.status, got.json()), (200, json!({"data": {"customer": {"name": "Rex Example"}}})));
}

/// QUERY (RFC 10008) has its parameters in the body, so that logs of URLs do not contain the e-mail address of a filter.
#[tokio::test]
async fn a_query_runs_by_the_query_method() {
    let (gateway, _sandbox) = Gateway::with(|settings| settings.graphql.allow_private_caching = true).await;
    let body = json!({"query": "query ($id: ID!) { customer(id: $id) { name } }", "variables": {"id": REX}});
    let query = |body: &Value| gateway.request(Method::QUERY, "/graphql").json(body);
    let got = Got::from(query(&body).send().await.unwrap()).await;
    assert_eq!((got.status, got.json()), (200, json!({"data": {"customer": {"name": "Rex Example"}}})));
    // A cache whose keys contain only the URL would return the response for another body.
    assert_eq!(got.header("cache-control"), Some("no-store"));
    let got = Got::from(query(&body).header("accept", GRAPHQL).send().await.unwrap()).await;
    assert_eq!((got.status, got.header("content-type").unwrap().starts_with(GRAPHQL)), (200, true));
    refused(&Got::from(query(&json!([body])).send().await.unwrap()).await, 400, "BAD_REQUEST");
    let form = gateway.request(Method::QUERY, "/graphql").header("content-type", "text/plain").body(body.to_string());
    refused(&Got::from(form.send().await.unwrap()).await, 415, "BAD_REQUEST");
    let in_the_url = gateway.request(Method::QUERY, "/graphql").query(&[("query", QUERY)]);
    refused(&Got::from(in_the_url.send().await.unwrap()).await, 415, "BAD_REQUEST");
}

#[tokio::test]
async fn a_mutation_by_query_is_rejected_and_not_run() {
    let (gateway, sandbox) = Gateway::start().await;
    let mutation = format!("mutation M {{ deleteCustomer(input: {{id: \"{ADA}\"}}) {{ deletedCustomerId }} }}");
    let both = format!("{mutation} query Q {{ viewer {{ subject }} }}");
    for body in [json!({"query": mutation}), json!({"query": both, "operationName": "M"})] {
        let got = Got::from(gateway.request(Method::QUERY, "/graphql").json(&body).send().await.unwrap()).await;
        refused(&got, 405, "BAD_REQUEST");
        assert_eq!(got.header("allow"), Some("POST"));
    }
    assert_eq!((sandbox.calls().await, sandbox.writes().await), (json!({}), vec![]));
}

#[tokio::test]
async fn a_mutation_by_get_is_rejected_and_not_run() {
    let (gateway, sandbox) = Gateway::start().await;
    let mutation = format!("mutation M {{ deleteCustomer(input: {{id: \"{ADA}\"}}) {{ deletedCustomerId }} }}");
    for parameters in [
        vec![("query", mutation.clone())],
        vec![("query", format!("{mutation} query Q {{ viewer {{ subject }} }}")), ("operationName", "M".to_owned())],
    ] {
        let parameters: Vec<_> = parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let got = get(&gateway, &parameters).await;
        refused(&got, 405, "BAD_REQUEST");
        assert!(got.header("allow").unwrap().contains("POST"));
    }
    assert_eq!(sandbox.calls().await, json!({}));
}

#[rstest]
#[case::no_json("{\"query\": planted")]
#[case::nothing("")]
#[case::no_query("{}")]
#[case::null_query("{\"query\": null}")]
#[case::a_query_that_is_no_text("{\"query\": [\"planted\"]}")]
#[case::a_name_that_is_no_text("{\"query\": \"{ viewer { subject } }\", \"operationName\": 1}")]
#[case::variables_that_are_a_text("{\"query\": \"{ viewer { subject } }\", \"variables\": \"planted\"}")]
#[case::variables_that_are_a_list("{\"query\": \"{ viewer { subject } }\", \"variables\": [\"planted\"]}")]
#[case::extensions_that_are_a_text("{\"query\": \"{ viewer { subject } }\", \"extensions\": \"planted\"}")]
#[case::a_query_twice("{\"query\": \"{ viewer { subject } }\", \"query\": \"{ planted }\"}")]
#[case::variables_twice("{\"variables\": {}, \"query\": \"{ viewer { subject } }\", \"variables\": null}")]
#[case::anything_twice("{\"a\": 1, \"query\": \"{ viewer { subject } }\", \"a\": 1}")]
#[case::a_text("\"planted\"")]
#[case::a_number("-1.5")]
#[case::null("null")]
#[case::a_batch("[{\"query\": \"{ viewer { subject } }\"}]")]
#[tokio::test]
async fn a_body_that_is_not_a_request_gets_400_under_both_media_types(#[case] body: &str) {
    let (gateway, _sandbox) = Gateway::start().await;
    for accept in ["application/json", GRAPHQL] {
        let got = post(&gateway, &[("accept", accept), ("content-type", "application/json")], body).await;
        refused(&got, 400, "BAD_REQUEST");
        assert!(!got.text.contains("planted"));
    }
}

#[tokio::test]
async fn the_last_of_duplicate_variables_counts() {
    let (gateway, _sandbox) = Gateway::start().await;
    let body = "{\"query\": \"query ($n: Int!) { customerPage(size: $n) { meta { pageSize } } }\", \
        \"variables\": {\"n\": 1, \"n\": 2}}";
    let got = post(&gateway, &[("content-type", "application/json")], body).await;
    assert_eq!(got.json()["data"]["customerPage"]["meta"]["pageSize"], 2, "{}", got.text);
}

#[tokio::test]
async fn null_parameters_count_as_not_given() {
    let (gateway, _sandbox) = Gateway::start().await;
    let body = json!({"query": QUERY, "operationName": null, "variables": null, "extensions": null, "other": 1});
    let got = post(&gateway, &[("content-type", "application/json; charset=UTF-8")], body.to_string()).await;
    assert_eq!(got.json(), json!({"data": {"viewer": {"subject": null}}}));
}

/// Some clients send an empty name for an operation without one.
#[rstest]
#[case::by_get(Method::GET)]
#[case::by_post(Method::POST)]
#[case::by_query(Method::QUERY)]
#[tokio::test]
async fn empty_names_count_as_not_given_by_every_method(#[case] method: Method) {
    let (gateway, _sandbox) = Gateway::start().await;
    let send = async |parameters: &[(&str, &str)]| {
        let request = gateway.request(method.clone(), "/graphql");
        let request = match method {
            Method::GET => request.query(parameters),
            _ => request.json(&parameters.iter().copied().collect::<std::collections::HashMap<_, _>>()),
        };
        Got::from(request.send().await.unwrap()).await
    };
    let got = send(&[("query", QUERY), ("operationName", ""), ("documentId", "")]).await;
    assert_eq!(got.json(), json!({"data": {"viewer": {"subject": null}}}));
    refused(&send(&[("documentId", ""), ("operationName", "")]).await, 400, "BAD_REQUEST");
}

#[rstest]
#[case("application/json; charset=utf-8")]
#[case("application/json; charset=UTF8")]
#[case("application/json;charset=utf8")]
#[case("application/json; charset=\"utf-8\"")]
#[case("Application/JSON; Charset=\"Utf8\"")]
#[tokio::test]
async fn utf_8_is_read_however_it_is_written(#[case] content_type: &str) {
    let (gateway, _sandbox) = Gateway::start().await;
    let got = post(&gateway, &[("content-type", content_type)], json!({"query": QUERY}).to_string()).await;
    assert_eq!((got.status, got.json()), (200, json!({"data": {"viewer": {"subject": null}}})));
}

#[tokio::test]
async fn a_get_without_parameters_is_rejected() {
    let (gateway, _sandbox) = Gateway::start().await;
    for parameters in [
        vec![],
        vec![("query", "")],
        vec![("query", QUERY), ("variables", "planted")],
        vec![("query", QUERY), ("query", QUERY)],
    ] {
        let got = get(&gateway, &parameters).await;
        refused(&got, 400, "BAD_REQUEST");
        assert!(!got.text.contains("planted"));
    }
}

#[rstest]
#[case("{ viewer {", "GRAPHQL_PARSE_FAILED")]
#[case("{ nothing }", "GRAPHQL_VALIDATION_FAILED")]
#[case("query ($a: Int!) { customers(first: $a) { totalCount } }", "BAD_USER_INPUT")]
#[tokio::test]
async fn a_request_error_is_200_under_json_and_400_under_graphql_response_json(
    #[case] query: &str,
    #[case] code: &str,
) {
    let (gateway, _sandbox) = Gateway::start().await;
    for (accept, status) in [("application/json", 200), (GRAPHQL, 400)] {
        let got = post(
            &gateway,
            &[("accept", accept), ("content-type", "application/json")],
            json!({"query": query}).to_string(),
        )
        .await;
        refused(&got, status, code);
    }
}

#[tokio::test]
async fn a_body_over_the_limit_gets_413() {
    let (gateway, _sandbox) = Gateway::with(|settings| settings.server.max_body_bytes = 1000).await;
    let sized = |length: usize| {
        let body = json!({"query": QUERY, "variables": {"a": ""}}).to_string();
        body.replace("\"\"", &format!("\"{}\"", "a".repeat(length - body.len())))
    };
    let json = [("content-type", "application/json")];
    assert_eq!(post(&gateway, &json, sized(1000)).await.status, 200);
    let got = post(&gateway, &json, sized(1001)).await;
    refused(&got, 413, "OPERATION_TOO_LARGE");
    assert!(got.text.contains("max_body_bytes") && got.text.contains("1000"));
}

/// A text compressed by gzip.
fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// `{"query":"{ viewer { subject } }"}` compressed by the command `brotli`.
const BROTLI: [u8; 38] = [
    139, 16, 128, 123, 34, 113, 117, 101, 114, 121, 34, 58, 34, 123, 32, 118, 105, 101, 119, 101, 114, 32, 123, 32,
    115, 117, 98, 106, 101, 99, 116, 32, 125, 32, 125, 34, 125, 3,
];

async fn post_coded(gateway: &Gateway, coding: &str, body: Vec<u8>) -> Got {
    let request = gateway.request(Method::POST, "/graphql").header("content-type", "application/json");
    Got::from(request.header("content-encoding", coding).body(body).send().await.unwrap()).await
}

#[tokio::test]
async fn a_compressed_body_is_decoded() {
    let (gateway, _sandbox) = Gateway::start().await;
    let plain = json!({"query": QUERY}).to_string();
    for (coding, body) in
        [("gzip", gzip(&plain)), ("X-Gzip", gzip(&plain)), ("br", BROTLI.to_vec()), ("identity", plain.into_bytes())]
    {
        let got = post_coded(&gateway, coding, body).await;
        assert_eq!((got.status, got.json()), (200, json!({"data": {"viewer": {"subject": null}}})), "{coding}");
    }
}

#[tokio::test]
async fn an_unsupported_content_encoding_gets_415_with_the_supported_ones() {
    let (gateway, _sandbox) = Gateway::start().await;
    let plain = json!({"query": QUERY}).to_string();
    for coding in ["deflate", "zstd", "compress", "gzip, gzip", "br, gzip", "planted"] {
        let got = post_coded(&gateway, coding, gzip(&plain)).await;
        refused(&got, 415, "BAD_REQUEST");
        assert_eq!(got.header("accept-encoding"), Some("gzip, br"));
    }
    // The media type is checked as well.
    assert_eq!(post(&gateway, &[("content-type", "text/plain")], plain).await.header("accept-encoding"), None);
}

#[tokio::test]
async fn a_malformed_compressed_body_gets_400() {
    let (gateway, _sandbox) = Gateway::start().await;
    let plain = json!({"query": QUERY, "a": "planted"}).to_string();
    let coded = gzip(&plain);
    let cut_off = coded[..coded.len() - 4].to_vec();
    let followed = [coded.clone(), b"planted".to_vec()].concat();
    for (coding, body) in
        [("gzip", plain.clone().into_bytes()), ("br", coded), ("gzip", cut_off), ("gzip", followed), ("br", vec![])]
    {
        let got = post_coded(&gateway, coding, body).await;
        refused(&got, 400, "BAD_REQUEST");
        assert!(got.text.contains("Content-Encoding") && !got.text.contains("planted"), "{}", got.text);
    }
}

#[tokio::test]
async fn the_body_limit_applies_after_decompression() {
    let (gateway, _sandbox) = Gateway::with(|settings| {
        settings.server.max_body_bytes = 100_000;
        settings.server.max_buffered_body_bytes = 200_000;
    })
    .await;
    let sized = |length: usize| {
        let body = json!({"query": QUERY, "variables": {"a": ""}}).to_string();
        body.replace("\"\"", &format!("\"{}\"", "a".repeat(length - body.len())))
    };
    assert_eq!(post_coded(&gateway, "gzip", gzip(&sized(90_000))).await.status, 200);
    let got = post_coded(&gateway, "gzip", gzip(&sized(100_001))).await;
    refused(&got, 413, "OPERATION_TOO_LARGE");
    let bomb = gzip(&sized(50_000_000));
    assert!(bomb.len() < 60_000);
    refused(&post_coded(&gateway, "gzip", bomb).await, 413, "OPERATION_TOO_LARGE");
    assert_eq!(post_coded(&gateway, "gzip", gzip(&sized(90_000))).await.status, 200, "and all is given back");
}

/// A text that gzip cannot compress well.
fn incompressible(length: usize) -> String {
    let mut state = 1_u64;
    let letters = (0..length).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b' ' + u8::try_from(state >> 33 & 63).unwrap()).to_ascii_lowercase()
    });
    letters.map(|letter| if letter == '"' || letter == '\\' { '~' } else { letter }).collect()
}

/// The coded and the decoded body are in memory together, which is twice the largest size.
#[tokio::test]
async fn the_largest_compressed_body_fits_into_a_callers_share() {
    const LARGEST: usize = 100_000;
    let (gateway, _sandbox) = Gateway::with(|settings| {
        settings.server.max_body_bytes = LARGEST;
        settings.server.max_buffered_body_bytes = 2 * LARGEST;
    })
    .await;
    let with = |padding: &str| json!({"query": QUERY, "variables": {"a": padding}}).to_string();
    let longest = LARGEST - with("").len();
    // Empty gzip members make the coded body as large as the decoded one.
    let mut padded = gzip(&with(&"a".repeat(longest)));
    let nothing = gzip("");
    while padded.len() + nothing.len() <= LARGEST {
        padded.extend_from_slice(&nothing);
    }
    let got = post_coded(&gateway, "gzip", padded).await;
    assert_eq!((got.status, got.json()), (200, json!({"data": {"viewer": {"subject": null}}})));
}

/// The memory of coded bytes is released while they are decoded.
#[tokio::test]
async fn a_body_that_is_decoded_does_not_count_twice() {
    const LARGEST: usize = 100_000;
    let (gateway, _sandbox) = Gateway::with(|settings| {
        settings.server.max_body_bytes = LARGEST;
        settings.server.max_buffered_body_bytes = LARGEST;
    })
    .await;
    let body = json!({"query": QUERY, "variables": {"a": incompressible(80_000)}}).to_string();
    let coded = gzip(&body);
    assert!(coded.len() > 55_000, "{}", coded.len());
    assert_eq!(post_coded(&gateway, "gzip", coded).await.status, 200);
}

/// A client that does not decode responses.
fn plain_client() -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy().no_gzip().no_brotli();
    builder.pool_max_idle_per_host(0).build().unwrap()
}

/// A response with its bytes as received, for a client that accepts these codings.
async fn coded_answer(
    gateway: &Gateway,
    accept: &str,
    query: &str,
) -> (Option<String>, Vec<u8>, reqwest::header::HeaderMap) {
    let request = plain_client().post(format!("{}/graphql", gateway.base)).json(&json!({"query": query}));
    let response = request.header("accept-encoding", accept).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let headers = response.headers().clone();
    let coding = headers.get("content-encoding").map(|coding| coding.to_str().unwrap().to_owned());
    (coding, response.bytes().await.unwrap().to_vec(), headers)
}

const LONG: &str = "{ customers(first: 20) { nodes { id name email phone status createdAt } } }";

#[rstest]
#[case("gzip", Some("gzip"))]
#[case("gzip, deflate, br, zstd", Some("br"))]
#[case("br;q=0, gzip;q=0.5", Some("gzip"))]
#[case("zstd", None)]
#[case("identity", None)]
#[case("identity;q=0, *;q=0", None)]
#[tokio::test]
async fn a_long_response_is_compressed_by_accept_encoding(#[case] accept: &str, #[case] coding: Option<&str>) {
    let (gateway, _sandbox) = Gateway::start().await;
    let (_, plain, _) = coded_answer(&gateway, "identity", LONG).await;
    let (got, body, headers) = coded_answer(&gateway, accept, LONG).await;
    assert_eq!(got.as_deref(), coding);
    let decoded = match coding {
        Some("gzip") => {
            let mut decoded = Vec::new();
            flate2::read::GzDecoder::new(body.as_slice()).read_to_end(&mut decoded).unwrap();
            decoded
        }
        Some(_) => {
            let mut decoded = Vec::new();
            brotli_decompressor::Decompressor::new(body.as_slice(), 4096).read_to_end(&mut decoded).unwrap();
            decoded
        }
        None => body.clone(),
    };
    assert_eq!(decoded, plain);
    assert_eq!(coding.is_some(), body.len() < plain.len() / 2, "{} of {}", body.len(), plain.len());
    let vary: Vec<_> = headers.get_all("vary").iter().map(|value| value.to_str().unwrap()).collect();
    assert!(vary.join(", ").contains("accept-encoding"), "{vary:?}");
    assert_eq!(headers["content-length"], body.len().to_string().as_str());
}

/// The length of data compressed together with text of an attacker reveals the data (BREACH).
#[tokio::test]
async fn a_response_with_unmasked_data_is_never_compressed() {
    let (gateway, _sandbox) = Gateway::start().await;
    let padding = (0..60).map(|i| format!("padding_{i}: __typename ")).collect::<String>();
    let unmask = format!("u: unmaskCustomer(input: {{id: \"{ADA}\"}}) {{ unmaskedCustomer {{ customerId name }} }}");
    let (coding, body, _) = coded_answer(&gateway, "gzip, br", &format!("mutation {{ {unmask} {padding} }}")).await;
    assert_eq!(coding, None);
    assert!(body.len() > 1024 && String::from_utf8(body).unwrap().contains("Ada Example"));
    let (coding, ..) = coded_answer(&gateway, "gzip, br", &format!("{{ {padding} }}")).await;
    assert_eq!(coding.as_deref(), Some("br"), "the same without her");
}

#[tokio::test]
async fn short_responses_are_not_compressed() {
    let (gateway, _sandbox) = Gateway::start().await;
    assert_eq!(coded_answer(&gateway, "gzip, br", QUERY).await.0, None);
    let (gateway, _sandbox) = Gateway::with(|settings| settings.http.compression = false).await;
    assert_eq!(coded_answer(&gateway, "gzip, br", LONG).await.0, None);
}

#[tokio::test]
async fn an_unknown_path_gets_a_json_404() {
    let (gateway, _sandbox) = Gateway::start().await;
    for path in ["/nowhere", "/graphql/", "/.env"] {
        refused(&Got::from(gateway.request(Method::GET, path).send().await.unwrap()).await, 404, "BAD_REQUEST");
    }
    refused(&Got::from(gateway.request(Method::POST, "/livez").send().await.unwrap()).await, 405, "BAD_REQUEST");
}

#[tokio::test]
async fn both_listeners_serve_probes_and_one_serves_graphql() {
    let (gateway, _sandbox) = Gateway::start().await;
    for base in [&gateway.base, &gateway.admin] {
        for probe in ["/livez", "/readyz"] {
            let got = Got::from(gateway.client.get(format!("{base}{probe}")).send().await.unwrap()).await;
            assert_eq!((got.status, got.json()["status"].as_str()), (200, Some("ok")));
        }
    }
    let got = Got::from(gateway.client.get(format!("{}/graphql", gateway.admin)).send().await.unwrap()).await;
    assert_eq!(got.status, 404);
}

#[tokio::test]
async fn the_gateway_generates_the_request_id_and_puts_it_in_every_error() {
    let (gateway, sandbox) = Gateway::start().await;
    sandbox.fault(json!({"fault": {"status": 500}})).await;
    let query = format!("{{ a: customer(id: \"{ADA}\") {{ name }} b: customer(id: \"{REX}\") {{ name }} }}");
    let request =
        gateway.post(&json!({"query": query})).header("request-id", "planted").header("x-request-id", "planted");
    let got = Got::from(request.send().await.unwrap()).await;
    let id = got.header("request-id").unwrap();
    assert!(Uuid::parse_str(id).is_ok());
    let answer = got.json();
    let errors = answer["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 2);
    assert!(errors.iter().all(|error| error["extensions"]["requestId"] == id));
}

#[tokio::test]
async fn a_request_without_a_key_gets_401() {
    let (gateway, sandbox) = Gateway::with(|settings| settings.auth.mode = AuthMode::Passthrough).await;
    for accept in ["application/json", GRAPHQL] {
        for key in [None, Some("Basic cGxhbnRlZA=="), Some("Bearer ")] {
            let mut headers = vec![("accept", accept), ("content-type", "application/json")];
            headers.extend(key.map(|key| ("authorization", key)));
            let got = post(&gateway, &headers, json!({"query": QUERY}).to_string()).await;
            refused(&got, 401, "UNAUTHENTICATED");
            assert_eq!(got.header("www-authenticate"), Some("Bearer"));
        }
    }
    let request = gateway.post(&json!({"query": QUERY})).bearer_auth("key").header("straddle-account-id", "planted");
    refused(&Got::from(request.send().await.unwrap()).await, 400, "BAD_REQUEST");
    assert_eq!(sandbox.calls().await, json!({}));
}

#[tokio::test]
async fn viewer_describes_the_caller() {
    let (gateway, _sandbox) = Gateway::with(|settings| settings.auth.mode = AuthMode::Passthrough).await;
    let query = json!({"query": "{ viewer { subject accountId permissions } }"});
    let account = Uuid::from_u128(7).to_string();
    let request = gateway.post(&query).bearer_auth("key").header("straddle-account-id", &account);
    let viewer = Got::from(request.send().await.unwrap()).await.json()["data"]["viewer"].clone();
    let all =
        ["CUSTOMERS_READ", "CUSTOMERS_WRITE", "CUSTOMERS_DELETE", "CUSTOMERS_UNMASK", "REVIEWS_READ", "REVIEWS_DECIDE"];
    assert_eq!(viewer, json!({"subject": null, "accountId": account, "permissions": all}));
}

#[tokio::test]
async fn shutdown_finishes_running_requests_and_accepts_no_new_ones() {
    let stub = Stub::start(|seen| Reply::object(&person(id_in(&seen.path)))).await;
    let gateway = Gateway::over(&stub.base, |_| {}).await;
    stub.hold();
    let running =
        tokio::spawn(gateway.post(&json!({"query": format!("{{ customer(id: \"{ADA}\") {{ name }} }}")})).send());
    stub.until_arrived(1).await;
    gateway.shutdown.cancel();
    // Readiness fails first, on the admin listener, which stays open.
    let mut not_ready = false;
    for _ in 0..400 {
        let refused = gateway.request(Method::GET, "/livez").send().await.is_err();
        if let Ok(response) = gateway.client.get(format!("{}/readyz", gateway.admin)).send().await {
            not_ready |= response.status() == 503;
        }
        if refused && not_ready {
            break;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(not_ready, "the admin listener said so while a request was running");
    assert!(gateway.request(Method::GET, "/livez").send().await.is_err(), "new connections are refused");
    stub.release();
    let got = Got::from(running.await.unwrap().unwrap()).await;
    assert_eq!(got.json(), json!({"data": {"customer": {"name": "Ada Example"}}}));
    let ended = tokio::time::timeout(Duration::from_secs(10), gateway.served).await;
    ended.expect("the server ends with its last request").unwrap().unwrap();
}

#[tokio::test]
async fn shutdown_waits_for_a_write_without_a_caller() {
    let (gateway, sandbox) = Gateway::start().await;
    // Far longer than the client takes to disconnect on a busy machine.
    sandbox.latency(1500).await;
    let mutation = format!("mutation {{ deleteCustomer(input: {{id: \"{REX}\"}}) {{ deletedCustomerId }} }}");
    let caller = tokio::spawn(gateway.post(&json!({"query": mutation})).send());
    sandbox.until_calls(|calls| count(calls, "DELETE /v1/customers/{id}") == 1).await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    gateway.shutdown.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(10), gateway.served).await;
    ended.expect("the server ends").unwrap().unwrap();
    assert_eq!(sandbox.writes().await.len(), 1);
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let (gateway, _sandbox) =
        Gateway::with(|settings| settings.server.header_timeout = Duration::from_millis(200)).await;
    for said in ["", "GET /livez HTTP/1.1\r\nhost: x\r\nx-slow: "] {
        let mut connection = tokio::net::TcpStream::connect(gateway.base.trim_start_matches("http://")).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut connection, said.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let read = tokio::io::AsyncReadExt::read_to_end(&mut connection, &mut rest);
        tokio::time::timeout(Duration::from_secs(10), read).await.expect("it is closed").ok();
    }
}

#[tokio::test]
async fn the_example_on_the_index_page_works() {
    let (gateway, _sandbox) = Gateway::start().await;
    let got = Got::from(gateway.request(Method::GET, "/").send().await.unwrap()).await;
    assert_eq!(got.json()["graphql"], "/graphql");
    let told = got.json()["try"].as_str().unwrap().to_owned();
    let body: Value = serde_json::from_str(told.strip_prefix("POST /graphql ").unwrap()).unwrap();
    gateway.data(body["query"].as_str().unwrap()).await;
}
