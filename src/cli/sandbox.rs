//! The command `sandbox`, and the embedded sandbox of `serve`.

use std::io;
use std::net::TcpListener;
use std::path::Path;

use anyhow::Context;
use secrecy::ExposeSecret;
use tokio_util::sync::CancellationToken;

use super::output::OUTPUT_TIMEOUT;
use super::signals::shutdown_signals;
use super::{SHUTDOWN_STEP_TIMEOUT, preflight, runtime};
use crate::config::Settings;
use crate::telemetry;
use crate::telemetry::log_queue::write_with_timeout;

/// Runs the sandbox alone until a signal stops it.
pub fn run(file: Option<&Path>) -> anyhow::Result<()> {
    let (settings, listener) = preflight::sandbox(file)?;
    let telemetry = telemetry::start(&settings.log.lines, None)?;
    let served = runtime()?.block_on(serve(settings, listener));
    telemetry.shutdown(SHUTDOWN_STEP_TIMEOUT);
    served
}

async fn serve(settings: Settings, listener: TcpListener) -> anyhow::Result<()> {
    let greeting = format!(
        "Sandbox of the Customers API\n  \
           API      http://{address}/v1/customers (each bearer token is a key with its own data set)\n  \
           control  http://{address}/_sandbox/calls, writes, faults, latency, customers, webhook, reset (sandbox/README.md)\n  \
           All its people are made up, and changes are lost at the end.\n",
        address = listener.local_addr()?,
    );
    write_with_timeout(OUTPUT_TIMEOUT, io::stdout(), greeting);
    let (stop, _stop_now) = shutdown_signals()?;
    run_sandbox(listener, settings, stop).await
}

/// Serves the sandbox until `stop`.
pub async fn run_sandbox(listener: TcpListener, settings: Settings, stop: CancellationToken) -> anyhow::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let default_key = settings.upstream.api_key.expose_secret().to_owned();
    customers_sandbox::serve(listener, customers_sandbox::Settings { default_key }, stop)
        .await
        .context("the sandbox failed")
}
