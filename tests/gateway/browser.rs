//! Requests that browsers send for pages of other sites: rejected, unless the origin is listed.

use customers_gateway::config::Settings;
use reqwest::{Method, RequestBuilder};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::gateway::Got;
use crate::support::{Gateway, Sandbox, only_error};

const DESK: &str = "https://desk.example.com";

/// A gateway that lists one origin.
async fn listing() -> (Gateway, Sandbox) {
    let sandbox = Sandbox::start().await;
    // From a settings file, as an operator writes it.
    let settings = settings_of(&format!("[http]\nallowed_origins = [\"{DESK}\"]\n"));
    (Gateway::serve(&sandbox.base, &settings), sandbox)
}

/// Settings of a file.
fn settings_of(toml: &str) -> Settings {
    let file = std::env::temp_dir().join(format!("gateway-test-{}.toml", uuid::Uuid::new_v4()));
    std::fs::write(&file, toml).unwrap();
    let settings = Settings::load(Some(&file)).unwrap();
    std::fs::remove_file(&file).unwrap();
    settings
}

async fn sent(request: RequestBuilder, headers: &[(&str, &str)]) -> Got {
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    Got::from(request.send().await.unwrap()).await
}

fn write(gateway: &Gateway) -> RequestBuilder {
    let mutation = "mutation { deleteCustomer(input: {id: \"0190b2de-7c11-7c3a-8f10-000000000001\"}) { deletedCustomerId userErrors { code } } }";
    gateway.post(&json!({"query": mutation}))
}

#[rstest]
#[case::by_fetch_metadata(&[("sec-fetch-site", "cross-site")])]
#[case::of_the_same_site(&[("sec-fetch-site", "same-site")])]
#[case::by_both(&[("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")])]
#[case::by_an_origin_alone(&[("origin", "https://evil.example")])]
#[case::by_no_origin(&[("origin", "null")])]
#[case::by_another_host(&[("origin", "http://192.0.2.1:4000")])]
#[tokio::test]
async fn a_cross_site_post_is_rejected_and_not_run(#[case] headers: &[(&str, &str)]) {
    for (gateway, sandbox) in [Gateway::start().await, listing().await] {
        let got = sent(write(&gateway), headers).await;
        assert_eq!(got.status, 403, "{}", got.text);
        assert_eq!(only_error(&got.json())["extensions"]["code"], "FORBIDDEN");
        assert_eq!(got.header("access-control-allow-origin"), None);
        assert_eq!((sandbox.calls().await, sandbox.writes().await), (json!({}), vec![]));
    }
}

#[rstest]
#[case::by_fetch_metadata(&[("sec-fetch-site", "cross-site")])]
#[case::by_an_origin_alone(&[("origin", "https://evil.example")])]
#[tokio::test]
async fn a_cross_site_query_method_is_rejected_before_any_upstream_call(#[case] headers: &[(&str, &str)]) {
    for (gateway, sandbox) in [Gateway::start().await, listing().await] {
        let body = json!({"query": "{ customers { totalCount } }"});
        let got = sent(gateway.request(Method::QUERY, "/graphql").json(&body), headers).await;
        assert_eq!((got.status, got.header("access-control-allow-origin")), (403, None), "{}", got.text);
        assert_eq!(sandbox.calls().await, json!({}));
    }
}

/// Origins that are similar to the listed one are not listed.
#[rstest]
#[case("https://desk.example.com.evil.example")]
#[case("https://evil-desk.example.com")]
#[case("http://desk.example.com")]
#[case("https://desk.example.com:8443")]
#[case("https://DESK.example.com.")]
#[case("https://sub.desk.example.com")]
#[tokio::test]
async fn similar_origins_are_not_the_listed_origin(#[case] origin: &str) {
    let (gateway, _sandbox) = listing().await;
    let got = sent(write(&gateway), &[("origin", origin), ("sec-fetch-site", "cross-site")]).await;
    assert_eq!((got.status, got.header("access-control-allow-origin")), (403, None));
}

#[rstest]
#[case::a_program(&[])]
#[case::the_same_origin(&[("sec-fetch-site", "same-origin")])]
#[case::the_address_bar(&[("sec-fetch-site", "none")])]
#[tokio::test]
async fn same_origin_and_non_browser_requests_are_served(#[case] headers: &[(&str, &str)]) {
    let (gateway, _sandbox) = Gateway::start().await;
    let got = sent(gateway.post(&json!({"query": "{ __typename }"})), headers).await;
    assert_eq!((got.status, got.json()), (200, json!({"data": {"__typename": "Query"}})));
    let own = gateway.base.clone();
    let got = sent(gateway.post(&json!({"query": "{ __typename }"})), &[("origin", &own)]).await;
    assert_eq!(got.status, 200, "an origin that is the host itself");
}

