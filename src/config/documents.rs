//! `[documents]`: trusted documents.

use std::path::Path;

use serde::Deserialize;

use super::Error;
use crate::operation::document::trusted::{Enforcement, Manifest, TrustedDocuments};
use crate::setting;

/// `[documents]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Documents {
    #[serde(deserialize_with = "setting::word")]
    pub mode: Enforcement,
    manifest: String,
    automatic_max_bytes: u64,
}

impl Documents {
    /// The trusted documents.
    ///
    /// # Errors
    /// The manifest is invalid, or `documents.mode` needs one and it is missing.
    pub fn trusted(&self) -> Result<TrustedDocuments, Error> {
        Ok(TrustedDocuments::new(self.mode, self.manifest()?, self.automatic_max_bytes))
    }

    /// The manifest, as the file has it now.
    ///
    /// # Errors
    /// The manifest is invalid, or `documents.mode` needs one and it is missing.
    pub fn manifest(&self) -> Result<Manifest, Error> {
        match self.manifest.trim() {
            "" if self.mode == Enforcement::Off => Ok(Manifest::default()),
            "" => Err(Error::invalid("documents.manifest", "set it to the file that lists the trusted documents")),
            path => Manifest::load(Path::new(path))
                .map_err(|error| Error::invalid("documents.manifest", &format!("{path} {error}"))),
        }
    }
}
