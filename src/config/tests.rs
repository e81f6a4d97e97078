//! The settings' rules, over the embedded defaults and made-up environments.

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
fn the_defaults_can_be_used() {
    let settings = with(&[]).expect("the defaults");
    assert_eq!(settings.upstream.base_url().expect("empty"), None);
    assert_eq!(settings.server.deadline, Duration::from_secs(10));
}

#[test]
fn a_share_of_repetitions_that_the_budget_would_round_is_refused() {
    for share in ["3", "30", "60", "99", "101", "200"] {
        assert!(problem(&[("GATEWAY__UPSTREAM__RETRY_BUDGET_PERCENT", share)]).contains("must be 0 or divide 100"));
    }
    for share in ["0", "1", "20", "25", "50", "100"] {
        assert!(with(&[("GATEWAY__UPSTREAM__RETRY_BUDGET_PERCENT", share)]).is_ok(), "{share}");
    }
}

#[test]
fn all_bodies_have_room_for_one_that_is_compressed() {
    let bodies =
        |bytes| [("GATEWAY__SERVER__MAX_BODY_BYTES", "1000"), ("GATEWAY__SERVER__MAX_BUFFERED_BODY_BYTES", bytes)];
    assert!(problem(&bodies("1999")).contains("must be at least twice server.max_body_bytes"));
    assert!(with(&bodies("2000")).is_ok());
}

#[test]
fn the_environment_wins() {
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
fn a_real_upstream_is_not_served_to_anybody() {
    let url = ("GATEWAY__UPSTREAM__BASE_URL", "https://sandbox.straddle.com");
    assert!(problem(&[url]).contains("auth.mode (GATEWAY__AUTH__MODE)"));
    assert!(with(&[url, PASSTHROUGH, ("GATEWAY__AUDIT__DESTINATION", "stdout")]).is_ok());
}

const PASSTHROUGH: (&str, &str) = ("GATEWAY__AUTH__MODE", "passthrough");

#[test]
fn real_people_are_not_shown_or_changed_without_a_record() {
    let url = ("GATEWAY__UPSTREAM__BASE_URL", "https://sandbox.straddle.com");
    assert!(problem(&[url, PASSTHROUGH]).contains("audit.destination (GATEWAY__AUDIT__DESTINATION)"));
    assert!(problem(&[url, PASSTHROUGH, ("GATEWAY__AUDIT__DESTINATION", "off")]).contains("audit.destination"));
    assert!(with(&[("GATEWAY__AUDIT__DESTINATION", "off")]).is_ok(), "the sandbox's people are made up");
}

#[test]
fn an_upstream_in_clear_over_a_network_is_refused() {
    for url in ["http://sandbox.straddle.com", "ftp://127.0.0.1", "http://127.0.0.1.example.com", "nonsense"] {
        assert!(problem(&[("GATEWAY__UPSTREAM__BASE_URL", url)]).contains("upstream.base_url"), "{url}");
    }
    for url in ["http://127.0.0.1:4010", "http://localhost:4010/", "http://[::1]:4010"] {
        assert!(with(&[("GATEWAY__UPSTREAM__BASE_URL", url)]).is_ok(), "{url}");
    }
}

#[test]
fn what_is_misspelt_or_out_of_range_is_named() {
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
fn any_upstream_that_is_set_is_a_real_one_but_for_what_proves_to_be_the_sandbox() {
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
    assert!(nonsense.is_real_upstream(), "what cannot be read is not taken for made up");
}
