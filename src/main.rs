//! Arguments in, one command, exit code out.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use customers_gateway::cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match cli::run(&cli::Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One line: what failed, then why. Where even that cannot be written, the exit code says it.
            let _written = writeln!(std::io::stderr(), "customers-gateway: {error:#}");
            ExitCode::FAILURE
        }
    }
}
