//! The request header `Request-Timeout`: how long the caller waits, in seconds, limited by `server.deadline`.

use std::time::Duration;

use http::HeaderMap;

use crate::error::{ErrorCode, PublicError};

/// The header's name.
pub const REQUEST_TIMEOUT: &str = "request-timeout";

/// The time that a request may take: the header's value, at most `longest`.
///
/// # Errors
/// If the header is not a number of seconds above 0, or is given twice.
pub fn from_headers(headers: &HeaderMap, longest: Duration) -> Result<Duration, PublicError> {
    let mut values = headers.get_all(REQUEST_TIMEOUT).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return if headers.contains_key(REQUEST_TIMEOUT) { Err(invalid_timeout()) } else { Ok(longest) };
    };
    let text = value.to_str().map_err(|_| invalid_timeout())?.trim();
    // Digits and one point only. `f64` also parses signs, exponents, `inf` and `NaN`.
    if text.is_empty() || text.bytes().any(|byte| !byte.is_ascii_digit() && byte != b'.') {
        return Err(invalid_timeout());
    }
    let seconds: f64 = text.parse().map_err(|_| invalid_timeout())?;
    if seconds <= 0.0 {
        return Err(invalid_timeout());
    }
    // A number that does not fit into a `Duration` is longer than any setting.
    Ok(Duration::try_from_secs_f64(seconds).map_or(longest, |requested| requested.min(longest)))
}

fn invalid_timeout() -> PublicError {
    PublicError::new(
        ErrorCode::BadRequest,
        "`Request-Timeout` must be a number of seconds above 0, such as `2.5`, given once.",
    )
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use rstest::rstest;

    use super::*;

    fn timeout(values: &[&'static str]) -> Result<Duration, PublicError> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(REQUEST_TIMEOUT, HeaderValue::from_static(value));
        }
        from_headers(&headers, Duration::from_secs(10))
    }

    #[rstest]
    #[case(&[], 10_000)]
    #[case(&["3"], 3_000)]
    #[case(&["0.25"], 250)]
    #[case(&[" 2. "], 2_000)]
    #[case(&["60"], 10_000)]
    #[case(&["999999999999999999999999999999"], 10_000)]
    fn a_timeout_is_limited_by_the_setting(#[case] values: &[&'static str], #[case] millis: u64) {
        assert_eq!(timeout(values).expect("a timeout"), Duration::from_millis(millis));
    }

    #[rstest]
    #[case(&[""])]
    #[case(&["0"])]
    #[case(&["0.000"])]
    #[case(&["-1"])]
    #[case(&["+1"])]
    #[case(&["1e3"])]
    #[case(&["inf"])]
    #[case(&["NaN"])]
    #[case(&["1s"])]
    #[case(&["1,5"])]
    #[case(&["."])]
    #[case(&["1", "2"])]
    fn invalid_timeouts_are_rejected(#[case] values: &[&'static str]) {
        assert_eq!(timeout(values).expect_err("an invalid timeout").code, ErrorCode::BadRequest);
    }
}
