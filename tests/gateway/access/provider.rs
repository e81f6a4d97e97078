//! An identity provider: keys generated for each run, tokens signed by them, and the key set over HTTP.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A key pair that signs tokens.
#[derive(Clone)]
pub struct Signer {
    pub kid: &'static str,
    pub algorithm: Algorithm,
    pub key: EncodingKey,
    /// The public key in PEM.
    pub public: String,
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

/// RSA keys take a while to generate, so all tests share two.
static RSA: LazyLock<[Signer; 2]> = LazyLock::new(|| {
    ["rsa-1", "rsa-2"].map(|kid| {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let private: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let key = EncodingKey::from_rsa_pem(pem("PRIVATE KEY", private.as_ref()).as_bytes()).unwrap();
        Signer { kid, algorithm: Algorithm::RS256, key, public: pem("PUBLIC KEY", public.as_ref()) }
    })
});

impl Signer {
    pub fn rsa() -> Self {
        RSA[0].clone()
    }

    /// A second RSA key.
    pub fn other_rsa() -> Self {
        RSA[1].clone()
    }

    pub fn ec(kid: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let key = EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref());
        Signer { kid, algorithm: Algorithm::ES256, key, public: pem("PUBLIC KEY", public.as_ref()) }
    }

    pub fn secret(secret: &str) -> Self {
        let key = EncodingKey::from_secret(secret.as_bytes());
        Signer { kid: "secret", algorithm: Algorithm::HS256, key, public: String::new() }
    }

    /// A token with these claims.
    pub fn token(&self, claims: &Value) -> String {
        self.token_as(&self.header(), claims)
    }

    /// The default header of its tokens.
    pub fn header(&self) -> Header {
        Header { kid: Some(self.kid.to_owned()), ..Header::new(self.algorithm) }
    }

    /// A token with this header.
    pub fn token_as(&self, header: &Header, claims: &Value) -> String {
        jsonwebtoken::encode(header, claims, &self.key).unwrap()
    }

    /// Its public key as a member of a key set.
    pub fn jwk(&self) -> Value {
        let mut key = serde_json::to_value(Jwk::from_encoding_key(&self.key, self.algorithm).unwrap()).unwrap();
        (key["kid"], key["use"]) = (json!(self.kid), json!("sig"));
        key
    }
}

/// A running provider, stopped when it is dropped.
pub struct Provider {
    pub url: String,
    state: Arc<State>,
    _stop: DropGuard,
}

#[derive(Default)]
struct State {
    answer: Mutex<Answer>,
    calls: AtomicU64,
}

#[derive(Clone, Default)]
struct Answer {
    status: StatusCode,
    body: String,
    delay: Duration,
    location: String,
}

impl Provider {
    /// Starts a provider that publishes the keys of these signers.
    pub async fn start(signers: &[&Signer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let answer = move || {
            let state = Arc::clone(&shared);
            async move {
                state.calls.fetch_add(1, Ordering::SeqCst);
                let answer = state.answer.lock().unwrap().clone();
                tokio::time::sleep(answer.delay).await;
                let mut headers = HeaderMap::new();
                headers.insert(header::LOCATION, answer.location.parse().unwrap());
                (answer.status, headers, answer.body)
            }
        };
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let router = Router::new().route("/jwks.json", get(answer));
        tokio::spawn(async move { axum::serve(listener, router).with_graceful_shutdown(stopped).await });
        let provider = Self { url, state, _stop: stop.drop_guard() };
        provider.publish(signers);
        provider
    }

    /// Publishes these keys and no others from now on.
    pub fn publish(&self, signers: &[&Signer]) {
        self.publish_keys(signers.iter().map(|signer| signer.jwk()).collect());
    }

    /// Publishes these JSON keys from now on.
    pub fn publish_keys(&self, keys: Vec<Value>) {
        self.answer(StatusCode::OK, &json!({ "keys": keys }).to_string());
    }

    /// Sends this response from now on.
    pub fn answer(&self, status: StatusCode, body: &str) {
        let mut answer = self.state.answer.lock().unwrap();
        (answer.status, answer.body) = (status, body.to_owned());
    }

    /// Redirects to `location` from now on.
    pub fn redirect(&self, location: &str) {
        self.answer(StatusCode::FOUND, "");
        self.state.answer.lock().unwrap().location = location.to_owned();
    }

    /// Delays each response.
    pub fn delay(&self, delay: Duration) {
        self.state.answer.lock().unwrap().delay = delay;
    }

    /// How often the keys were requested.
    pub fn calls(&self) -> u64 {
        self.state.calls.load(Ordering::SeqCst)
    }
}
