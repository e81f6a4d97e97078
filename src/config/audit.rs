//! `[audit]`: where it is recorded who saw or changed whom.

use std::time::Duration;

use serde::Deserialize;

use super::{Error, unusable};
use crate::privacy::audit::{Destination, Settings};

/// `[audit]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    destination: String,
    fsync: bool,
    queue: usize,
    #[serde(with = "humantime_serde")]
    timeout: Duration,
}

impl Audit {
    /// How records are written; `real` says whether the people behind the upstream are real.
    ///
    /// # Errors
    /// Where nothing would be recorded of real people, or a bound is zero.
    pub fn settings(&self, real: bool) -> Result<Settings, Error> {
        let destination = match self.destination.trim() {
            "" | "off" if real => {
                let problem = "before a real upstream it has to be recorded who saw or changed whom: \
                    set it to a file, or to `stdout`";
                return Err(unusable("audit.destination", problem));
            }
            "" | "off" => Destination::Off,
            "stdout" => Destination::Stdout,
            path => Destination::File(path.into()),
        };
        if self.queue == 0 {
            return Err(unusable("audit.queue", "must be 1 at least"));
        }
        if self.timeout.is_zero() {
            return Err(unusable("audit.timeout", "must be longer than nothing"));
        }
        Ok(Settings { destination, fsync: self.fsync, queue: self.queue, timeout: self.timeout })
    }
}
