//! The command `serve`: the gateway, with the embedded sandbox if no upstream is set.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use url::Url;

use super::output::OUTPUT_TIMEOUT;
use super::preflight::{self, Ready};
use super::prove_sandbox::prove_sandbox;
use super::reload::Reload;
use super::sandbox::run_sandbox;
use super::signals::shutdown_signals;
use super::{SHUTDOWN_STEP_TIMEOUT, runtime};
use crate::app::App;
use crate::auth::AuthMode;
use crate::config::Settings;
use crate::privacy::audit::Destination;
use crate::server::{self, open_files};
use crate::telemetry::log_queue::write_with_timeout;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::{self, Telemetry};

/// Runs the gateway until a signal stops it.
pub fn run(file: Option<&Path>) -> anyhow::Result<()> {
    let runtime = runtime()?;
    let ready = runtime.block_on(preflight::serving(file))?;
    let settings = &ready.settings;
    // Outside of the runtime: the thread that sends spans must not be started within it.
    let telemetry = telemetry::start(&settings.log.lines, settings.traces.settings()?.as_ref())?;
    let served = runtime.block_on(serve(ready, file, &telemetry));
    // The blocking threads read small files only. The process does not wait longer for them.
    runtime.shutdown_timeout(SHUTDOWN_STEP_TIMEOUT);
    telemetry.shutdown(SHUTDOWN_STEP_TIMEOUT);
    served
}

async fn serve(ready: Ready, file: Option<&Path>, telemetry: &Telemetry) -> anyhow::Result<()> {
    let Ready { settings, in_force, listeners, sandbox, tls } = ready;
    let metrics = Metrics::install().context("the metrics cannot be recorded")?;
    tokio::spawn(metrics.clone().run_upkeep());
    let (address, admin_address) = (listeners.public.local_addr()?, listeners.admin.local_addr()?);
    let (stop, stop_now) = shutdown_signals()?;
    // From here on SIGHUP does not end the process.
    let hangup = signal(SignalKind::hangup()).context("SIGHUP cannot be listened for")?;
    // The sandbox stops after the gateway, so that running writes still reach it.
    let sandbox_stop = CancellationToken::new();
    let (base_url, sandbox) = match settings.upstream.base_url()? {
        Some(url) => {
            if settings.has_to_prove_sandbox() {
                match stop.run_until_cancelled(prove_sandbox(&url)).await {
                    Some(proven) => proven?,
                    None => return Ok(()),
                }
            }
            (url, None)
        }
        None => {
            let listener = sandbox.context("the sandbox has no listener")?;
            let url = Url::parse(&format!("http://{}", listener.local_addr()?))?;
            let task = tokio::spawn(run_sandbox(listener, settings.clone(), sandbox_stop.clone()));
            (url, Some(task))
        }
    };
    let app = Arc::new(App::new(&settings, base_url.clone())?.with_metrics(metrics));
    let force_stop = app.services.force_stop.clone();
    tokio::spawn(async move {
        stop_now.cancelled().await;
        warn!("second signal: stopping now");
        force_stop.cancel();
    });
    let reload = Reload {
        app: Arc::clone(&app),
        level: telemetry.level.clone(),
        tls: tls.clone(),
        file: file.map(Path::to_owned),
        settings: settings.clone(),
        started_with: in_force,
    };
    tokio::spawn(reload.run(hangup));
    warn_about_port_variable(settings.server.listen);
    let greeting = greeting(&settings, address, admin_address, tls.is_some(), &base_url, sandbox.is_some());
    match settings.audit_destination()? {
        // Audit records on standard output are not mixed with other text.
        Destination::Stdout => write_with_timeout(OUTPUT_TIMEOUT, io::stderr(), greeting + "\n"),
        Destination::Off | Destination::File(_) => write_with_timeout(OUTPUT_TIMEOUT, io::stdout(), greeting + "\n"),
    }
    // Each call in flight is a connection. The embedded sandbox holds its other end.
    let upstream = settings.upstream.concurrency.max_in_flight * if sandbox.is_some() { 2 } else { 1 };
    let connections = open_files::allocate(settings.server.max_connections, upstream)?;
    let served = server::serve(Arc::clone(&app), listeners, settings.server, connections, tls, stop).await;
    app.services.audit.flush(SHUTDOWN_STEP_TIMEOUT).await;
    served?;
    sandbox_stop.cancel();
    if let Some(sandbox) = sandbox {
        sandbox.await.context("the sandbox failed")??;
    }
    Ok(())
}

/// Some platforms set `PORT` to the port that a program should use. The gateway does not read it, because that would expose a
/// gateway that is meant for this machine to the network. It logs a warning instead.
fn warn_about_port_variable(listen: SocketAddr) {
    let Ok(port) = std::env::var("PORT") else { return };
    match port.trim().parse::<u16>() {
        Ok(port) if port == listen.port() => {}
        Ok(port) => warn!(
            %listen,
            "the variable PORT is not read: set GATEWAY__SERVER__LISTEN=0.0.0.0:{port} to listen on the port of the platform"
        ),
        Err(_) => warn!(%listen, "the variable PORT is not read: set GATEWAY__SERVER__LISTEN to an address and a port"),
    }
}

/// The start message: addresses, authentication, upstream, and a first query.
fn greeting(
    settings: &Settings,
    address: SocketAddr,
    admin: SocketAddr,
    tls: bool,
    upstream: &Url,
    embedded: bool,
) -> String {
    let scheme = if tls { "https" } else { "http" };
    let who = match settings.auth.mode {
        AuthMode::Sandbox => "all, with every permission (auth.mode = \"sandbox\")",
        AuthMode::Passthrough => "with a key of the Customers API (auth.mode = \"passthrough\")",
        AuthMode::Jwt => "with a token of your identity provider (auth.mode = \"jwt\")",
    };
    let data = if embedded {
        format!("{upstream} — the embedded sandbox; all its people are made up, and changes are lost at the end")
    } else {
        upstream.to_string()
    };
    let playground = if settings.has_playground() {
        format!("{scheme}://{address}/graphiql")
    } else {
        "no playground (playground.enabled)".to_owned()
    };
    format!(
        "Customers Gateway {version}\n  \
           GraphQL   {scheme}://{address}/graphql\n  \
           browser   {playground}\n  \
           admin     http://{admin}/readyz and /metrics\n  \
           callers   {who}\n  \
           upstream  {data}\n  \
           try       curl {scheme}://{address}/graphql -H 'content-type: application/json' \
           -d '{{\"query\":\"{{ customers(first: 3) {{ totalCount nodes {{ id name status }} }} }}\"}}'",
        version = env!("CARGO_PKG_VERSION"),
    )
}
