//! The commands: `serve` (where none is given), `sandbox`, `schema`, `check-config`, `health`, `audit verify`.

mod preflight;
mod prove_sandbox;
mod reload;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use secrecy::ExposeSecret;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use url::Url;

use preflight::Ready;
use reload::Reload;

use crate::app::App;
use crate::auth::AuthMode;
use crate::config::Settings;
use crate::privacy::audit::Destination;
use crate::privacy::audit::verify::verify;
use crate::server::{self, open_files};
use crate::telemetry::Telemetry;
use crate::telemetry::log_queue::write_with_timeout;
use crate::telemetry::metrics::Metrics;
use crate::{graphql, telemetry};

/// A GraphQL gateway over the Customers API, made for personal data.
#[derive(Parser, Debug)]
#[command(version, about)]
pub struct Arguments {
    /// A TOML file with settings that differ from the defaults; see config/default.toml for all there are.
    // A path would be refused by the parser where it is empty, in lines of its own.
    #[arg(long, value_name = "FILE", env = "GATEWAY_CONFIG", global = true)]
    config: Option<OsString>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand, Clone, Debug)]
enum Command {
    /// Serve GraphQL; with no upstream set, over the embedded sandbox. The default.
    Serve,
    /// Run the sandbox alone: the Customers API with made-up people, in memory.
    Sandbox,
    /// Print the GraphQL schema.
    Schema {
        /// As a subgraph of Apollo Federation, for composing a supergraph.
        #[arg(long)]
        federation: bool,
    },
    /// Read the settings and say what is in force, and where each setting comes from; secrets are not shown.
    CheckConfig,
    /// Ask a running gateway whether it lives; for container platforms.
    Health {
        /// Its admin listener. Without it, `server.admin_listen` of the settings; no other setting is looked at.
        address: Option<SocketAddr>,
    },
    /// Work with audit records.
    Audit {
        #[command(subcommand)]
        command: AuditCommand,
    },
}

#[derive(Subcommand, Clone, Debug)]
enum AuditCommand {
    /// Say whether an audit file is whole: that no record was changed, moved or taken out.
    Verify {
        /// The file.
        file: PathBuf,
    },
}

impl Arguments {
    fn file(&self) -> Option<&Path> {
        self.config.as_deref().map(Path::new)
    }
}

/// Runs what the arguments ask for.
///
/// # Errors
/// Names what is wrong, in one line for each.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let command = arguments.command.as_ref().unwrap_or(&Command::Serve);
    match command {
        Command::Schema { federation: false } => return print(graphql::sdl().trim_end()),
        Command::Schema { federation: true } => return print(graphql::subgraph_sdl().trim_end()),
        Command::Audit { command: AuditCommand::Verify { file } } => return verify_audit(file),
        Command::Health { address: Some(address) } => return runtime()?.block_on(health(*address)),
        Command::Health { address: None } => {
            return runtime()?.block_on(health(Settings::admin_listen(arguments.file())?));
        }
        Command::Serve | Command::Sandbox | Command::CheckConfig => {}
    }
    let file = arguments.file();
    match command {
        Command::Serve => {
            let runtime = runtime()?;
            let ready = runtime.block_on(preflight::serving(file))?;
            let settings = &ready.settings;
            // Outside of the runtime: the thread that sends spans must not be made within it.
            let telemetry = telemetry::start(&settings.log.lines, settings.traces.settings()?.as_ref())?;
            let served = runtime.block_on(serve(ready, file, &telemetry));
            // What runs on the threads for blocking calls is reads of small files; it is not waited for longer.
            runtime.shutdown_timeout(SHUTDOWN_STEP_TIMEOUT);
            telemetry.shutdown(SHUTDOWN_STEP_TIMEOUT);
            served
        }
        Command::Sandbox => {
            let (settings, listener) = preflight::sandbox(file)?;
            let telemetry = telemetry::start(&settings.log.lines, None)?;
            let served = runtime()?.block_on(serve_sandbox(settings, listener));
            telemetry.shutdown(SHUTDOWN_STEP_TIMEOUT);
            served
        }
        Command::CheckConfig => check_config(file),
        Command::Schema { .. } | Command::Audit { .. } | Command::Health { .. } => Ok(()),
    }
}

