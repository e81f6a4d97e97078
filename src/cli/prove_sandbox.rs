//! The proof that an upstream is the sandbox.
//!
//! With `auth.mode = "sandbox"` every caller has every permission, and no audit records are written. An upstream on this
//! machine can also be a sidecar that forwards calls to the real API. Only the sandbox has a control API. The check calls it
//! without a credential.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::Value;
use url::Url;

use crate::outbound;

/// How long the check waits for a sandbox that starts at the same time as the gateway.
const START_TIMEOUT: Duration = Duration::from_secs(10);

const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// The response of the control API has some kilobytes at most.
const MAX_RESPONSE_BYTES: usize = 64 * 1024;

/// Checks that the upstream is the sandbox.
///
/// # Errors
/// The upstream is not the sandbox, or does not respond.
pub async fn prove_sandbox(upstream: &Url) -> anyhow::Result<()> {
    let client = outbound::client(upstream, None)?.timeout(Duration::from_secs(2)).build()?;
    let mut control = upstream.clone();
    let path = format!("{}/_sandbox/calls", upstream.path().trim_end_matches('/'));
    control.set_path(&path);
    let started = Instant::now();
    let answer = loop {
        match client.get(control.clone()).send().await {
            Ok(answer) => break answer,
            Err(error) if error.is_connect() && started.elapsed() < START_TIMEOUT => {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
            Err(error) => {
                let cause = outbound::ConnectFailure::from_reqwest(&error);
                bail!("setting upstream.base_url (GATEWAY__UPSTREAM__BASE_URL): the sandbox does not respond: {cause}");
            }
        }
    };
    let is_sandbox = answer.status().is_success()
        && is_call_counts(answer).await.context("the response of the sandbox was cut off")?;
    if is_sandbox {
        return Ok(());
    }
    bail!(
        "setting auth.mode (GATEWAY__AUTH__MODE): `sandbox` permits every operation to every caller, and upstream.base_url is not \
         the sandbox: it has no control API (GET /_sandbox/calls). Set auth.mode to `passthrough`, so that callers send their \
         own key, or to `jwt`, so that they send a token of your identity provider"
    )
}

/// Whether a response has the call counts of the control API.
async fn is_call_counts(mut answer: reqwest::Response) -> Result<bool, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_RESPONSE_BYTES {
            return Ok(false);
        }
    }
    let counts: Value = serde_json::from_slice(&body).unwrap_or_default();
    let is = |name: &str, fits: fn(&Value) -> bool| counts.get(name).is_some_and(fits);
    Ok(is("total", Value::is_u64) && is("calls", Value::is_object))
}
