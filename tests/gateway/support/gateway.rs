//! A running gateway and a running sandbox, with functions that send requests to them.

use std::net::TcpListener;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use customers_gateway::app::App;
use customers_gateway::auth::AuthMode;
use customers_gateway::config::Settings;
use customers_gateway::server::open_files::ConnectionLimits;
use customers_gateway::server::{self, Listeners};
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

/// A gateway on its own port. It stops when it goes out of scope.
pub struct Gateway {
    /// `http://127.0.0.1:port`
    pub base: String,
    pub admin: String,
    pub client: Client,
    pub shutdown: CancellationToken,
    pub served: JoinHandle<std::io::Result<()>>,
    _stop: DropGuard,
}

/// An HTTP response.
pub struct Got {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Got {
    pub async fn from(response: Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, text: response.text().await.unwrap() }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// A client that follows no redirects and uses no proxy. All tests share it, because building one is slow. It does not reuse
/// connections, because each test has its own runtime.
pub fn client() -> Client {
    static CLIENT: LazyLock<Client> = LazyLock::new(|| {
        let builder = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        builder.pool_max_idle_per_host(0).build().unwrap()
    });
    CLIENT.clone()
}

impl Gateway {
    /// A gateway in front of its own sandbox.
    pub async fn start() -> (Self, Sandbox) {
        Self::with(|_| {}).await
    }

    /// The same with other settings.
    pub async fn with(change: impl FnOnce(&mut Settings)) -> (Self, Sandbox) {
        let sandbox = Sandbox::start().await;
        (Self::over(&sandbox.base, change).await, sandbox)
    }

    /// A gateway whose callers send their own key.
    pub async fn passthrough() -> (Self, Sandbox) {
        Self::with(|settings| settings.auth.mode = AuthMode::Passthrough).await
    }

    /// A gateway in front of any upstream. It does not retry calls, so that tests can count them. Tests of resilience enable
    /// retries.
    pub async fn over(upstream: &str, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::load(None).unwrap();
        settings.upstream.retry.max_attempts = 1;
        // Generous, since machines that run tests are busy; a test of these sets its own.
        settings.server.deadline = Duration::from_secs(60);
        settings.upstream.timeout = Duration::from_secs(30);
        change(&mut settings);
        Self::serve(upstream, &settings)
    }

    /// A gateway in front of any upstream, with exactly these settings.
    pub fn serve(upstream: &str, settings: &Settings) -> Self {
        let app = App::new(settings, Url::parse(upstream).unwrap()).unwrap();
        let listener = || TcpListener::bind("127.0.0.1:0").unwrap();
        let listeners = Listeners { public: listener(), admin: listener() };
        let base = format!("http://{}", listeners.public.local_addr().unwrap());
        let admin = format!("http://{}", listeners.admin.local_addr().unwrap());
        let most = settings.server.max_connections;
        let connections = ConnectionLimits { public: most, admin: most };
        let shutdown = CancellationToken::new();
        let (app, limits, stop) = (Arc::new(app), settings.server.clone(), shutdown.clone());
        let served = tokio::spawn(server::serve(app, listeners, limits, connections, None, stop));
        Self { base, admin, client: client(), _stop: shutdown.clone().drop_guard(), shutdown, served }
    }

    /// A POST to `/graphql`, not yet sent.
    pub fn post(&self, body: &Value) -> RequestBuilder {
        self.client.post(format!("{}/graphql", self.base)).json(body)
    }

    /// A request, not yet sent.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    /// The whole response to an operation.
    pub async fn ask(&self, query: &str) -> Value {
        self.ask_with(query, json!({})).await
    }

    /// The same with variables.
    pub async fn ask_with(&self, query: &str, variables: Value) -> Value {
        send(self.post(&json!({"query": query, "variables": variables}))).await
    }

    /// The same with a caller's own key.
    pub async fn ask_as(&self, key: &str, query: &str, variables: Value) -> Value {
        send(self.post(&json!({"query": query, "variables": variables})).bearer_auth(key)).await
    }

    /// The data of an operation that has no errors.
    pub async fn data(&self, query: &str) -> Value {
        self.data_with(query, json!({})).await
    }

    /// The same with variables.
    pub async fn data_with(&self, query: &str, variables: Value) -> Value {
        without_errors(self.ask_with(query, variables).await)
    }
}

/// Sends a request and returns the response as JSON.
pub async fn send(request: RequestBuilder) -> Value {
    Got::from(request.send().await.unwrap()).await.json()
}

/// The data of a response without errors.
pub fn without_errors(answer: Value) -> Value {
    assert_eq!(answer["errors"], Value::Null, "{answer}");
    answer["data"].clone()
}

/// A running sandbox and its control API.
pub struct Sandbox {
    pub base: String,
    client: Client,
    _stop: DropGuard,
}

impl Sandbox {
    /// A sandbox on its own port, with the gateway's default key.
    pub async fn start() -> Self {
        Self::start_at("127.0.0.1:0").await
    }

    /// A sandbox at a given address, such as the address of a stopped one.
    pub async fn start_at(address: &str) -> Self {
        let listener = loop {
            // The previous sandbox may still be stopping.
            match tokio::net::TcpListener::bind(address).await {
                Ok(listener) => break listener,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        let base = format!("http://{}", listener.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        let settings = customers_sandbox::Settings { default_key: "sandbox".into() };
        tokio::spawn(customers_sandbox::serve(listener, settings, shutdown.clone()));
        Self { base, client: client(), _stop: shutdown.drop_guard() }
    }

    async fn control(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let request = self.client.request(method, format!("{}/_sandbox/{path}", self.base));
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let got = Got::from(request.send().await.unwrap()).await;
        assert_eq!(got.status, 200, "{path}: {}", got.text);
        got.json()
    }

    /// The calls by route since the start or the last [`Self::forget_calls`].
    pub async fn calls(&self) -> Value {
        self.control(Method::GET, "calls", None).await["calls"].clone()
    }

    pub async fn forget_calls(&self) {
        self.control(Method::DELETE, "calls", None).await;
    }

    /// Injects a fault.
    pub async fn fault(&self, fault: Value) {
        self.control(Method::POST, "faults", Some(fault)).await;
    }

    pub async fn clear_faults(&self) {
        self.control(Method::DELETE, "faults", None).await;
    }

    /// Delays every response of the API.
    pub async fn latency(&self, ms: u64) {
        self.control(Method::PUT, "latency", Some(json!({"ms": ms}))).await;
    }

    /// The writes that took effect in the data set of the default key.
    pub async fn writes(&self) -> Vec<Value> {
        self.control(Method::GET, "writes", None).await.as_array().unwrap().clone()
    }

    /// Adds so many customers.
    pub async fn plant(&self, count: usize) {
        self.control(Method::POST, "customers", Some(json!({"count": count}))).await;
    }

    /// Changes a customer without a call of the API.
    pub async fn change(&self, id: uuid::Uuid, change: Value) {
        self.control(Method::PUT, &format!("customers/{id}"), Some(change)).await;
    }

    /// Calls the API directly, not through the gateway.
    pub async fn api(&self, key: &str, method: Method, path: &str, body: Option<Value>) -> Got {
        let request = self.client.request(method, format!("{}/v1{path}", self.base)).bearer_auth(key);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        Got::from(request.send().await.unwrap()).await
    }

    /// Waits until the call counts fulfil a condition.
    pub async fn until_calls(&self, holds: impl Fn(&Value) -> bool) {
        for _ in 0..1000 {
            if holds(&self.calls().await) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("it never held: {}", self.calls().await);
    }
}
