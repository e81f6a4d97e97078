//! One load of keys: a call to the provider, or a look at a file. Both are bounded in size and in time.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jsonwebtoken::Algorithm;
use url::Url;

use crate::auth::jwt::keys::{KeySet, Unusable};
use crate::outbound::{self, ConnectFailure, Proxy};

/// Key sets are some kilobytes, with certificate chains some tens.
const MOST_BYTES: usize = 256 * 1024;

/// A whole call to the provider, its connection included: below the default deadline of a request that waits for it.
const LONGEST_CALL: Duration = Duration::from_secs(5);

/// Where keys are loaded from.
#[derive(Debug)]
pub struct Source {
    place: Place,
    allowed: Vec<Algorithm>,
}

#[derive(Debug)]
enum Place {
    Url { http: reqwest::Client, url: Url },
    File { path: PathBuf, seen: Option<Stamp>, first: Option<KeySet> },
}

/// What tells one content of a file from the next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
}

/// What a load brought.
#[derive(Debug)]
pub enum Loaded {
    Keys(KeySet),
    /// The file is the one that was read before.
    Unchanged,
}

/// Keys that cannot be had at the start.
#[derive(Debug, thiserror::Error)]
pub enum CannotStart {
    #[error("the key file {0}")]
    File(Failed),
    #[error("HTTPS cannot be set up on this machine")]
    Https(#[source] reqwest::Error),
}

/// Why a load failed, without addresses and contents.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    #[error("is larger than 256 KiB")]
    TooLarge,
    #[error("{0}")]
    Unusable(#[from] Unusable),
    #[error("the provider did not answer in time")]
    Slow,
    #[error("the provider cannot be reached: {0}")]
    Unreachable(ConnectFailure),
    #[error("the provider answered with status {0}")]
    Status(u16),
    #[error("the provider's answer broke off")]
    Broken,
}

impl Source {
    /// A published key set.
    ///
    /// # Errors
    /// Where TLS or DNS cannot be set up on this machine.
    pub fn jwks(url: Url, proxy: Option<&Proxy>, allowed: Vec<Algorithm>) -> Result<Self, CannotStart> {
        let http = outbound::client(&url, proxy).and_then(|client| client.timeout(LONGEST_CALL).build());
        let http = http.map_err(CannotStart::Https)?;
        Ok(Self { place: Place::Url { http, url }, allowed })
    }

    /// A file of public keys, read once before this returns.
    ///
    /// # Errors
    /// Where it cannot be used.
    pub fn file(path: PathBuf, allowed: Vec<Algorithm>) -> Result<Self, CannotStart> {
        let (stamp, keys) = read(&path, None, &allowed).map_err(CannotStart::File)?;
        Ok(Self { place: Place::File { path, seen: Some(stamp), first: keys }, allowed })
    }

    /// The keys that are there before the first load.
    pub fn first(&self) -> Option<KeySet> {
        match &self.place {
            Place::File { first, .. } => first.clone(),
            Place::Url { .. } => None,
        }
    }

    /// Loads.
    pub async fn load(&mut self) -> Result<Loaded, Failed> {
        match &mut self.place {
            Place::Url { http, url } => Ok(Loaded::Keys(KeySet::of_jwks(&fetch(http, url).await?, &self.allowed)?)),
            Place::File { path, seen, .. } => {
                let (path, before, allowed) = (path.clone(), *seen, self.allowed.clone());
                // Forgotten first: a file that comes back as it was after a failure is read again.
                *seen = None;
                let read = tokio::task::spawn_blocking(move || read(&path, before, &allowed)).await;
                let (stamp, keys) = read.map_err(|error| Failed::Unreadable(io::Error::other(error)))??;
                *seen = Some(stamp);
                Ok(keys.map_or(Loaded::Unchanged, Loaded::Keys))
            }
        }
    }
}

/// Whether a file's keys can be used.
///
/// # Errors
/// Why they cannot.
pub fn check_file(path: &Path, allowed: &[Algorithm]) -> Result<(), Failed> {
    read(path, None, allowed).map(|_| ())
}

async fn fetch(http: &reqwest::Client, url: &Url) -> Result<Vec<u8>, Failed> {
    let class = |error: reqwest::Error| match error {
        error if error.is_connect() => Failed::Unreachable(ConnectFailure::from_reqwest(&error)),
        error if error.is_timeout() => Failed::Slow,
        _ => Failed::Broken,
    };
    let mut response = http.get(url.clone()).header("accept", "application/json").send().await.map_err(class)?;
    if response.status() != http::StatusCode::OK {
        return Err(Failed::Status(response.status().as_u16()));
    }
    let mut body = Vec::new();
    let class = |error: reqwest::Error| if error.is_timeout() { Failed::Slow } else { Failed::Broken };
    while let Some(chunk) = response.chunk().await.map_err(class)? {
        if body.len() + chunk.len() > MOST_BYTES {
            return Err(Failed::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The keys of a file, and its stamp; no keys where the stamp is the one seen before.
fn read(path: &Path, seen: Option<Stamp>, allowed: &[Algorithm]) -> Result<(Stamp, Option<KeySet>), Failed> {
    let file = File::open(path).map_err(Failed::Unreadable)?;
    // Of the open file and not of the path: it may be put in place of another at any moment.
    let about = file.metadata().map_err(Failed::Unreadable)?;
    let stamp = Stamp { modified: about.modified().ok(), length: about.len() };
    if seen == Some(stamp) {
        return Ok((stamp, None));
    }
    let mut text = String::new();
    file.take(MOST_BYTES as u64 + 1).read_to_string(&mut text).map_err(Failed::Unreadable)?;
    if text.len() > MOST_BYTES {
        return Err(Failed::TooLarge);
    }
    Ok((stamp, Some(KeySet::of_pem(&text, allowed)?)))
}
