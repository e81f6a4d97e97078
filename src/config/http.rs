//! `[http]`: cross-origin requests, compression and timing.

use http::HeaderName;
use serde::Deserialize;

use super::error::{Error, Problems};
use crate::auth::{AllowedOrigins, AuthMode};
use crate::setting;

/// `[http]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    #[serde(deserialize_with = "setting::list")]
    allowed_origins: Vec<String>,
    #[serde(deserialize_with = "setting::list")]
    allowed_headers: Vec<String>,
    pub server_timing: bool,
    pub compression: bool,
}

impl Http {
    /// The origins whose pages may send requests.
    ///
    /// # Errors
    /// Each entry that is not an origin.
    pub fn origins(&self, mode: AuthMode) -> Result<AllowedOrigins, Error> {
        // In this mode every caller has every permission, and the people are made up.
        let loopback = mode == AuthMode::Sandbox;
        AllowedOrigins::new(&self.allowed_origins, loopback).or_else(|wrong| {
            let mut problems = Problems::default();
            for entry in wrong {
                problems.add(Error::invalid("http.allowed_origins", &entry.to_string()));
            }
            problems.end_with(None)
        })
    }

    /// Further request headers that these pages may send.
    ///
    /// # Errors
    /// Each entry that is not a header name.
    pub fn allowed_headers(&self) -> Result<Vec<HeaderName>, Error> {
        let name = |name: &String| match name.parse::<HeaderName>() {
            Ok(header) if name != "*" => Ok(header),
            _ => Err(Error::invalid(
                "http.allowed_headers",
                &format!("`{name}` is not a header name: list each name, such as x-team"),
            )),
        };
        let mut problems = Problems::default();
        let headers = self.allowed_headers.iter().filter_map(|header| problems.ok_or_record(name(header))).collect();
        problems.end_with(Some(headers))
    }
}
