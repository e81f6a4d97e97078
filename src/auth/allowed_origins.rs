//! The origins whose pages may call the gateway from a browser: those that the settings list, and with the sandbox
//! also loopback origins.
//!
//! Origins are compared as origins: scheme, host and port (RFC 6454). There are no wildcards.

use http::{HeaderMap, HeaderValue, header};
use url::{Host, Url};

/// The allowed origins, such as `https://desk.example.com`.
#[derive(Clone, Debug, Default)]
pub struct AllowedOrigins {
    listed: Vec<String>,
    /// Whether every loopback origin is allowed, on any port.
    loopback: bool,
}

/// An entry of the settings that is not an origin. The text says what to write.
#[derive(PartialEq, Eq, Debug, thiserror::Error)]
pub enum InvalidOrigin {
    #[error(
        "`{0}` is a wildcard, and wildcards are not supported: list each origin, such as `https://desk.example.com`"
    )]
    Wildcard(String),
    #[error("`{0}` has more than a scheme, a host and a port: write `{1}`")]
    HasPath(String, String),
    #[error("`{0}` has no scheme: write `https://{0}`, or `http://{0}` if the browser shows that")]
    NoScheme(String),
    #[error("`{0}` is not an origin: write it as `https://desk.example.com`, as the browser sends it in `Origin`")]
    Other(String),
}

impl AllowedOrigins {
    /// Origins from the settings. `loopback` adds every loopback origin.
    ///
    /// # Errors
    /// Every entry that is not an origin. An origin has a scheme, a host, an optional port, and nothing else.
    pub fn new(origins: &[String], loopback: bool) -> Result<Self, Vec<InvalidOrigin>> {
        let (mut listed, mut wrong) = (Vec::new(), Vec::new());
        for origin in origins {
            match normalize(origin) {
                Ok(origin) => listed.push(origin),
                Err(entry) => wrong.push(entry),
            }
        }
        if wrong.is_empty() { Ok(Self { listed, loopback }) } else { Err(wrong) }
    }

    /// Whether no page may call the gateway.
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty() && !self.loopback
    }

    /// Whether pages of an origin may call the gateway and read the responses.
    pub fn allows(&self, origin: &HeaderValue) -> bool {
        let Some(url) = origin.to_str().ok().and_then(parsed) else { return false };
        self.listed.contains(&url.origin().ascii_serialization()) || (self.loopback && is_loopback(&url))
    }

    /// Whether a read comes from a page of another site that is not allowed. The router's layer admits reads, because
    /// they change nothing. But a read costs upstream calls and uses up a caller's rate limit.
    pub fn rejects_cross_site_read(&self, headers: &HeaderMap) -> bool {
        let foreign = |site: &HeaderValue| site == "cross-site" || site == "same-site";
        let listed = headers.get(header::ORIGIN).is_some_and(|origin| self.allows(origin));
        headers.get("sec-fetch-site").is_some_and(foreign) && !listed
    }
}

