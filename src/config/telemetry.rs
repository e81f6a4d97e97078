//! `[log]` and `[traces]`.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::error::{Error, Problems};
use super::header::check_header;
use crate::outbound::is_loopback;
use crate::telemetry::{log, traces};

/// `[log]`
#[derive(Clone, Debug, Deserialize)]
pub struct Log {
    #[serde(flatten)]
    pub lines: log::Settings,
    pub digest_key: SecretString,
    pub(super) digest_key_file: PathBuf,
}

/// With a shorter key, an attacker could find the key by trying all keys.
const MIN_DIGEST_KEY_BYTES: usize = 32;

impl Log {
    pub(super) fn check(&self) -> Result<(), Error> {
        let mut problems = Problems::default();
        problems.ok_or_record(
            log::check_level(&self.lines.level).map_err(|problem| Error::invalid("log.level", &problem.to_string())),
        );
        let length = self.digest_key.expose_secret().len();
        if length > 0 && length < MIN_DIGEST_KEY_BYTES {
            let problem = "must be at least 32 bytes, such as the output of `openssl rand -hex 32`";
            problems.add(Error::invalid("log.digest_key", problem));
        }
        problems.finish()
    }
}

/// `[traces]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traces {
    endpoint: String,
    pub(super) authorization: SecretString,
    pub(super) authorization_file: PathBuf,
    sample_ratio: f64,
    pub trust_incoming: bool,
}

impl Traces {
    /// The settings of the exporter. `None` without an endpoint.
    ///
    /// # Errors
    /// The endpoint or the ratio is invalid, or a credential would be sent unencrypted over a network.
    pub fn settings(&self) -> Result<Option<traces::Settings>, Error> {
        let mut problems = Problems::default();
        if !(0.0..=1.0).contains(&self.sample_ratio) {
            problems.add(Error::invalid("traces.sample_ratio", "must be from 0 to 1"));
        }
        let authorization = Some(&self.authorization).filter(|value| !value.expose_secret().is_empty());
        if let Some(authorization) = authorization.filter(|_| !self.endpoint.trim().is_empty()) {
            problems.ok_or_record(check_header("traces.authorization", authorization));
        }
        let endpoint = problems.ok_or_record(self.endpoint(authorization.is_some()));
        problems.end_with(endpoint).map(|endpoint| {
            endpoint.map(|endpoint| traces::Settings {
                endpoint,
                authorization: authorization.cloned(),
                sample_ratio: self.sample_ratio,
            })
        })
    }

    fn endpoint(&self, has_authorization: bool) -> Result<Option<Url>, Error> {
        let endpoint = self.endpoint.trim();
        if endpoint.is_empty() {
            return Ok(None);
        }
        let url =
            Url::parse(endpoint).map_err(|error| Error::invalid("traces.endpoint", &format!("not a URL: {error}")))?;
        let mut problems = Problems::default();
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            problems.add(Error::invalid(
                "traces.endpoint",
                "must be http or https, such as http://collector:4318/v1/traces",
            ));
        }
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            let problem = "must have no user, password, query or fragment: set traces.authorization to the credential";
            problems.add(Error::invalid("traces.endpoint", problem));
        }
        if has_authorization && url.scheme() == "http" && !is_loopback(&url) {
            problems.add(Error::invalid("traces.endpoint", "must be https if traces.authorization is set"));
        }
        problems.end_with(Some(Some(url)))
    }
}
