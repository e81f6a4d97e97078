//! The sandbox over real HTTP: every operation, every observed oddity, every fault, the control API.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first unexpected result"
)]

mod control;
mod faults;
mod idempotency;
mod list;
mod operations;
mod quirks;
mod review;
mod webhooks;

use std::time::Duration;

use customers_sandbox::{Settings, serve};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

/// The bearer token of calls that do not set their own.
const KEY: &str = "sandbox-key";

/// A running sandbox; dropping it stops the sandbox.
struct RunningSandbox {
    base: String,
    client: reqwest::Client,
    shutdown: CancellationToken,
    _stop: DropGuard,
}

/// A response with its body read.
struct TestResponse {
    status: u16,
    headers: reqwest::header::HeaderMap,
    text: String,
}

impl TestResponse {
    async fn from(response: Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, text: response.text().await.unwrap() }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    fn data(&self) -> Value {
        assert!(self.status < 300, "{} {}", self.status, self.text);
        self.json()["data"].clone()
    }

    /// The references of the error's items, in order.
    fn references(&self) -> Vec<String> {
        let json = self.json();
        let items = json["error"]["items"].as_array().unwrap_or_else(|| panic!("no items: {json}"));
        items.iter().filter_map(|item| item["reference"].as_str().map(str::to_owned)).collect()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

async fn start() -> RunningSandbox {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let shutdown = CancellationToken::new();
    tokio::spawn(serve(listener, Settings { default_key: KEY.into() }, shutdown.clone()));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    RunningSandbox { base, client, _stop: shutdown.clone().drop_guard(), shutdown }
}

impl RunningSandbox {
    /// Waits until `count` API calls have arrived. A call is counted before it waits for its latency or hangs.
    async fn wait_for_calls(&self, count: u64) {
        self.wait_until(async || self.get("/_sandbox/calls").await.json()["total"].as_u64() >= Some(count)).await;
    }

    /// Polls until `condition` holds; fails after 30 seconds.
    async fn wait_until(&self, condition: impl AsyncFn() -> bool) {
        let poll = async {
            while !condition().await {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(30), poll).await.expect("the condition holds in time");
    }

    /// A request with `KEY` as its bearer token.
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base)).bearer_auth(KEY)
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> TestResponse {
        let request = self.request(method, path);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        TestResponse::from(request.send().await.unwrap()).await
    }

    async fn get(&self, path: &str) -> TestResponse {
        self.send(Method::GET, path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> TestResponse {
        self.send(Method::POST, path, Some(body)).await
    }

    async fn put(&self, path: &str, body: Value) -> TestResponse {
        self.send(Method::PUT, path, Some(body)).await
    }

    async fn patch(&self, path: &str, body: Value) -> TestResponse {
        self.send(Method::PATCH, path, Some(body)).await
    }

    async fn delete(&self, path: &str) -> TestResponse {
        self.send(Method::DELETE, path, None).await
    }

    /// Injects a fault.
    async fn fault(&self, fault: Value) {
        let got = self.post("/_sandbox/faults", fault).await;
        assert_eq!(got.status, 200, "{}", got.text);
    }

    /// Creates an individual with this `sandbox_outcome` and returns its id.
    async fn person(&self, email: &str, outcome: &str) -> String {
        let body = with(minimal_customer(email), json!({"config": {"sandbox_outcome": outcome}}));
        self.post("/v1/customers", body).await.data()["id"].as_str().unwrap().to_owned()
    }
}

/// A body of a create with the required members only.
fn minimal_customer(email: &str) -> Value {
    json!({"name": "Tess Example", "type": "individual", "email": email, "phone": "+12025550123",
           "device": {"ip_address": "203.0.113.9"}})
}

/// A body of an update with the required members only.
fn minimal_update(email: &str, status: &str) -> Value {
    json!({"name": "Tess B. Example", "email": email, "phone": "+12025550124",
           "device": {"ip_address": "203.0.113.10"}, "status": status})
}

/// `body` extended by the members of `more`.
fn with(mut body: Value, more: Value) -> Value {
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// The path of a customer.
fn at(id: impl std::fmt::Display) -> String {
    format!("/v1/customers/{id}")
}
