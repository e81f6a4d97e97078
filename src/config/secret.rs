//! Secrets from files, as platforms mount them.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::error::{Error, Problems};
use super::settings::Settings;
use super::sources::trim_line_breaks;

/// A secret and its file. The path is empty if no file is set.
struct SecretSetting<'a> {
    /// The name of the setting `…_file`.
    name: &'static str,
    file: PathBuf,
    value: &'a mut SecretString,
}

impl Settings {
    /// The same settings, with the secrets that the files contain now.
    ///
    /// # Errors
    /// A file cannot be read, or its secret is invalid.
    pub fn with_reloaded_secrets(&self) -> Result<Self, Error> {
        let mut again = self.clone();
        again.read_secrets()?;
        again.check(&|_| true)?;
        Ok(again)
    }

    /// The names of the secrets that differ between the two settings, without `_file`.
    pub fn differing_secrets(&self, other: &Self) -> Vec<&'static str> {
        let (mut these, mut those) = (self.clone(), other.clone());
        let pairs = these.secrets().into_iter().zip(those.secrets());
        let differing = pairs.filter(|(one, other)| one.value.expose_secret() != other.value.expose_secret());
        differing.map(|(secret, _)| secret.name.trim_end_matches("_file")).collect()
    }

    /// The files that the process watches: of secrets, of the certificate and of its key.
    pub fn watched_files(&self) -> Vec<PathBuf> {
        let mut settings = self.clone();
        let mut files: Vec<PathBuf> = settings
            .secrets()
            .iter()
            .map(|secret| secret.file.clone())
            .filter(|file| !file.as_os_str().is_empty())
            .collect();
        if let Ok(Some((certificate, key))) = self.server.tls() {
            files.extend([certificate.to_owned(), key.to_owned()]);
        }
        files
    }

    /// Each secret and its file.
    fn secrets(&mut self) -> [SecretSetting<'_>; 5] {
        let place = |name, file: &PathBuf, value| SecretSetting { name, file: file.clone(), value };
        let upstream = &mut self.upstream;
        let (log, jwt, traces) = (&mut self.log, &mut self.auth.jwt, &mut self.traces);
        [
            place("upstream.api_key_file", &upstream.api_key_file, &mut upstream.api_key),
            place("upstream.proxy_file", &upstream.proxy_file, &mut upstream.proxy),
            place("log.digest_key_file", &log.digest_key_file, &mut log.digest_key),
            place("auth.jwt.secret_file", &jwt.secret_file, &mut jwt.secret),
            place("traces.authorization_file", &traces.authorization_file, &mut traces.authorization),
        ]
    }

    /// Reads the secrets that come from files.
    pub(super) fn read_secrets(&mut self) -> Result<(), Error> {
        let mut problems = Problems::default();
        for secret in self.secrets() {
            if !secret.file.as_os_str().is_empty()
                && let Some(value) = problems.ok_or_record(read_secret_file(secret.name, &secret.file))
            {
                *secret.value = value;
            }
        }
        problems.finish()
    }
}

/// Keys have some hundred bytes. A larger file is the wrong file.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// The secret in a file, without the line break that editors and `echo` append.
fn read_secret_file(name: &str, path: &Path) -> Result<SecretString, Error> {
    let problem = |what: &str| Error::invalid(name, &format!("the file {} {what}", path.display()));
    let unreadable = |error: std::io::Error| problem(&format!("cannot be read: {error}"));
    let file = File::open(path).map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        // Reading a pipe would block.
        return Err(problem("is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(MAX_SECRET_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_SECRET_BYTES {
        return Err(problem("is larger than 64 KiB"));
    }
    let text = String::from_utf8(bytes).map_err(|_| problem("is not UTF-8 text"))?;
    match trim_line_breaks(&text) {
        "" => Err(problem("is empty")),
        secret => Ok(SecretString::from(secret)),
    }
}