/// Reads an audit file from its first line to its last.
fn verify_audit(path: &Path) -> anyhow::Result<()> {
    let name = path.display();
    let file = File::open(path).with_context(|| format!("{name} cannot be opened"))?;
    let whole = verify(BufReader::new(file)).with_context(|| format!("{name} is not whole"))?;
    let Some((first, last)) = whole.times else { return print(&format!("{name} holds no record.")) };
    print(&format!(
        "{name} is whole: {records} records, from {first} to {last}.\n\
         The last hash is {hash}. Records that were taken off the end leave a file that is whole: compare this hash \
         with the one that you keep elsewhere.",
        records = whole.records,
        hash = whole.last_hash,
    ))
}

/// How long each of the last steps of the end may take, after the drain: records, threads, spans.
const SHUTDOWN_STEP_TIMEOUT: Duration = Duration::from_secs(3);

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the runtime cannot be started")
}

/// How long the start waits until the greeting is written, and the exit until its error is: not for a reader that stands
/// still.
const OUTPUT_TIMEOUT: Duration = Duration::from_millis(500);

/// Writes one line on standard error: what failed, then why.
pub fn print_error(error: &anyhow::Error) {
    write_with_timeout(OUTPUT_TIMEOUT, io::stderr(), format!("customers-gateway: {error:#}\n"));
}

/// Writes what a command was asked for.
fn print(text: &str) -> anyhow::Result<()> {
    match writeln!(io::stdout(), "{text}") {
        // The reader has all that it wanted, as `head` does after ten lines.
        Err(gone) if gone.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("standard output cannot be written"),
    }
}

