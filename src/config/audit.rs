//! `[audit]`: where it is recorded who saw or changed whom.

use std::time::Duration;

use serde::Deserialize;

use super::error::Problems;
use super::{Error, invalid};
use crate::privacy::audit::{Destination, Settings};

/// `[audit]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    destination: String,
    fsync: bool,
    queue_size: usize,
    #[serde(with = "humantime_serde")]
    timeout: Duration,
}

impl Audit {
    /// How records are written; `real` says whether the people behind the upstream are real.
    ///
    /// # Errors
    /// Where nothing would be recorded of real people, what is there is no file, or a bound is zero.
    pub fn settings(&self, real: bool) -> Result<Settings, Error> {
        let mut problems = Problems::default();
        let destination = problems.ok_or_record(self.destination(real));
        if self.queue_size == 0 {
            problems.add(invalid("audit.queue_size", "must be 1 at least"));
        }
        if self.timeout.is_zero() {
            problems.add(invalid("audit.timeout", "must be longer than nothing"));
        }
        problems.end_with(destination.map(|destination| Settings {
            destination,
            fsync: self.fsync,
            queue_size: self.queue_size,
            timeout: self.timeout,
        }))
    }

    pub(super) fn destination(&self, real: bool) -> Result<Destination, Error> {
        match self.destination.trim() {
            "" | "off" if real => {
                let problem = "before a real upstream it has to be recorded who saw or changed whom: \
                    set it to a file, or to `stdout`";
                Err(invalid("audit.destination", problem))
            }
            "" | "off" => Ok(Destination::Off),
            "stdout" => Ok(Destination::Stdout),
            path => {
                // One that is not there yet is made; anything else but a file could not be read back, or waits for ever.
                if std::fs::metadata(path).is_ok_and(|found| !found.is_file()) {
                    let problem = format!(
                        "{path} is no regular file, and what is written there proves nothing: \
                        set it to a file, or to `stdout`"
                    );
                    return Err(invalid("audit.destination", &problem));
                }
                Ok(Destination::File(path.into()))
            }
        }
    }
}
