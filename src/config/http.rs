//! What browsers may do, and how answers look on the wire.

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
    /// The origins that may send requests from a browser.
    ///
    /// # Errors
    /// Names each that is no origin.
    pub fn origins(&self, mode: AuthMode) -> Result<AllowedOrigins, Error> {
        // With that mode everybody may do everything, and the people are made up.
        let loopback = mode == AuthMode::Sandbox;
        AllowedOrigins::new(&self.allowed_origins, loopback).or_else(|wrong| {
            let mut problems = Problems::default();
            for entry in wrong {
                problems.add(Error::invalid("http.allowed_origins", &entry.to_string()));
            }
            problems.end_with(None)
        })
    }

    /// The request headers that pages of listed origins may send besides those that are always allowed.
    ///
    /// # Errors
    /// Names each that is no header's name.
    pub fn allowed_headers(&self) -> Result<Vec<HeaderName>, Error> {
        let name = |name: &String| match name.parse::<HeaderName>() {
            Ok(header) if name != "*" => Ok(header),
            _ => Err(Error::invalid(
                "http.allowed_headers",
                &format!("`{name}` is no header's name: list each, such as x-team"),
            )),
        };
        let mut problems = Problems::default();
        let headers = self.allowed_headers.iter().filter_map(|header| problems.ok_or_record(name(header))).collect();
        problems.end_with(Some(headers))
    }
}