/// The URL of an origin without path, query and credentials.
fn parsed(origin: &str) -> Option<Url> {
    let url = Url::parse(origin).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())?;
    // Checked in the text, because a parsed URL always has a path.
    let (_, rest) = origin.split_once("://")?;
    (!rest.contains(['/', '?', '#', '@', '\\'])).then_some(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// An entry in the form that a browser sends.
fn normalize(origin: &str) -> Result<String, InvalidOrigin> {
    let written = origin.to_owned();
    if origin.contains('*') {
        return Err(InvalidOrigin::Wildcard(written));
    }
    if let Some(url) = parsed(origin) {
        return Ok(url.origin().ascii_serialization());
    }
    match Url::parse(origin).ok().filter(Url::has_host) {
        Some(url) if matches!(url.scheme(), "http" | "https") => {
            let origin = url.origin().ascii_serialization();
            // The message does not repeat a name or a password.
            let written =
                if url.username().is_empty() && url.password().is_none() { written } else { "…@…".to_owned() };
            Err(InvalidOrigin::HasPath(written, origin))
        }
        Some(_) => Err(InvalidOrigin::Other(written)),
        None if !origin.contains("//") && parsed(&format!("https://{origin}")).is_some() && origin != "null" => {
            Err(InvalidOrigin::NoScheme(written))
        }
        None => Err(InvalidOrigin::Other(written)),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn origins(listed: &[&str], loopback: bool) -> Result<AllowedOrigins, Vec<InvalidOrigin>> {
        let listed: Vec<String> = listed.iter().map(|&origin| origin.to_owned()).collect();
        AllowedOrigins::new(&listed, loopback)
    }

    #[rstest]
    #[case("https://desk.example.com", "https://desk.example.com")]
    #[case("https://DESK.Example.com", "https://desk.example.com")]
    #[case("HTTPS://desk.example.com:443", "https://desk.example.com")]
    #[case("http://desk.example.com:80", "http://desk.example.com")]
    #[case("https://desk.example.com", "https://Desk.example.com:443")]
    #[case("http://desk.example.com:8080", "http://desk.example.com:8080")]
    #[case("https://[2001:DB8::1]", "https://[2001:db8::1]:443")]
    fn origins_are_compared_as_origins(#[case] listed: &str, #[case] sent: &'static str) {
        assert!(origins(&[listed], false).expect("an origin").allows(&HeaderValue::from_static(sent)));
    }

    #[rstest]
    #[case("https://desk.example.com.evil.example")]
    #[case("https://evil.example/https://desk.example.com")]
    #[case("https://desk.example.com/")]
    #[case("https://desk.example.com@evil.example")]
    #[case("http://desk.example.com")]
    #[case("https://desk.example.com:444")]
    #[case("https://desk.example.com.")]
    #[case("null")]
    #[case("")]
    #[case("http://localhost:5173")]
    fn no_other_origin_is_allowed(#[case] sent: &'static str) {
        let listed = origins(&["https://desk.example.com"], false).expect("an origin");
        assert!(!listed.allows(&HeaderValue::from_static(sent)));
    }

    #[rstest]
    #[case("http://localhost:5173", true)]
    #[case("https://app.localhost", true)]
    #[case("http://127.0.0.1:3000", true)]
    #[case("http://[::1]:3000", true)]
    #[case("http://localhost.evil.example", false)]
    #[case("http://127.0.0.1.evil.example", false)]
    #[case("http://192.168.0.1", false)]
    #[case("null", false)]
    fn in_a_sandbox_pages_of_this_machine_are_allowed(#[case] sent: &'static str, #[case] allowed: bool) {
        let loopback = origins(&[], true).expect("no origin is wrong");
        assert_eq!(loopback.allows(&HeaderValue::from_static(sent)), allowed);
    }

    #[rstest]
    #[case("*", "list each origin")]
    #[case("https://*.example.com", "list each origin")]
    #[case("https://desk.example.com/", "write `https://desk.example.com`")]
    #[case("https://Desk.example.com:443/app?x#y", "write `https://desk.example.com`")]
    #[case("https://somebody:planted@desk.example.com", "write `https://desk.example.com`")]
    #[case("desk.example.com", "write `https://desk.example.com`")]
    #[case("null", "is not an origin")]
    #[case("", "is not an origin")]
    #[case("https://", "is not an origin")]
    #[case("ftp://desk.example.com", "is not an origin")]
    fn what_is_no_origin_is_told_with_what_to_write(#[case] listed: &str, #[case] told: &str) {
        let wrong = origins(&["https://desk.example.com", listed, "another*"], false).expect_err("two are no origins");
        let [error, another] = wrong.iter().map(InvalidOrigin::to_string).collect::<Vec<_>>().try_into().expect("each");
        assert!(error.contains(told) && !error.contains("planted"), "{error}");
        assert!(another.contains("`another*`"), "{another}");
    }
}
