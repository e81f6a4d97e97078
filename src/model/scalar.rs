//! The two scalars of the schema: a point in time, and a calendar date.

use std::fmt;

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::{Datelike, NaiveDate, NaiveDateTime, SecondsFormat, Utc};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::lenient::FromJson;

/// A point in time: RFC 3339 in UTC, always with `Z`, as in `2026-07-07T06:21:44Z`.
///
/// As an input any RFC 3339 offset is taken and turned into UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DateTime(pub chrono::DateTime<Utc>);

/// A point in time: RFC 3339 in UTC, always with `Z`, as in `2026-07-07T06:21:44Z`. As an input any offset is taken.
#[Scalar(specified_by_url = "https://scalars.graphql.org/andimarek/date-time.html")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => {
                let time = chrono::DateTime::parse_from_rfc3339(text).map(|time| time.to_utc());
                let time = time.map_err(|_| {
                    InputValueError::custom("expected RFC 3339 with a zone, such as 2026-07-07T06:21:44Z")
                })?;
                // In UTC it can be a year earlier or later, and other years are no RFC 3339.
                match time.year() {
                    0..=9999 => Ok(Self(time)),
                    _ => Err(InputValueError::custom("expected a time in the years 0000 to 9999, in UTC")),
                }
            }
            _ => Err(InputValueError::custom("expected a string in RFC 3339")),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.to_string())
    }
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

impl Serialize for DateTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DateTime {
    /// RFC 3339; without a zone it is UTC, as the upstream's reads are.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
        Self::from_text(&text).ok_or_else(|| D::Error::custom("not a date and time"))
    }
}

impl FromJson for DateTime {
    /// RFC 3339; without a zone it is UTC, as the upstream's reads are.
    fn from_text(text: &str) -> Option<Self> {
        if let Ok(time) = chrono::DateTime::parse_from_rfc3339(text) {
            return Some(Self(time.to_utc()));
        }
        NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok().map(|time| Self(time.and_utc()))
    }
}

/// A calendar date without a time: ISO 8601, `YYYY-MM-DD`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Date(pub NaiveDate);

impl Date {
    /// Strictly `YYYY-MM-DD`, and a day that exists.
    pub fn parse(text: &str) -> Option<Self> {
        let shaped = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        shaped.then(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(Self)).flatten()
    }
}

/// A calendar date without a time: ISO 8601, as in `2026-07-07`.
#[Scalar(specified_by_url = "https://scalars.graphql.org/andimarek/local-date.html")]
impl ScalarType for Date {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => {
                Self::parse(text).ok_or_else(|| InputValueError::custom("expected a date as YYYY-MM-DD"))
            }
            _ => Err(InputValueError::custom("expected a date as YYYY-MM-DD")),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.to_string())
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%Y-%m-%d"))
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Date {
    /// A date; a date with a time after it is cut to the date.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
        text.get(..10).and_then(Self::parse).ok_or_else(|| D::Error::custom("not a date"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_without_a_zone_is_utc_and_answers_end_in_z() {
        for (wire, shown) in [
            ("2026-07-07T06:21:44", "2026-07-07T06:21:44Z"),
            ("2026-07-07T06:21:50.1234567Z", "2026-07-07T06:21:50.123456700Z"),
            ("2026-07-07T08:21:44+02:00", "2026-07-07T06:21:44Z"),
        ] {
            let time: DateTime = serde_json::from_str(&format!("\"{wire}\"")).expect("a time of this test");
            assert_eq!(time.to_string(), shown);
        }
        assert!(serde_json::from_str::<DateTime>("\"yesterday\"").is_err());
    }

    #[test]
    fn a_date_must_exist() {
        assert!(Date::parse("2024-02-29").is_some());
        for wrong in ["2023-02-29", "1980-1-2", "+1980-01-2", "****-**-**", "1980-13-01", ""] {
            assert!(Date::parse(wrong).is_none(), "{wrong}");
        }
    }
}
