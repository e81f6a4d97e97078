//! Secrets that are sent as the value of an HTTP header.

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use super::Error;

/// Checks that a secret can be the value of an HTTP header.
pub fn check_header(name: &str, secret: &SecretString) -> Result<(), Error> {
    let text = secret.expose_secret();
    if text.trim() == text && HeaderValue::from_str(text).is_ok() && text.is_ascii() {
        return Ok(());
    }
    let problem =
        "contains a character that an HTTP header cannot contain, or a space at an end: set only the value, in ASCII";
    Err(Error::invalid(name, problem))
}
