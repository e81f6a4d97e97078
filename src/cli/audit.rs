//! The command `audit verify`.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Subcommand;

use super::output::print;
use crate::privacy::audit::verify::verify;

#[derive(Subcommand, Clone, Debug)]
pub enum AuditCommand {
    /// Verify that no record of an audit file was changed, moved or removed.
    Verify {
        /// The file.
        file: PathBuf,
    },
}

/// Runs the command.
pub fn run(command: &AuditCommand) -> anyhow::Result<()> {
    match command {
        AuditCommand::Verify { file } => verify_file(file),
    }
}

/// Verifies an audit file from its first line to its last.
fn verify_file(path: &Path) -> anyhow::Result<()> {
    let name = path.display();
    let file = File::open(path).with_context(|| format!("{name} cannot be opened"))?;
    let whole = verify(BufReader::new(file)).with_context(|| format!("{name} is not whole"))?;
    let Some((first, last)) = whole.times else { return print(&format!("{name} contains no records.")) };
    print(&format!(
        "{name} is whole: {records} records, from {first} to {last}.\n\
         The last hash is {hash}. Records that were removed from the end leave a valid file: compare this hash with \
         the one that you store elsewhere.",
        records = whole.records,
        hash = whole.last_hash,
    ))
}
