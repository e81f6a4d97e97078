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
