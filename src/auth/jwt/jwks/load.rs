//! One load of keys: a call to the provider, or a read of a file. Both are limited in size and in time.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jsonwebtoken::Algorithm;
use url::Url;

use crate::auth::jwt::keys::{KeySet, KeySetError};
use crate::outbound::{self, ConnectFailure, Proxy};

/// Key sets have some kilobytes; with certificate chains, some tens of kilobytes.
const MAX_KEY_SET_BYTES: usize = 256 * 1024;

/// The timeout of a call to the provider, connecting included. It is below the default deadline of a request that
/// waits for it.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Where keys are loaded from.
#[derive(Debug)]
pub struct KeyLoader {
    location: Location,
    allowed: Vec<Algorithm>,
}

#[derive(Debug)]
enum Location {
    Url { http: reqwest::Client, url: Url },
    File { path: PathBuf, seen: Option<FileStamp>, first: Option<KeySet> },
}

/// Identifies one version of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct FileStamp {
    modified: Option<SystemTime>,
    length: u64,
}

/// The result of a load.
#[derive(Debug)]
pub enum LoadedKeys {
    Keys(KeySet),
    /// The file has not changed since the last load.
    Unchanged,
}

/// The keys cannot be loaded at startup.
#[derive(Debug, thiserror::Error)]
pub enum KeyStoreError {
    #[error("the key file {0}")]
    File(KeyLoadError),
    #[error("HTTPS cannot be set up on this machine")]
    Https(#[source] reqwest::Error),
}

/// Why a load failed, without addresses and contents.
#[derive(Debug, thiserror::Error)]
pub enum KeyLoadError {
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    #[error("is larger than 256 KiB")]
    TooLarge,
    #[error("{0}")]
    Unusable(#[from] KeySetError),
    #[error("the provider did not answer in time")]
    TimedOut,
    #[error("the provider cannot be reached: {0}")]
    Unreachable(ConnectFailure),
    #[error("the provider answered with status {0}")]
    Status(u16),
    #[error("the connection broke during the provider's response")]
    ConnectionLost,
}

impl KeyLoader {
    /// A loader of a published key set.
    ///
    /// # Errors
    /// If TLS or DNS cannot be set up on this machine.
    pub fn jwks(url: Url, proxy: Option<&Proxy>, allowed: Vec<Algorithm>) -> Result<Self, KeyStoreError> {
        let http = outbound::client(&url, proxy).and_then(|client| client.timeout(CALL_TIMEOUT).build());
        let http = http.map_err(KeyStoreError::Https)?;
        Ok(Self { location: Location::Url { http, url }, allowed })
    }

    /// A loader of a file of public keys, which is read once before this function returns.
    ///
    /// # Errors
    /// If the file cannot be used.
    pub fn file(path: PathBuf, allowed: Vec<Algorithm>) -> Result<Self, KeyStoreError> {
        let (stamp, keys) = read_key_file(&path, None, &allowed).map_err(KeyStoreError::File)?;
        Ok(Self { location: Location::File { path, seen: Some(stamp), first: keys }, allowed })
    }

    /// The keys that exist before the first load.
    pub fn initial_keys(&self) -> Option<KeySet> {
        match &self.location {
            Location::File { first, .. } => first.clone(),
            Location::Url { .. } => None,
        }
    }

    /// Loads the keys.
    pub async fn load(&mut self) -> Result<LoadedKeys, KeyLoadError> {
        match &mut self.location {
            Location::Url { http, url } => {
                Ok(LoadedKeys::Keys(KeySet::from_jwks(&fetch_jwks(http, url).await?, &self.allowed)?))
            }
            Location::File { path, seen, .. } => {
                let (path, before, allowed) = (path.clone(), *seen, self.allowed.clone());
                // The stamp is cleared first, so that after a failed read the same version of the file is read again.
                *seen = None;
                let read = tokio::task::spawn_blocking(move || read_key_file(&path, before, &allowed)).await;
                let (stamp, keys) = read.map_err(|error| KeyLoadError::Unreadable(io::Error::other(error)))??;
                *seen = Some(stamp);
                Ok(keys.map_or(LoadedKeys::Unchanged, LoadedKeys::Keys))
            }
        }
    }
}

/// Checks that a file's keys can be used.
///
/// # Errors
/// Why they cannot be used.
pub fn check_file(path: &Path, allowed: &[Algorithm]) -> Result<(), KeyLoadError> {
    read_key_file(path, None, allowed).map(|_| ())
}

async fn fetch_jwks(http: &reqwest::Client, url: &Url) -> Result<Vec<u8>, KeyLoadError> {
    let class = |error: reqwest::Error| match error {
        error if error.is_connect() => KeyLoadError::Unreachable(ConnectFailure::from_reqwest(&error)),
        error if error.is_timeout() => KeyLoadError::TimedOut,
        _ => KeyLoadError::ConnectionLost,
    };
    let mut response = http.get(url.clone()).header("accept", "application/json").send().await.map_err(class)?;
    if response.status() != http::StatusCode::OK {
        return Err(KeyLoadError::Status(response.status().as_u16()));
    }
    let mut body = Vec::new();
    let class =
        |error: reqwest::Error| if error.is_timeout() { KeyLoadError::TimedOut } else { KeyLoadError::ConnectionLost };
    while let Some(chunk) = response.chunk().await.map_err(class)? {
        if body.len() + chunk.len() > MAX_KEY_SET_BYTES {
            return Err(KeyLoadError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The keys of a file, and its stamp. No keys if the stamp equals the one seen before.
fn read_key_file(
    path: &Path,
    seen: Option<FileStamp>,
    allowed: &[Algorithm],
) -> Result<(FileStamp, Option<KeySet>), KeyLoadError> {
    let file = File::open(path).map_err(KeyLoadError::Unreadable)?;
    // The metadata of the open file, not of the path: the file at the path may be replaced at any moment.
    let about = file.metadata().map_err(KeyLoadError::Unreadable)?;
    let stamp = FileStamp { modified: about.modified().ok(), length: about.len() };
    if seen == Some(stamp) {
        return Ok((stamp, None));
    }
    let mut text = String::new();
    file.take(MAX_KEY_SET_BYTES as u64 + 1).read_to_string(&mut text).map_err(KeyLoadError::Unreadable)?;
    if text.len() > MAX_KEY_SET_BYTES {
        return Err(KeyLoadError::TooLarge);
    }
    Ok((stamp, Some(KeySet::from_pem(&text, allowed)?)))
}
