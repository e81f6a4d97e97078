//! Secrets that are sent as the value of an HTTP header.

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use super::Error;

/// Whether a secret can be sent as the value of an HTTP header.
pub fn check_header(name: &str, secret: &SecretString) -> Result<(), Error> {
    let text = secret.expose_secret();
    if text.trim() == text && HeaderValue::from_str(text).is_ok() && text.is_ascii() {
        return Ok(());
    }
    let problem =
        "holds a character that no HTTP header can carry, or a space at an end: give the value alone, in ASCII";
    Err(Error::invalid(name, problem))
}