async fn serve(ready: Ready, file: Option<&Path>, telemetry: &Telemetry) -> anyhow::Result<()> {
    let Ready { settings, in_force, listeners, sandbox, tls } = ready;
    let metrics = Metrics::install().context("the metrics cannot be recorded")?;
    tokio::spawn(metrics.clone().run_upkeep());
    let (address, admin_address) = (listeners.public.local_addr()?, listeners.admin.local_addr()?);
    let (stop, at_once) = shutdown_signals()?;
    // From here on it no longer ends the process.
    let hangup = signal(SignalKind::hangup()).context("SIGHUP cannot be listened for")?;
    // The sandbox outlives the gateway: writes that are under way still reach it.
    let sandbox_stop = CancellationToken::new();
    let (base_url, sandbox) = match settings.upstream.base_url()? {
        Some(url) => {
            if settings.has_to_prove_sandbox() {
                match stop.run_until_cancelled(prove_sandbox::prove_sandbox(&url)).await {
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
    let cut = app.services.force_stop.clone();
    tokio::spawn(async move {
        at_once.cancelled().await;
        warn!("a second signal: what is still under way is cut");
        cut.cancel();
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
        // Where records go to standard output, nothing else does.
        Destination::Stdout => write_with_timeout(OUTPUT_TIMEOUT, io::stderr(), greeting + "\n"),
        Destination::Off | Destination::File(_) => write_with_timeout(OUTPUT_TIMEOUT, io::stdout(), greeting + "\n"),
    }
    // Each call in flight is a connection; the embedded sandbox is at its other end.
    let upstream = settings.upstream.concurrency.max_in_flight * if sandbox.is_some() { 2 } else { 1 };
    let connections = open_files::allocate(settings.server.max_connections, upstream)?;
    let served = server::serve(Arc::clone(&app), listeners, settings.server, connections, tls, stop).await;
    app.services.audit.flush(SHUTDOWN_STEP_TIMEOUT).await;
    served?;
    sandbox_stop.cancel();
    if let Some(sandbox) = sandbox {
        sandbox.await.context("the sandbox broke")??;
    }
    Ok(())
}

/// Some platforms say by `PORT` where a program should listen. It would open a gateway to the network that was meant for
/// this machine, so it is not read, and not passed over in silence either.
fn warn_about_port_variable(listen: SocketAddr) {
    let Ok(port) = std::env::var("PORT") else { return };
    match port.trim().parse::<u16>() {
        Ok(port) if port == listen.port() => {}
        Ok(port) => warn!(
            %listen,
            "the variable PORT is not read: set GATEWAY__SERVER__LISTEN=0.0.0.0:{port} to listen where the platform asks"
        ),
        Err(_) => warn!(%listen, "the variable PORT is not read: set GATEWAY__SERVER__LISTEN to an address and a port"),
    }
}

/// What somebody who starts the gateway wants to know first.
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
        AuthMode::Sandbox => "anybody, with every permission (auth.mode = \"sandbox\")",
        AuthMode::Passthrough => "whoever brings a key of the Customers API (auth.mode = \"passthrough\")",
        AuthMode::Jwt => "whoever brings a token of your identity provider (auth.mode = \"jwt\")",
    };
    let data = if embedded {
        format!("{upstream} — the embedded sandbox; all people in it are made up, and changes are gone at the end")
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

async fn serve_sandbox(settings: Settings, listener: TcpListener) -> anyhow::Result<()> {
    let greeting = format!(
        "Sandbox of the Customers API\n  \
           API      http://{address}/v1/customers (any bearer token is a key with a world of its own)\n  \
           control  http://{address}/_sandbox/calls, writes, faults, latency, customers, webhook, reset (sandbox/README.md)\n  \
           All people in it are made up, and changes are gone at the end.\n",
        address = listener.local_addr()?,
    );
    write_with_timeout(OUTPUT_TIMEOUT, io::stdout(), greeting);
    let (stop, _at_once) = shutdown_signals()?;
    run_sandbox(listener, settings, stop).await
}

async fn run_sandbox(listener: TcpListener, settings: Settings, stop: CancellationToken) -> anyhow::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let default_key = settings.upstream.api_key.expose_secret().to_owned();
    customers_sandbox::serve(listener, customers_sandbox::Settings { default_key }, stop)
        .await
        .context("the sandbox broke")
}

/// Cancelled by SIGTERM or SIGINT: the first of them, and the second one, from somebody who cannot wait.
fn shutdown_signals() -> anyhow::Result<(CancellationToken, CancellationToken)> {
    let (stop, at_once) = (CancellationToken::new(), CancellationToken::new());
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let tokens = [stop.clone(), at_once.clone()];
    tokio::spawn(async move {
        for token in tokens {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            token.cancel();
        }
    });
    Ok((stop, at_once))
}

/// Says every setting and where it comes from, as a file that could be used; then the few that matter most.
fn check_config(file: Option<&Path>) -> anyhow::Result<()> {
    let settings = runtime()?.block_on(preflight::looking(file))?;
    let in_force = Settings::effective(file)?;
    let lines: Vec<(String, &str)> =
        in_force.iter().map(|setting| (format!("{} = {}", setting.name, setting.value), &*setting.origin)).collect();
    // What is not a default is what somebody looks for: its origin stands beside it.
    let widest = lines.iter().map(|(line, _)| line.chars().count()).filter(|width| *width < 60).max().unwrap_or(0);
    for (line, origin) in &lines {
        print(&format!("{line:widest$}  # {origin}"))?;
    }
    let upstream = settings.upstream.base_url()?;
    let upstream = upstream.map_or_else(|| "the embedded sandbox".to_owned(), |url| url.to_string());
    print(&format!(
        "\nThe settings can be used.\n  \
           GraphQL   {}\n  admin     {}\n  callers   {}\n  upstream  {upstream}",
        settings.server.listen, settings.server.admin_listen, settings.auth.mode,
    ))
}

/// Asks the admin listener of a gateway on this machine.
async fn health(listen: SocketAddr) -> anyhow::Result<()> {
    let host = match listen.ip() {
        IpAddr::V4(address) if address.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(address) if address.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        address => address,
    };
    let url = format!("http://{}/livez", SocketAddr::new(host, listen.port()));
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build()?;
    let answer = client.get(&url).send().await.with_context(|| format!("no answer from {url}"))?;
    if !answer.status().is_success() {
        bail!("{url} answered {}", answer.status());
    }
    print("ok")
}