#[tokio::test]
async fn a_listed_origin_is_served_with_cors_headers() {
    let (gateway, _sandbox) = listing().await;
    let from_there = [("origin", DESK), ("sec-fetch-site", "cross-site")];
    let got = sent(gateway.post(&json!({"query": "{ __typename }"})), &from_there).await;
    assert_eq!((got.status, got.json()), (200, json!({"data": {"__typename": "Query"}})));
    assert_eq!(got.header("access-control-allow-origin"), Some(DESK));
    assert_eq!(got.header("access-control-allow-credentials"), None, "no cookie is ever asked for");
    assert!(got.header("access-control-expose-headers").unwrap().contains("request-id"));
    let vary: Vec<_> = got.headers.get_all("vary").iter().map(|value| value.to_str().unwrap()).collect();
    assert!(vary.join(",").contains("origin") && vary.join(",").contains("accept"), "{vary:?}");
    // Rejections have the headers as well, so that the page can show them.
    let got = sent(gateway.post(&json!({"query": "{"})), &from_there).await;
    assert_eq!(got.header("access-control-allow-origin"), Some(DESK));
}

async fn preflight(gateway: &Gateway, origin: &str) -> Got {
    let headers = [
        ("origin", origin),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization,content-type"),
        ("sec-fetch-site", "cross-site"),
    ];
    sent(gateway.request(Method::OPTIONS, "/graphql"), &headers).await
}

#[tokio::test]
async fn a_preflight_succeeds_for_listed_origins_only() {
    let (gateway, sandbox) = listing().await;
    let got = preflight(&gateway, DESK).await;
    assert_eq!((got.status, got.header("access-control-allow-origin")), (200, Some(DESK)));
    let allowed = got.header("access-control-allow-headers").unwrap().to_lowercase();
    for name in ["authorization", "content-type", "request-timeout"] {
        assert!(allowed.contains(name), "{name}");
    }
    assert!(!allowed.contains('*'));
    assert_eq!(got.header("access-control-allow-methods"), Some("GET,POST,QUERY"));
    for origin in ["https://evil.example", "null"] {
        assert_eq!(preflight(&gateway, origin).await.header("access-control-allow-origin"), None, "{origin}");
    }
    let (closed, _sandbox) = Gateway::start().await;
    assert_eq!(preflight(&closed, DESK).await.header("access-control-allow-origin"), None);
    assert_eq!(sandbox.calls().await, json!({}));
}

#[tokio::test]
async fn every_response_has_the_security_headers() {
    let change = |settings: &mut Settings| {
        settings.server.max_body_bytes = 10_000;
        settings.rate_limit.enabled = customers_gateway::config::Switch::On;
        settings.rate_limit.burst = 251.try_into().unwrap();
        settings.rate_limit.units_per_second = 1.try_into().unwrap();
    };
    let (gateway, _sandbox) = Gateway::with(change).await;
    let expensive = json!({"query": "{ customers(first: 100) { nodes { device { ipAddress } } } }"});
    let requests: Vec<(u16, RequestBuilder)> = vec![
        (200, gateway.post(&json!({"query": "{ __typename }"}))),
        (200, gateway.request(Method::GET, "/")),
        (200, gateway.request(Method::GET, "/livez")),
        (200, gateway.request(Method::GET, "/graphql?query={__typename}")),
        (400, gateway.post(&json!({}))),
        (403, gateway.post(&json!({"query": "{ __typename }"})).header("origin", "https://evil.example")),
        (404, gateway.request(Method::GET, "/planted")),
        (405, gateway.request(Method::PUT, "/graphql")),
        (405, gateway.request(Method::POST, "/")),
        (406, gateway.post(&json!({"query": "{ __typename }"})).header("accept", "text/html")),
        (413, gateway.post(&json!({"query": "a".repeat(20_000)}))),
        (415, gateway.request(Method::POST, "/graphql").body("{}")),
        (200, gateway.post(&expensive)),
        (200, gateway.post(&expensive)),
        (429, gateway.post(&expensive)),
    ];
    for (status, request) in requests {
        let got = sent(request, &[]).await;
        assert_eq!(got.status, status, "{}", got.text);
        let headers = [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
            ("cache-control", "no-store"),
        ];
        for (name, value) in headers {
            assert_eq!(got.header(name), Some(value), "{status} {name}");
        }
        assert!(uuid::Uuid::parse_str(got.header("request-id").unwrap()).is_ok());
        assert_eq!((got.header("server"), got.header("set-cookie")), (None, None));
        let told: Value = got.json();
        if let Some(errors) = told.get("errors") {
            assert_eq!(errors[0]["extensions"]["requestId"], got.header("request-id").unwrap(), "{status}");
        }
    }
}

