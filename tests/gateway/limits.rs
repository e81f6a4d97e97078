//! Small requests that attack the gateway. Each is rejected with a clear error, in time, without an upstream call and
//! without repeating its content. The next caller is served normally.

mod answers;
mod bodies;
mod documents;
mod lists;
mod settings;
mod upstream_calls;

use std::fmt::{Display, Write};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::gateway::Got;
use crate::support::{Gateway, Sandbox};

/// A word in the attacks that no response may contain.
const PLANTED: &str = "planted";

/// Long enough for a debug build on a busy machine. Without the limits these requests take minutes, or all memory.
const PATIENCE: Duration = Duration::from_secs(20);

/// The maximum size of a response to a rejected request, in bytes.
const MOST_TOLD: usize = 16 * 1024;

/// A gateway under attack, with the number of its upstream calls.
struct Attacked {
    gateway: Gateway,
    sandbox: Sandbox,
}

impl Attacked {
    async fn start() -> Self {
        let (gateway, sandbox) = Gateway::start().await;
        Self { gateway, sandbox }
    }

    /// The response to a body. Checks that it is in time, small, repeats nothing, cost no call, and did no harm.
    async fn body(&self, body: impl Into<reqwest::Body>) -> Got {
        let request = self.gateway.request(Method::POST, "/graphql").header("content-type", "application/json");
        let request = request.header("accept", "application/graphql-response+json").timeout(PATIENCE);
        let got = Got::from(request.body(body).send().await.expect("an answer in time")).await;
        self.unharmed(&got).await;
        got
    }

    async fn unharmed(&self, got: &Got) {
        assert!(got.text.len() <= MOST_TOLD, "{} bytes: {}…", got.text.len(), &got.text[..1000]);
        assert!(!got.text.to_lowercase().contains(PLANTED), "{}", got.text);
        let next = tokio::time::timeout(PATIENCE, self.gateway.ask("{ __typename }")).await.expect("the next answer");
        assert_eq!(next, json!({"data": {"__typename": "Query"}}));
        assert_eq!(self.sandbox.calls().await, json!({}), "{}", got.text);
    }

    /// The same for a document with variables.
    async fn document(&self, query: impl Into<String>, variables: Value) -> Got {
        self.body(json!({"query": query.into(), "variables": variables}).to_string()).await
    }

    /// Checks that a document is rejected because it exceeds a limit, with the limit and the value.
    async fn over(&self, query: impl Into<String>, bound: &str, limit: usize, value: impl Display) {
        let got = self.document(query, json!({})).await;
        over(&got, bound, limit, value);
    }
}

/// Checks that a response names the exceeded limit, its maximum and the value.
fn over(got: &Got, bound: &str, limit: usize, value: impl Display) {
    let error = refused(got, 400, "OPERATION_TOO_LARGE");
    let told = format!("The operation exceeds the limit `{bound}`: {value}, where {limit} is the maximum.");
    assert_eq!(error["message"], told);
}

/// The only error of a request that was not run.
fn refused(got: &Got, status: u16, code: &str) -> Value {
    let answer = got.json();
    assert_eq!(got.status, status, "{answer}");
    assert_eq!(answer.get("data"), None, "{answer}");
    let error = crate::support::only_error(&answer).clone();
    assert_eq!(error["extensions"]["code"], code, "{answer}");
    error
}

/// Fragments that each spread the next one `spreads` times. The last one contains `end`.
fn fragments(levels: usize, spreads: usize, on: &str, end: &str) -> String {
    let mut text = String::new();
    for level in 0..levels {
        let next = format!("...F{}", level + 1).repeat(spreads);
        write!(text, "fragment F{level} on {on}{{{next}}}").unwrap();
    }
    write!(text, "fragment F{levels} on {on}{{{end}}}").unwrap();
    text
}

/// `count` items, each with its number.
fn items(count: usize, item: impl Fn(usize) -> String) -> String {
    (0..count).map(item).collect::<Vec<_>>().join(" ")
}
