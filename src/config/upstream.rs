//! `[upstream]`: the Customers API, and how it is called.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;
use uuid::Uuid;

use super::error::{Error, Problems};
use super::header::check_header;
use crate::outbound::{Proxy, is_loopback};
use crate::setting;
use crate::upstream::ArrayEncoding;
use crate::upstream::call::{breaker, concurrency, retry, stack};
use crate::upstream::wire::unknown_members;

/// `[upstream]`
#[derive(Clone, Debug, Deserialize)]
pub struct Upstream {
    base_url: String,
    pub api_key: SecretString,
    pub(super) api_key_file: PathBuf,
    pub(super) proxy: SecretString,
    pub(super) proxy_file: PathBuf,
    no_proxy: String,
    account_id: String,
    #[serde(deserialize_with = "setting::positive_duration")]
    pub connect_timeout: Duration,
    #[serde(deserialize_with = "setting::positive_duration")]
    pub timeout: Duration,
    #[serde(flatten)]
    pub retry: retry::Settings,
    #[serde(flatten)]
    pub concurrency: concurrency::Settings,
    #[serde(flatten)]
    pub breaker: breaker::Settings,
    #[serde(deserialize_with = "setting::positive")]
    pub max_response_bytes: usize,
    #[serde(deserialize_with = "setting::word")]
    pub array_encoding: ArrayEncoding,
    #[serde(deserialize_with = "setting::word")]
    pub unknown_members: unknown_members::UnknownMembersPolicy,
}

impl Upstream {
    /// Whether an upstream is set. Otherwise the gateway calls the embedded sandbox.
    pub fn is_set(&self) -> bool {
        !self.base_url.trim().is_empty()
    }

    /// The URL of the Customers API. `None` for the embedded sandbox.
    ///
    /// # Errors
    /// It is not a URL, or the key would be sent unencrypted over a network.
    pub fn base_url(&self) -> Result<Option<Url>, Error> {
        let text = self.base_url.trim();
        if text.is_empty() {
            return Ok(None);
        }
        let url =
            Url::parse(text).map_err(|error| Error::invalid("upstream.base_url", &format!("not a URL: {error}")))?;
        let mut problems = Problems::default();
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            problems.add(Error::invalid("upstream.base_url", "must have no user, password, query or fragment"));
        }
        match url.scheme() {
            "https" if url.has_host() => {}
            "http" if is_loopback(&url) => {}
            _ => problems.add(Error::invalid("upstream.base_url", "must be https, or http on a loopback address")),
        }
        problems.end_with(Some(Some(url)))
    }

    /// The account that the gateway's own key acts for.
    ///
    /// # Errors
    /// It is not a UUID.
    pub fn account(&self) -> Result<Option<Uuid>, Error> {
        let text = self.account_id.trim();
        if text.is_empty() {
            return Ok(None);
        }
        Uuid::try_parse(text).map(Some).map_err(|_| Error::invalid("upstream.account_id", "not a UUID"))
    }

    #[cfg(test)]
    pub(super) fn with_base_url(self, url: &str) -> Self {
        Self { base_url: url.to_owned(), ..self }
    }

    /// The egress proxy. `None` without a proxy.
    ///
    /// # Errors
    /// It is not the address of a proxy.
    pub fn proxy(&self) -> Result<Option<Proxy>, Error> {
        let variable =
            |names: [&str; 2]| names.into_iter().find_map(|name| std::env::var(name).ok()).unwrap_or_default();
        let (name, url, except) = match self.proxy.expose_secret().trim() {
            "environment" => {
                let except =
                    if self.no_proxy.is_empty() { variable(["NO_PROXY", "no_proxy"]) } else { self.no_proxy.clone() };
                (" (of HTTPS_PROXY)", variable(["HTTPS_PROXY", "https_proxy"]), except)
            }
            url => ("", url.to_owned(), self.no_proxy.clone()),
        };
        let url = url.trim();
        if url.is_empty() {
            return Ok(None);
        }
        // The address is not shown, because it can contain a password.
        let is_proxy = Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if !is_proxy {
            let problem = format!("must be an address such as http://proxy.example.com:3128, or `environment`{name}");
            return Err(Error::invalid("upstream.proxy", &problem));
        }
        Ok(Some(Proxy { url: SecretString::from(url), no_proxy: except }))
    }

    /// The settings of the call stack. After a write was sent, the gateway waits up to `deadline` for its result.
    pub fn stack(&self, deadline: Duration) -> stack::Settings {
        stack::Settings {
            attempt_timeout: self.timeout,
            retry: self.retry,
            breaker: self.breaker,
            concurrency: self.concurrency,
            write_grace: deadline,
        }
    }

    /// Checks the addresses and the key.
    pub(super) fn check(&self) -> Result<(), Error> {
        let mut problems = Problems::default();
        problems.ok_or_record(self.base_url());
        problems.ok_or_record(self.account());
        problems.ok_or_record(self.proxy());
        if !self.api_key.expose_secret().is_empty() {
            problems.ok_or_record(check_header("upstream.api_key", &self.api_key));
        }
        problems.finish()
    }
}
