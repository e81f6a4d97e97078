//! The commands: `serve` (where none is given), `sandbox`, `schema`, `check-config`, `health`, `audit verify`. Each has its
//! own file.

mod audit;
mod check_config;
mod health;
mod output;
mod preflight;
mod prove_sandbox;
mod reload;
mod sandbox;
mod schema;
mod serve;
mod signals;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};
use tokio::runtime::Runtime;

pub use output::print_error;

/// A GraphQL gateway in front of the Customers API.
#[derive(Parser, Debug)]
#[command(version, about)]
pub struct Arguments {
    /// A TOML file with settings that differ from the defaults; config/default.toml has all settings.
    // Not a path, because the parser rejects an empty path in its own format.
    #[arg(long, value_name = "FILE", env = "GATEWAY_CONFIG", global = true)]
    config: Option<OsString>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand, Clone, Debug)]
enum Command {
    /// Serve GraphQL; without an upstream, over the embedded sandbox. The default.
    Serve,
    /// Run only the sandbox: the Customers API with made-up people, in memory.
    Sandbox,
    /// Print the GraphQL schema.
    Schema {
        /// As a subgraph of Apollo Federation, to compose a supergraph.
        #[arg(long)]
        federation: bool,
    },
    /// Check the settings, and print each setting in force and its source. Secrets are not shown.
    CheckConfig,
    /// Check that a running gateway is alive; for container platforms.
    Health {
        /// The admin address. Without it, `server.admin_listen` of the settings; other settings are not read.
        address: Option<SocketAddr>,
    },
    /// Work with audit records.
    Audit {
        #[command(subcommand)]
        command: audit::AuditCommand,
    },
}

/// Runs the command of the arguments.
///
/// # Errors
/// The command failed. The text has a line for each problem.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    // An empty path is refused with the other problems of the settings.
    let file = arguments.config.as_deref().map(Path::new);
    match arguments.command.as_ref().unwrap_or(&Command::Serve) {
        Command::Serve => serve::run(file),
        Command::Sandbox => sandbox::run(file),
        Command::Schema { federation } => schema::run(*federation),
        Command::CheckConfig => check_config::run(file),
        Command::Health { address } => health::run(*address, file),
        Command::Audit { command } => audit::run(command),
    }
}

/// The time limit of each step after the drain: audit records, blocking threads, spans.
const SHUTDOWN_STEP_TIMEOUT: Duration = Duration::from_secs(3);

fn runtime() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the runtime cannot be started")
}
