//! `check-config` shows all settings with their sources, and no secrets.

use crate::binary::{complaint, run};
use crate::process::Directory;

#[test]
fn every_setting_is_shown_with_its_source_and_secrets_are_hidden() {
    let directory = Directory::new();
    let file = directory.path("gateway.toml");
    let text = "[cache]\npage_ttl = \"7s\"\n[upstream]\napi_key = \"sk_planted_file\"\n[log]\nlevel = \"debug\"\n";
    std::fs::write(&file, text).unwrap();
    let path = file.to_str().unwrap();
    let variables = [
        ("GATEWAY__LOG__LEVEL", "warn"),
        ("GATEWAY__HTTP__ALLOWED_ORIGINS", "https://desk.example.com"),
        ("GATEWAY__LOG__DIGEST_KEY", "sk_planted_0123456789_0123456789_0123456789"),
    ];
    let output = run(&["check-config", "--config", path], &variables);
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && !told.contains("planted"), "{told}");
    let line = |name: &str| told.lines().find(|line| line.starts_with(&format!("{name} = "))).unwrap().to_owned();
    let tells = |name: &str, value: &str, origin: &str| {
        let line = line(name);
        let (setting, from) = line.split_once("  # ").unwrap();
        assert_eq!((setting.trim_end(), from), (format!("{name} = {value}").as_str(), origin));
    };
    tells("cache.page_ttl", "\"7s\"", path);
    tells("log.level", "\"warn\"", "GATEWAY__LOG__LEVEL");
    tells("cache.customer_ttl", "\"30s\"", "default");
    tells("upstream.api_key", "(a secret)", path);
    tells("log.digest_key", "(a secret)", "GATEWAY__LOG__DIGEST_KEY");
    tells("auth.jwt.secret", "(none)", "default");
    tells("graphql.max_depth", "24", "default");
}

#[test]
fn an_unknown_setting_is_reported_with_a_suggestion() {
    let told = complaint(&["serve"], &[("GATEWAY__CACHE__PAGE_TLL", "7s")]);
    assert!(told.contains("cache.page_tll (GATEWAY__CACHE__PAGE_TLL): did you mean cache.page_ttl?"), "{told}");
    let directory = Directory::new();
    let file = directory.path("gateway.toml");
    std::fs::write(&file, "[upstreams]\napi_key = \"sk_planted\"\n").unwrap();
    let told = complaint(&["check-config", "--config", file.to_str().unwrap()], &[]);
    assert!(told.contains("upstreams.api_key") && told.contains("did you mean upstream.api_key?"), "{told}");
    assert!(told.contains("gateway.toml") && !told.contains("planted"), "{told}");
}

#[test]
fn settings_that_send_credentials_over_plain_http_are_rejected() {
    let endpoint = ("GATEWAY__TRACES__ENDPOINT", "http://collector.example:4318/v1/traces");
    let told = complaint(&["serve"], &[endpoint, ("GATEWAY__TRACES__AUTHORIZATION", "Bearer planted")]);
    assert!(told.contains("traces.endpoint") && !told.contains("planted"), "{told}");
    let told = complaint(&["serve"], &[("GATEWAY__LOG__DIGEST_KEY", "short-planted")]);
    assert!(told.contains("log.digest_key") && !told.contains("planted"), "{told}");
    let told = complaint(&["serve"], &[("GATEWAY__TRACES__SAMPLE_RATIO", "2")]);
    assert!(told.contains("traces.sample_ratio"), "{told}");
}

#[test]
fn unusable_files_are_reported_before_the_start() {
    let directory = Directory::new();
    let nowhere = directory.path("nowhere").join("audit.jsonl");
    for command in ["serve", "check-config"] {
        let told = complaint(&[command], &[("GATEWAY__AUDIT__DESTINATION", nowhere.to_str().unwrap())]);
        assert!(told.contains("nowhere/audit.jsonl cannot be opened"), "{told}");
        let (certificate, key) = (directory.path("certificate.pem"), directory.path("key.pem"));
        let tls = [
            ("GATEWAY__SERVER__TLS_CERTIFICATE", certificate.to_str().unwrap()),
            ("GATEWAY__SERVER__TLS_KEY", key.to_str().unwrap()),
        ];
        let told = complaint(&[command], &tls);
        assert!(told.contains("server.tls_certificate"), "{told}");
    }
    let fine = directory.path("audit.jsonl");
    let output = run(&["check-config"], &[("GATEWAY__AUDIT__DESTINATION", fine.to_str().unwrap())]);
    assert!(output.status.success() && !fine.exists(), "it looks, and makes nothing");
}

#[test]
fn a_level_that_would_silence_the_log_is_rejected() {
    let told = complaint(&["check-config"], &[("GATEWAY__LOG__LEVEL", "infoo")]);
    assert!(told.contains("log.level") && told.contains("`infoo` is not a level"), "{told}");
}

#[test]
fn a_password_in_the_jwks_url_is_rejected_and_not_shown() {
    let settings = [
        ("GATEWAY__AUTH__MODE", "jwt"),
        ("GATEWAY__AUTH__JWT__ISSUER", "https://id.example.com"),
        ("GATEWAY__AUTH__JWT__AUDIENCE", "gateway"),
        ("GATEWAY__AUTH__JWT__ALGORITHMS", "RS256"),
        ("GATEWAY__AUTH__JWT__JWKS_URL", "https://user:planted@id.example.com/keys"),
    ];
    let told = complaint(&["check-config"], &settings);
    assert!(told.contains("auth.jwt.jwks_url") && !told.contains("planted"), "{told}");
}
