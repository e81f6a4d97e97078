//! `[audit]`: where audit records are written.

use serde::Deserialize;

use super::Error;
use crate::privacy::audit::{Destination, Settings};

/// `[audit]`
#[derive(Clone, Debug, Deserialize)]
pub struct Audit {
    destination: String,
    #[serde(flatten)]
    pub writing: Settings,
}

impl Audit {
    /// Where records are written. `real` is whether the data of the upstream is real.
    ///
    /// # Errors
    /// Real data would be read and changed without audit records, or the destination is not a regular file.
    pub fn destination(&self, real: bool) -> Result<Destination, Error> {
        match self.destination.trim() {
            "" | "off" if real => {
                let problem =
                    "audit records are required in front of a real upstream: set it to a file, or to `stdout`";
                Err(Error::invalid("audit.destination", problem))
            }
            "" | "off" => Ok(Destination::Off),
            "stdout" => Ok(Destination::Stdout),
            path => {
                // A missing file is created. Other types of files could not be read back, or would block.
                if std::fs::metadata(path).is_ok_and(|found| !found.is_file()) {
                    let problem = format!("{path} is not a regular file: set it to a file, or to `stdout`");
                    return Err(Error::invalid("audit.destination", &problem));
                }
                Ok(Destination::File(path.into()))
            }
        }
    }
}
