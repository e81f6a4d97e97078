//! How long a caller waits: `Request-Timeout`, in seconds, within the setting.

use std::time::Duration;

use http::HeaderMap;

use crate::error::{ErrorCode, PublicError};

/// The header's name.
pub const REQUEST_TIMEOUT: &str = "request-timeout";

/// The time for a request: the caller's, where it is less than `longest`.
///
/// # Errors
/// Where the header is no time.
pub fn from_headers(headers: &HeaderMap, longest: Duration) -> Result<Duration, PublicError> {
    let mut values = headers.get_all(REQUEST_TIMEOUT).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return if headers.contains_key(REQUEST_TIMEOUT) { Err(invalid_timeout()) } else { Ok(longest) };
    };
    let text = value.to_str().map_err(|_| invalid_timeout())?.trim();
    // Digits with a point among them: not the signs, exponents and words that are floats too.
    if text.is_empty() || text.bytes().any(|byte| !byte.is_ascii_digit() && byte != b'.') {
        return Err(invalid_timeout());
    }
    let seconds: f64 = text.parse().map_err(|_| invalid_timeout())?;
    if seconds <= 0.0 {
        return Err(invalid_timeout());
    }
    // What no duration can hold is longer than any setting.
    Ok(Duration::try_from_secs_f64(seconds).map_or(longest, |asked| asked.min(longest)))
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

    fn asked(values: &[&'static str]) -> Result<Duration, PublicError> {
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
    fn a_time_is_taken_up_to_the_setting(#[case] values: &[&'static str], #[case] millis: u64) {
        assert_eq!(asked(values).expect("a time"), Duration::from_millis(millis));
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
    fn nonsense_is_refused(#[case] values: &[&'static str]) {
        assert_eq!(asked(values).expect_err("no time").code, ErrorCode::BadRequest);
    }
}
