//! The provider's keys: loaded once, loaded rarely, replaced while the gateway runs.

use std::time::Duration;

use axum::http::StatusCode;
use customers_gateway::auth::jwt::claims::ClaimNames;
use customers_gateway::auth::jwt::jwks::RefreshPolicy;
use customers_gateway::auth::jwt::{self, KeySource, Verifier};
use futures_util::future::join_all;
use jsonwebtoken::{Algorithm, Header};
use serde_json::{Value, json};

use super::provider::{Provider, Signer};
use super::{AUDIENCE, Gateway, ISSUER, claims, file, gateway};

/// A gateway that loads the provider's keys every `refresh`, and never sooner than `min_interval` after the last load.
async fn paced(provider: &Provider, refresh: &str, min_interval: &str) -> Gateway {
    let pace = format!("jwks_refresh = '{refresh}'\njwks_min_interval = '{min_interval}'");
    gateway(&format!("algorithms = ['RS256', 'ES256']\njwks_url = '{}'\n{pace}", provider.url)).await
}

/// Repeats the request until the token gets the status. It waits for a load, not for a fixed time.
async fn comes_to(gateway: &Gateway, token: &str, status: u16) {
    for _ in 0..200 {
        if gateway.status(token).await == status {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the status never became {status}");
}

fn good(signer: &Signer) -> String {
    signer.token(&claims(json!({})))
}

#[tokio::test]
async fn a_hundred_concurrent_first_requests_fetch_the_jwks_once() {
    let ec = Signer::ec("ec-1");
    let provider = Provider::start(&[&ec]).await;
    provider.delay(Duration::from_millis(300));
    let gateway = paced(&provider, "10m", "30s").await;
    let token = good(&ec);
    let statuses = join_all((0..100).map(|_| gateway.status(&token))).await;
    assert_eq!(statuses, vec![200; 100]);
    assert_eq!(provider.calls(), 1);
}

#[tokio::test]
async fn unknown_kids_do_not_flood_the_provider() {
    let ec = Signer::ec("ec-1");
    let provider = Provider::start(&[&ec]).await;
    let gateway = paced(&provider, "10m", "30s").await;
    assert_eq!(gateway.status(&good(&ec)).await, 200);
    let made_up = |n: u32| Header { kid: Some(format!("made-up-{n}")), ..ec.header() };
    let tokens: Vec<String> = (0..200).map(|n| ec.token_as(&made_up(n), &claims(json!({})))).collect();
    let statuses = join_all(tokens.iter().map(|token| gateway.status(token))).await;
    assert_eq!(statuses, vec![401; 200]);
    assert_eq!(provider.calls(), 1, "within the minimum interval");
    assert_eq!(gateway.status(&good(&ec)).await, 200);
}

#[tokio::test]
async fn unknown_kids_cost_one_fetch_per_interval() {
    let ec = Signer::ec("ec-1");
    let provider = Provider::start(&[&ec]).await;
    let gateway = paced(&provider, "10m", "1s").await;
    let started = std::time::Instant::now();
    let made_up = ec.token_as(&Header { kid: Some("made-up".into()), ..ec.header() }, &claims(json!({})));
    while started.elapsed() < Duration::from_millis(2500) {
        assert_eq!(join_all((0..10).map(|_| gateway.status(&made_up))).await, vec![401; 10]);
    }
    // The limit uses the elapsed time, because the machine may be slow.
    let most = started.elapsed().as_secs() + 1;
    assert!((2..=most).contains(&provider.calls()), "{} fetches, {most} at most", provider.calls());
}

#[tokio::test]
async fn key_rotation_needs_no_restart() {
    let (old, new) = (Signer::ec("ec-1"), Signer::ec("ec-2"));
    let provider = Provider::start(&[&old]).await;
    let gateway = paced(&provider, "10m", "200ms").await;
    assert_eq!(gateway.status(&good(&old)).await, 200);
    provider.publish(&[&old, &new]);
    comes_to(&gateway, &good(&new), 200).await;
    assert_eq!(gateway.status(&good(&old)).await, 200, "both are published");
    provider.publish(&[&new]);
    // The next load detects a removed key. Here a request with another unknown key name starts it.
    let unknown = good(&Signer::ec("ec-3"));
    for _ in 0..200 {
        assert_eq!(gateway.status(&unknown).await, 401);
        if gateway.status(&good(&old)).await == 401 {
            assert_eq!(gateway.status(&good(&new)).await, 200);
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the old key was taken for ever");
}

#[tokio::test]
async fn a_revoked_key_is_rejected_after_the_next_refresh() {
    let (old, new) = (Signer::ec("ec-1"), Signer::ec("ec-2"));
    let provider = Provider::start(&[&old, &new]).await;
    let gateway = paced(&provider, "300ms", "100ms").await;
    assert_eq!(gateway.status(&good(&old)).await, 200);
    provider.publish(&[&new]);
    comes_to(&gateway, &good(&old), 401).await;
    assert_eq!(gateway.status(&good(&new)).await, 200);
    provider.publish(&[]);
    comes_to(&gateway, &good(&new), 401).await;
}

#[tokio::test]
async fn cached_keys_are_used_without_waiting_while_the_provider_is_down() {
    let (old, new) = (Signer::ec("ec-1"), Signer::ec("ec-2"));
    let provider = Provider::start(&[&old]).await;
    let gateway = paced(&provider, "100ms", "100ms").await;
    assert_eq!(gateway.status(&good(&old)).await, 200);
    let larger_than_the_bound = json!({"keys": [], "padding": "x".repeat(300 * 1024)}).to_string();
    let failures = [
        (StatusCode::SERVICE_UNAVAILABLE, "down"),
        (StatusCode::OK, "<html>"),
        (StatusCode::OK, "{}"),
        (StatusCode::OK, larger_than_the_bound.as_str()),
    ];
    for (status, body) in failures {
        provider.answer(status, body);
        let before = provider.calls();
        while provider.calls() < before + 2 {
            assert_eq!(gateway.status(&good(&old)).await, 200);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(gateway.status(&good(&old)).await, 200);
        assert_eq!(gateway.status(&good(&new)).await, 401);
    }
    provider.publish(&[&new]);
    comes_to(&gateway, &good(&new), 200).await;
}

#[tokio::test]
async fn without_keys_the_error_is_retryable() {
    let ec = Signer::ec("ec-1");
    let provider = Provider::start(&[&ec]).await;
    provider.answer(StatusCode::SERVICE_UNAVAILABLE, "");
    let gateway = paced(&provider, "10m", "500ms").await;
    let got = gateway.viewer(&good(&ec)).await;
    assert_eq!((got.status, got.code()), (503, json!("UPSTREAM_UNAVAILABLE")), "{}", got.text);
    assert_eq!(got.headers["retry-after"], "1");
    assert_eq!(got.json()["errors"][0]["extensions"]["retryable"], true);
    assert!(!got.text.contains("127.0.0.1"), "{}", got.text);
    provider.publish(&[&ec]);
    comes_to(&gateway, &good(&ec), 200).await;
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let ec = Signer::ec("ec-1");
    let (elsewhere, provider) = (Provider::start(&[&ec]).await, Provider::start(&[]).await);
    provider.redirect(&elsewhere.url);
    let gateway = paced(&provider, "10m", "30s").await;
    assert_eq!(gateway.status(&good(&ec)).await, 503);
    assert_eq!((provider.calls(), elsewhere.calls()), (1, 0));
}

#[tokio::test]
async fn only_keys_of_allowed_algorithms_are_used() {
    let ec = Signer::ec("ec-1");
    let secret = "a secret that everybody can read in the key set";
    let with = |name: &str, value: Value| {
        let mut key = ec.jwk();
        key[name] = value;
        key
    };
    let without = |name: &str| {
        let mut key = ec.jwk();
        key.as_object_mut().unwrap().remove(name);
        key
    };
    let published = [
        (with("use", json!("enc")), false),
        (with("key_ops", json!(["sign"])), false),
        (with("key_ops", json!(["verify"])), true),
        (with("alg", json!("ES384")), false),
        (with("alg", json!("ECDH-ES")), false),
        (with("kty", json!("RSA")), false),
        (with("crv", json!("P-384")), false),
        (with("x", json!("AAAA")), false),
        (without("use"), true),
        (without("alg"), true),
        (without("kid"), true),
    ];
    for (key, accepted) in published {
        // Unreadable keys in the set do not affect the others.
        let keys = vec![json!(7), json!({"kty": "new", "use": 7}), key.clone()];
        assert_eq!(verified(keys, &good(&ec)).await, accepted, "{key}");
    }
    let k = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, secret);
    let symmetric = json!({"kty": "oct", "kid": "secret", "alg": "HS256", "k": k});
    assert!(!verified(vec![symmetric], &good(&Signer::secret(secret))).await);
}

/// Whether a token is valid if these keys are published.
async fn verified(keys: Vec<Value>, token: &str) -> bool {
    let provider = Provider::start(&[]).await;
    provider.publish_keys(keys);
    let verifier = Verifier::start(
        jwt::Settings {
            issuer: ISSUER.into(),
            audience: AUDIENCE.into(),
            algorithms: vec![Algorithm::RS256, Algorithm::ES256],
            keys: KeySource::Jwks(provider.url.parse().unwrap()),
            claim_names: ClaimNames { subject: "sub".into(), permissions: "permissions".into(), account: None },
            leeway: Duration::ZERO,
            refresh_policy: RefreshPolicy { refresh: Duration::from_secs(600), min_interval: Duration::from_secs(30) },
        },
        None,
    );
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    verifier.unwrap().verify(token, deadline).await.is_ok()
}

#[tokio::test]
async fn a_changed_key_file_is_reloaded() {
    let (rsa, ec, later) = (Signer::rsa(), Signer::ec("ec-1"), Signer::ec("ec-2"));
    let path = file("keys.pem", &format!("{}{}", rsa.public, ec.public));
    let pace = "jwks_refresh = '10m'\njwks_min_interval = '200ms'";
    let gateway = gateway(&format!("algorithms = 'RS256,ES256'\npublic_key_file = '{}'\n{pace}", path.display())).await;
    for signer in [&rsa, &ec] {
        assert_eq!(gateway.status(&good(signer)).await, 200, "{}", signer.kid);
    }
    assert_eq!(gateway.status(&good(&later)).await, 401);
    std::fs::write(&path, "half a fi").unwrap();
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert_eq!(gateway.status(&good(&later)).await, 401);
    assert_eq!(gateway.status(&good(&ec)).await, 200, "a file that cannot be used changes nothing");
    std::fs::write(&path, &later.public).unwrap();
    comes_to(&gateway, &good(&later), 200).await;
    assert_eq!(gateway.status(&good(&rsa)).await, 401, "its key is no longer in the file");
}