/// The content types that a form, or a script without a preflight, can send.
#[rstest]
#[case("text/plain")]
#[case("application/x-www-form-urlencoded")]
#[case("multipart/form-data; boundary=x")]
#[case("text/plain; charset=application/json")]
#[case("application/json, text/plain")]
#[tokio::test]
async fn content_types_of_html_forms_are_rejected(#[case] content_type: &str) {
    let (gateway, sandbox) = Gateway::start().await;
    let got = sent(write(&gateway), &[]).await;
    assert_eq!((got.status, sandbox.calls().await.as_object().unwrap().is_empty()), (200, false), "it would run");
    sandbox.forget_calls().await;
    let body = json!({"query": "mutation { __typename }"}).to_string();
    let request = gateway.request(Method::POST, "/graphql").header("content-type", content_type).body(body);
    assert_eq!(sent(request, &[]).await.status, 415);
    assert_eq!(sandbox.calls().await, json!({}));
}

#[tokio::test]
async fn a_mutation_by_get_is_rejected_and_writes_nothing() {
    let (gateway, sandbox) = Gateway::start().await;
    let mutation = "mutation { deleteCustomer(input: {id: \"0190b2de-7c11-7c3a-8f10-000000000001\"}) { deletedCustomerId userErrors { code } } }";
    let both = format!("query Q {{ __typename }} {}", mutation.replacen("mutation", "mutation M", 1));
    for parameters in [vec![("query", mutation)], vec![("query", &both), ("operationName", "M")]] {
        for (site, status, allowed) in
            [("same-origin", 405, Some("POST")), ("none", 405, Some("POST")), ("cross-site", 403, None)]
        {
            let request = gateway.request(Method::GET, "/graphql").query(&parameters).header("sec-fetch-site", site);
            let got = sent(request, &[]).await;
            assert_eq!((got.status, got.header("allow")), (status, allowed), "{}", got.text);
        }
    }
    assert_eq!((sandbox.calls().await, sandbox.writes().await), (json!({}), vec![]));
}

#[tokio::test]
async fn query_parameters_of_a_post_are_ignored() {
    let (gateway, _sandbox) = Gateway::start().await;
    for (path, status) in [("/graphql/", 404), ("/GRAPHQL", 404), ("//graphql", 404), ("/graphql/..%2f", 404)] {
        let request = gateway.client.get(format!("{}{path}?query={{__typename}}", gateway.base));
        assert_eq!(sent(request, &[]).await.status, status, "{path}");
    }
    let overridden = [("x-http-method-override", "POST"), ("x-method-override", "POST")];
    let request = gateway.request(Method::GET, "/graphql").query(&[("query", "mutation { __typename }")]);
    assert_eq!(sent(request, &overridden).await.status, 405);
}

#[tokio::test]
async fn a_cross_site_get_is_rejected_before_any_upstream_call() {
    let (gateway, sandbox) = Gateway::start().await;
    let read = |site: &'static str| {
        let query = [("query", "{ customers { totalCount } }")];
        gateway.request(Method::GET, "/graphql").query(&query).header("sec-fetch-site", site)
    };
    assert_eq!(sent(read("cross-site"), &[]).await.status, 403);
    assert_eq!(sent(read("same-site"), &[]).await.status, 403);
    assert_eq!(sandbox.calls().await, json!({}));
    assert_eq!(sent(read("same-origin"), &[]).await.status, 200);
}

