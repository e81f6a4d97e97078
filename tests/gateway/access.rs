//! Authentication: how the gateway treats valid, invalid and forged tokens of an identity provider.

mod accounts;
mod decisions;
mod idempotency;
mod keys;
mod provider;
mod renewal;
mod subgraph;
mod tokens;
mod upstream_report;

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use customers_gateway::app::App;
use customers_gateway::config::Settings;
use customers_gateway::server::open_files::ConnectionLimits;
use customers_gateway::server::{Listeners, serve};
use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};

const ISSUER: &str = "https://id.example.com/";
const AUDIENCE: &str = "https://customers.example.com";

/// The account of the gateway's own key.
const OWN: &str = "0f000000-0000-4000-8000-00000000000f";

/// A running gateway with a sandbox behind it, stopped when it is dropped.
struct Gateway {
    graphql: String,
    client: reqwest::Client,
    _stop: DropGuard,
}

/// A response.
struct Got {
    status: u16,
    headers: reqwest::header::HeaderMap,
    text: String,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    fn code(&self) -> Value {
        self.json()["errors"][0]["extensions"]["code"].clone()
    }

    fn viewer(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json()["data"]["viewer"].clone()
    }
}

/// A gateway with mode `jwt`, the issuer and the audience above, and these lines in `[auth.jwt]`.
async fn gateway(jwt: &str) -> Gateway {
    let stop = CancellationToken::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(customers_sandbox::serve(
        listener,
        customers_sandbox::Settings { default_key: "sandbox".into() },
        stop.clone(),
    ));
    let settings = format!(
        "[auth]\nmode = 'jwt'\n[auth.jwt]\nissuer = '{ISSUER}'\naudience = '{AUDIENCE}'\n{jwt}\n\
         [upstream]\naccount_id = '{OWN}'\n\
         timeout = '30s'\n[server]\ndeadline = '60s'\nheader_timeout = '60s'\ndrain_timeout = '1s'\n"
    );
    let settings = Settings::load(Some(&file("settings.toml", &settings))).unwrap();
    let app = Arc::new(App::new(&settings, upstream.parse().unwrap()).unwrap());
    let public = TcpListener::bind("127.0.0.1:0").unwrap();
    let admin = TcpListener::bind("127.0.0.1:0").unwrap();
    let graphql = format!("http://{}/graphql", public.local_addr().unwrap());
    for listener in [&public, &admin] {
        listener.set_nonblocking(true).unwrap();
    }
    let connections = ConnectionLimits { public: 1024, admin: 1024 };
    tokio::spawn(serve(app, Listeners { public, admin }, settings.server, connections, None, stop.clone()));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    Gateway { graphql, client, _stop: stop.drop_guard() }
}

impl Gateway {
    /// Sends a request with a token, and with an account if given.
    async fn ask(&self, token: &str, account: Option<&str>, body: Value) -> Got {
        let mut request = self.client.post(&self.graphql).json(&body);
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if let Some(account) = account {
            request = request.header("straddle-account-id", account);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Got { status, headers, text: response.text().await.unwrap() }
    }

    /// Queries the caller's own permissions.
    async fn viewer(&self, token: &str) -> Got {
        self.ask(token, None, json!({"query": "{ viewer { subject accountId permissions } }"})).await
    }

    /// The status of a request with a token.
    async fn status(&self, token: &str) -> u16 {
        self.viewer(token).await.status
    }
}

/// A temporary file with this text.
fn file(name: &str, text: &str) -> std::path::PathBuf {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = path.join(format!("{}-{number}-{name}", std::process::id()));
    std::fs::write(&path, text).unwrap();
    path
}

/// The time that is this many seconds from now, in seconds since 1970.
fn in_seconds(seconds: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    i64::try_from(now).unwrap() + seconds
}

/// The claims of a valid token, with some replaced. `null` removes a claim.
fn claims(other: Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "exp": in_seconds(300), "sub": "user-7",
        "permissions": ["customers:read", "customers:write"],
    });
    let object = claims.as_object_mut().unwrap();
    for (name, value) in other.as_object().unwrap() {
        if value.is_null() {
            object.remove(name)
        } else {
            object.insert(name.clone(), value.clone())
        };
    }
    claims
}
