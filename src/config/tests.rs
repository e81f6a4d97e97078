//! The rules of the settings, with the embedded defaults and test environments.

use std::time::Duration;

use secrecy::ExposeSecret;

use super::sources::Sources;
use super::*;

fn with(variables: &[(&str, &str)]) -> Result<Settings, Error> {
    let source = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Settings::from_sources(&Sources::read(None, sources::environment().source(Some(source)))?)
}

fn problem(variables: &[(&str, &str)]) -> String {
    with(variables).expect_err("settings that cannot be used").to_string()
}

#[test]
fn the_defaults_are_valid() {
    let settings = with(&[]).expect("the defaults");
    assert_eq!(settings.upstream.base_url().expect("empty"), None);
    assert_eq!(settings.server.deadline, Duration::from_secs(10));
}

#[test]
fn a_retry_budget_that_would_be_rounded_is_rejected() {
    for share in ["3", "30", "60", "99", "101", "200"] {
        assert!(problem(&[("GATEWAY__UPSTREAM__RETRY_BUDGET_PERCENT", share)]).contains("must be 0 or divide 100"));
    }
    for share in ["0", "1", "20", "25", "50", "100"] {
        assert!(with(&[("GATEWAY__UPSTREAM__RETRY_BUDGET_PERCENT", share)]).is_ok(), "{share}");
    }
}

#[test]
fn the_buffer_for_bodies_has_room_for_a_compressed_body() {
    let bodies =
        |bytes| [("GATEWAY__SERVER__MAX_BODY_BYTES", "1000"), ("GATEWAY__SERVER__MAX_BUFFERED_BODY_BYTES", bytes)];
    assert!(problem(&bodies("1999")).contains("must be at least twice server.max_body_bytes"));
    assert!(with(&bodies("2000")).is_ok());
}

#[test]
fn the_environment_has_precedence() {
    let settings = with(&[
        ("GATEWAY__SERVER__LISTEN", "127.0.0.1:0"),
        ("GATEWAY__CACHE__ENABLED", "false"),
        ("GATEWAY__CACHE__PAGE_TTL", "250ms"),
        ("GATEWAY__UPSTREAM__API_KEY", "12345"),
    ])
    .expect("usable settings");
    assert_eq!(settings.server.listen.port(), 0);
    assert!(!settings.cache.enabled);
    assert_eq!(settings.cache.page_ttl, Duration::from_millis(250));
    assert_eq!(settings.upstream.api_key.expose_secret(), "12345");
}

#[test]
fn a_real_upstream_requires_authentication() {
    let url = ("GATEWAY__UPSTREAM__BASE_URL", "https://sandbox.straddle.com");
    assert!(problem(&[url]).contains("auth.mode (GATEWAY__AUTH__MODE)"));
    assert!(with(&[url, PASSTHROUGH, ("GATEWAY__AUDIT__DESTINATION", "stdout")]).is_ok());
}

const PASSTHROUGH: (&str, &str) = ("GATEWAY__AUTH__MODE", "passthrough");

#[test]
fn a_real_upstream_requires_audit_records() {
    let url = ("GATEWAY__UPSTREAM__BASE_URL", "https://sandbox.straddle.com");
    assert!(problem(&[url, PASSTHROUGH]).contains("audit.destination (GATEWAY__AUDIT__DESTINATION)"));
    assert!(problem(&[url, PASSTHROUGH, ("GATEWAY__AUDIT__DESTINATION", "off")]).contains("audit.destination"));
    assert!(with(&[("GATEWAY__AUDIT__DESTINATION", "off")]).is_ok(), "the people of the sandbox are made up");
}

#[test]
fn an_unencrypted_upstream_over_a_network_is_rejected() {
    for url in ["http://sandbox.straddle.com", "ftp://127.0.0.1", "http://127.0.0.1.example.com", "nonsense"] {
        assert!(problem(&[("GATEWAY__UPSTREAM__BASE_URL", url)]).contains("upstream.base_url"), "{url}");
    }
    for url in ["http://127.0.0.1:4010", "http://localhost:4010/", "http://[::1]:4010"] {
        assert!(with(&[("GATEWAY__UPSTREAM__BASE_URL", url)]).is_ok(), "{url}");
    }
}

#[test]
fn misspelt_and_invalid_settings_are_named() {
    assert!(problem(&[("GATEWAY__SERVER__LISTN", "127.0.0.1:1")]).contains("listn"));
    assert!(problem(&[("GATEWAY__AUTH__MODE", "open")]).contains("open"));
    assert!(problem(&[("GATEWAY__SERVER__DEADLINE", "soon")]).contains("deadline"));
    assert!(problem(&[("GATEWAY__UPSTREAM__ACCOUNT_ID", "acct_1")]).contains("upstream.account_id"));
    assert!(problem(&[("GATEWAY__UPSTREAM__MAX_IN_FLIGHT", "0")]).contains("upstream.max_in_flight"));
}

#[test]
fn the_key_is_never_shown() {
    let settings = with(&[("GATEWAY__UPSTREAM__API_KEY", "sk_live_123")]).expect("usable settings");
    assert!(!format!("{settings:?}").contains("sk_live"));
}

#[test]
fn any_upstream_counts_as_real_unless_it_must_prove_to_be_the_sandbox() {
    let near = ("GATEWAY__UPSTREAM__BASE_URL", "http://127.0.0.1:4010");
    let audited = ("GATEWAY__AUDIT__DESTINATION", "stdout");
    let sandbox = with(&[near]).expect("usable settings");
    assert!(!sandbox.is_real_upstream() && sandbox.has_to_prove_sandbox());
    let sidecar = with(&[near, PASSTHROUGH, audited]).expect("usable settings");
    assert!(sidecar.is_real_upstream() && !sidecar.has_to_prove_sandbox());
    assert!(!sidecar.introspection() && !sidecar.has_playground() && sidecar.rate_limit().is_some());
    assert!(problem(&[near, PASSTHROUGH]).contains("audit.destination (GATEWAY__AUDIT__DESTINATION)"));
    let embedded = with(&[PASSTHROUGH]).expect("usable settings");
    assert!(!embedded.is_real_upstream() && !embedded.has_to_prove_sandbox());
    let mut nonsense = embedded;
    nonsense.upstream = with(&[near]).expect("usable settings").upstream.with_base_url("nonsense");
    assert!(nonsense.is_real_upstream(), "an upstream that cannot be parsed counts as real");
}

#[test]
fn a_limit_can_be_as_large_as_its_type() {
    let largest = u64::MAX.to_string();
    let settings = with(&[("GATEWAY__GRAPHQL__MAX_RESPONSE_BYTES", &largest)]).expect("usable settings");
    assert_eq!(settings.graphql.executor.responses.max_response_bytes, usize::MAX);
    assert!(with(&[("GATEWAY__GRAPHQL__MAX_RESPONSE_BYTES", "-1")]).is_err());
}
