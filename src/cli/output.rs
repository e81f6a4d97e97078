//! Text on standard output and standard error.

use std::io::{self, Write};
use std::time::Duration;

use anyhow::Context;

use crate::telemetry::log_queue::write_with_timeout;

/// The time limit for the start message and for the error before the exit. A reader that has stopped reading does not delay
/// the process longer.
pub(super) const OUTPUT_TIMEOUT: Duration = Duration::from_millis(500);

/// Writes an error and its causes to standard error, in one line.
pub fn print_error(error: &anyhow::Error) {
    write_with_timeout(OUTPUT_TIMEOUT, io::stderr(), format!("customers-gateway: {error:#}\n"));
}

/// Writes the output of a command to standard output.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    match writeln!(io::stdout(), "{text}") {
        // The reader has closed the pipe, as `head` does after ten lines.
        Err(gone) if gone.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("standard output cannot be written"),
    }
}
