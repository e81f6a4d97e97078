//! Whether an upstream that is said to be the sandbox is it.
//!
//! With `auth.mode = "sandbox"` anybody may do everything, and no record is kept. An upstream on this machine may be
//! anything, such as a sidecar that passes calls on to the real API. The sandbox alone has a control API, which is asked
//! without any credential.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::Value;
use url::Url;

use crate::outbound;

/// How long a sandbox that is being started next to the gateway may take until it answers.
const START_TIMEOUT: Duration = Duration::from_secs(10);

const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// The control API's counts have less than some kilobytes.
const MAX_RESPONSE_BYTES: usize = 64 * 1024;

/// Comes back where the upstream is the sandbox.
///
/// # Errors
/// Where it is not, or does not answer.
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
                bail!("setting upstream.base_url (GATEWAY__UPSTREAM__BASE_URL): the sandbox does not answer: {cause}");
            }
        }
    };
    let is_sandbox =
        answer.status().is_success() && is_call_counts(answer).await.context("the sandbox's answer broke off")?;
    if is_sandbox {
        return Ok(());
    }
    bail!(
        "setting auth.mode (GATEWAY__AUTH__MODE): `sandbox` lets anybody do everything, and upstream.base_url is not the \
         sandbox: it has no control API (GET /_sandbox/calls). Set auth.mode to `passthrough`, so that callers bring their \
         own key, or to `jwt`, so that they bring a token of your identity provider"
    )
}

/// Whether an answer is what the control API says of calls.
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