/// The development server of a frontend, or a page on the same machine.
#[rstest]
#[case("http://localhost:5173")]
#[case("http://127.0.0.1:3000")]
#[case("http://[::1]:8080")]
#[tokio::test]
async fn loopback_origins_are_allowed_with_the_sandbox_only(#[case] origin: &str) {
    let from_there = [("origin", origin), ("sec-fetch-site", "cross-site")];
    let (gateway, _sandbox) = Gateway::start().await;
    let got = sent(gateway.post(&json!({"query": "{ __typename }"})), &from_there).await;
    assert_eq!((got.status, got.header("access-control-allow-origin")), (200, Some(origin)), "{}", got.text);
    assert_eq!(preflight(&gateway, origin).await.header("access-control-allow-origin"), Some(origin));
    let (gateway, sandbox) = Gateway::passthrough().await;
    let got =
        sent(gateway.post(&json!({"query": "{ customers { totalCount } }"})).bearer_auth("key"), &from_there).await;
    assert_eq!((got.status, got.header("access-control-allow-origin")), (403, None), "{}", got.text);
    assert_eq!(sandbox.calls().await, json!({}));
}

/// Headers that GraphQL clients and tracing libraries add to requests.
#[rstest]
#[case("authorization,content-type,apollographql-client-name,apollographql-client-version")]
#[case("traceparent,tracestate,baggage,sentry-trace,x-request-id")]
#[case("x-datadog-trace-id,x-datadog-parent-id,x-datadog-origin,x-datadog-sampling-priority,x-datadog-tags")]
#[case("gateway-report-upstream,request-timeout,cache-control,pragma,content-encoding")]
#[case("X-Team, x-other-team")]
#[tokio::test]
async fn a_preflight_passes_with_the_headers_that_frontends_send(#[case] names: &str) {
    let sandbox = Sandbox::start().await;
    let settings =
        format!("[http]\nallowed_origins = [\"{DESK}\"]\nallowed_headers = [\"x-team\", \"X-Other-Team\"]\n");
    let gateway = Gateway::serve(&sandbox.base, &settings_of(&settings));
    let asked = [
        ("origin", DESK),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", names),
        ("sec-fetch-site", "cross-site"),
    ];
    let got = sent(gateway.request(Method::OPTIONS, "/graphql"), &asked).await;
    assert_eq!((got.status, got.header("access-control-allow-origin")), (200, Some(DESK)), "{}", got.text);
    let allowed: Vec<_> = got.header("access-control-allow-headers").unwrap().split(',').collect();
    for name in names.split(',').map(|name| name.trim().to_lowercase()) {
        assert!(allowed.contains(&name.as_str()), "{name} of {allowed:?}");
    }
}

#[tokio::test]
async fn a_rejected_preflight_names_the_setting_to_change() {
    let (gateway, _sandbox) = listing().await;
    for (origin, names, setting) in [
        ("https://evil.example", "content-type", "http.allowed_origins"),
        (DESK, "content-type,x-planted", "http.allowed_headers"),
    ] {
        let asked =
            [("origin", origin), ("access-control-request-method", "POST"), ("access-control-request-headers", names)];
        let got = sent(gateway.request(Method::OPTIONS, "/graphql"), &asked).await;
        assert_eq!((got.status, got.header("access-control-allow-headers")), (403, None));
        assert!(got.text.contains(setting) && !got.text.contains("planted"), "{}", got.text);
    }
}

#[rstest]
#[case("https://DESK.example.com")]
#[case("https://desk.example.com:443")]
#[tokio::test]
async fn origins_are_compared_in_their_normal_form(#[case] written: &str) {
    let sandbox = Sandbox::start().await;
    let gateway = Gateway::serve(&sandbox.base, &settings_of(&format!("[http]\nallowed_origins = [\"{written}\"]\n")));
    for origin in [DESK, written] {
        let got = sent(gateway.post(&json!({"query": "{ __typename }"})), &[("origin", origin)]).await;
        assert_eq!((got.status, got.header("access-control-allow-origin")), (200, Some(origin)), "{}", got.text);
    }
}

#[rstest]
#[case("GATEWAY__HTTP__ALLOWED_ORIGINS", "https://desk.example.com/app", "write `https://desk.example.com`")]
#[case("GATEWAY__HTTP__ALLOWED_ORIGINS", "https://desk.example.com,desk.example.org", "`https://desk.example.org`")]
#[case("GATEWAY__HTTP__ALLOWED_ORIGINS", "*", "list each origin")]
#[case("GATEWAY__HTTP__ALLOWED_HEADERS", "x-team,x team", "`x team`")]
#[case("GATEWAY__HTTP__ALLOWED_HEADERS", "*", "list each")]
#[test]
fn an_invalid_origin_or_header_setting_fails_the_start(
    #[case] variable: &str,
    #[case] value: &str,
    #[case] told: &str,
) {
    let complaint = crate::binary::complaint(&["serve"], &[(variable, value)]);
    assert!(complaint.contains(variable) && complaint.contains(told), "{complaint}");
}
