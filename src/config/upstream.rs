//! `[upstream]`: where the Customers API is, and with how much patience it is asked.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;
use uuid::Uuid;

use super::error::Problems;
use super::{Error, enum_word, invalid, secret};
use crate::outbound::{Proxy, is_loopback};
use crate::upstream::ArrayEncoding;
use crate::upstream::call::{breaker, concurrency, retry, stack};
use crate::upstream::wire::unknown_members;

/// `[upstream]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    base_url: String,
    pub api_key: SecretString,
    pub(super) api_key_file: PathBuf,
    pub(super) proxy: SecretString,
    pub(super) proxy_file: PathBuf,
    no_proxy: String,
    account_id: String,
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    pub max_attempts: u32,
    pub retry_budget_percent: u8,
    pub max_in_flight: usize,
    pub max_queue: usize,
    #[serde(with = "humantime_serde")]
    pub queue_timeout: Duration,
    pub breaker_failures_percent: u8,
    pub breaker_min_calls: usize,
    #[serde(with = "humantime_serde")]
    pub breaker_window: Duration,
    #[serde(with = "humantime_serde")]
    pub breaker_open_duration: Duration,
    pub max_response_bytes: usize,
    #[serde(deserialize_with = "enum_word::deserialize_enum")]
    pub array_encoding: ArrayEncoding,
    #[serde(deserialize_with = "enum_word::deserialize_enum")]
    pub unknown_members: unknown_members::UnknownMembersPolicy,
}

impl Upstream {
    /// Whether there is one besides the embedded sandbox.
    pub fn is_set(&self) -> bool {
        !self.base_url.trim().is_empty()
    }

    /// The Customers API; `None` where the embedded sandbox is to be asked.
    ///
    /// # Errors
    /// Where it is no URL, or one that would carry the key over a network in clear.
    pub fn base_url(&self) -> Result<Option<Url>, Error> {
        let text = self.base_url.trim();
        if text.is_empty() {
            return Ok(None);
        }
        let url = Url::parse(text).map_err(|error| invalid("upstream.base_url", &format!("not a URL: {error}")))?;
        let mut problems = Problems::default();
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            problems.add(invalid("upstream.base_url", "must have no user, password, query or fragment"));
        }
        match url.scheme() {
            "https" if url.has_host() => {}
            "http" if is_loopback(&url) => {}
            _ => problems.add(invalid("upstream.base_url", "must be https, or http on a loopback address")),
        }
        problems.end_with(Some(Some(url)))
    }

    /// The account that the gateway's own key acts for.
    ///
    /// # Errors
    /// Where it is no UUID.
    pub fn account(&self) -> Result<Option<Uuid>, Error> {
        let text = self.account_id.trim();
        if text.is_empty() {
            return Ok(None);
        }
        Uuid::try_parse(text).map(Some).map_err(|_| invalid("upstream.account_id", "not a UUID"))
    }

    #[cfg(test)]
    pub(super) fn with_base_url(self, url: &str) -> Self {
        Self { base_url: url.to_owned(), ..self }
    }

    /// The egress proxy, where there is one.
    ///
    /// # Errors
    /// Where it is no address of a proxy.
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
        // The address is not shown: it may hold a password.
        let is_proxy = Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if !is_proxy {
            let problem = format!("must be an address such as http://proxy.example.com:3128, or `environment`{name}");
            return Err(invalid("upstream.proxy", &problem));
        }
        Ok(Some(Proxy { url: SecretString::from(url), no_proxy: except }))
    }

    /// How calls are sent. A write that was sent is followed for as long as a request may take.
    pub fn stack(&self, deadline: Duration) -> stack::Settings {
        stack::Settings {
            attempt_timeout: self.timeout,
            retry: retry::Settings { max_attempts: self.max_attempts, budget_percent: self.retry_budget_percent },
            breaker: breaker::Settings {
                failures_percent: self.breaker_failures_percent,
                min_calls: self.breaker_min_calls,
                window: self.breaker_window,
                open: self.breaker_open_duration,
            },
            concurrency: concurrency::Settings {
                max_in_flight: self.max_in_flight,
                max_queue: self.max_queue,
                queue_timeout: self.queue_timeout,
            },
            write_grace: deadline,
        }
    }

    /// Whether its settings are ones to work with.
    pub(super) fn check(&self) -> Result<(), Error> {
        let mut problems = Problems::default();
        problems.ok_or_record(self.base_url());
        problems.ok_or_record(self.account());
        problems.ok_or_record(self.proxy());
        if !self.api_key.expose_secret().is_empty() {
            problems.ok_or_record(secret::check_header("upstream.api_key", &self.api_key));
        }
        let positive = [
            ("upstream.connect_timeout", self.connect_timeout),
            ("upstream.timeout", self.timeout),
            ("upstream.breaker_window", self.breaker_window),
            ("upstream.breaker_open_duration", self.breaker_open_duration),
        ];
        for (name, _) in positive.iter().filter(|(_, duration)| duration.is_zero()) {
            problems.add(invalid(name, "must be longer than nothing"));
        }
        let counts = [
            ("upstream.max_attempts", usize::try_from(self.max_attempts).unwrap_or(usize::MAX)),
            ("upstream.max_in_flight", self.max_in_flight),
            ("upstream.breaker_min_calls", self.breaker_min_calls),
            ("upstream.max_response_bytes", self.max_response_bytes),
        ];
        for (name, _) in counts.iter().filter(|(_, count)| *count == 0) {
            problems.add(invalid(name, "must be 1 at least"));
        }
        if !(1..=100).contains(&self.breaker_failures_percent) {
            problems.add(invalid("upstream.breaker_failures_percent", "must be from 1 to 100"));
        }
        // The budget counts how many successes pay for one, in whole ones: 60 would be 100.
        if self.retry_budget_percent != 0 && 100 % self.retry_budget_percent != 0 {
            let problem = "must be 0 or divide 100: 1, 2, 4, 5, 10, 20, 25, 50, 100";
            problems.add(invalid("upstream.retry_budget_percent", problem));
        }
        problems.finish()
    }
}
