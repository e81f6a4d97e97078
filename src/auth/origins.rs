//! Which pages may have a browser ask: the origins that the settings list, to the letter, and no others.

use http::{HeaderMap, HeaderValue, header};
use tower_http::csrf::{ConfigError, CsrfLayer};

/// The origins that may send requests from a browser, such as `https://desk.example.com`.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    trusted: CsrfLayer,
    allowed: Vec<HeaderValue>,
}

impl Origins {
    /// Origins from the settings.
    ///
    /// # Errors
    /// Where one is no origin: it has a scheme and a host, and nothing after.
    pub fn new(origins: &[String]) -> Result<Self, ConfigError> {
        let mut read = Self::default();
        for origin in origins {
            read.trusted = read.trusted.add_trusted_origin(origin)?;
            read.allowed.extend(HeaderValue::from_str(origin));
        }
        Ok(read)
    }

    /// The layer that refuses what changes something and comes from elsewhere.
    pub fn layer(&self) -> &CsrfLayer {
        &self.trusted
    }

    /// Each of them, as a browser sends it.
    pub fn allowed(&self) -> &[HeaderValue] {
        &self.allowed
    }

    /// Whether a read comes from a page of another site that is not listed. The layer around the routes lets reads pass,
    /// since they change nothing; but a read costs upstream calls and somebody's rate.
    pub fn refuses(&self, headers: &HeaderMap) -> bool {
        let foreign = |site: &HeaderValue| site == "cross-site" || site == "same-site";
        let listed = headers.get(header::ORIGIN).is_some_and(|origin| self.allowed.contains(origin));
        headers.get("sec-fetch-site").is_some_and(foreign) && !listed
    }
}
