//! The two timestamp formats of the wire, and the clock.
//!
//! Seen: responses to GET have whole seconds and no zone, although the schema says date-time; responses to POST and
//! `meta` have seven digits and `Z`. Timestamps have steps of 100 ns, as on the real service.

use chrono::{DateTime, Duration, NaiveDate, NaiveDateTime, SubsecRound as _, Timelike as _, Utc};

/// A timestamp in UTC.
pub(crate) type Timestamp = DateTime<Utc>;

/// The timestamp format of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimestampFormat {
    /// `2026-07-07T06:21:44`: responses to GET.
    Read,
    /// `2026-07-07T06:21:44.1234567Z`: responses to POST (seen), to other writes (assumed), events and `meta`.
    Write,
}

impl TimestampFormat {
    /// The timestamp in this format.
    pub(crate) fn format(self, timestamp: Timestamp) -> String {
        let seconds = timestamp.format("%Y-%m-%dT%H:%M:%S");
        match self {
            Self::Read => seconds.to_string(),
            Self::Write => format!("{seconds}.{:07}Z", timestamp.nanosecond() % 1_000_000_000 / 100),
        }
    }
}

/// The current time, in steps of 100 ns.
pub(crate) fn now() -> Timestamp {
    Utc::now().trunc_subsecs(7)
}

/// The current time, or `previous` plus 100 ns if that is later. Consecutive writes to a customer thus have different
/// values of `updated_at`.
pub(crate) fn after(previous: Timestamp) -> Timestamp {
    now().max(previous + Duration::nanoseconds(100))
}

/// Parses a bound of a list filter: with a zone, without one (UTC), or a date (its midnight).
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    if let Ok(timestamp) = DateTime::parse_from_rfc3339(text) {
        return Some(timestamp.to_utc());
    }
    let without_zone = text.parse::<NaiveDateTime>().ok();
    let midnight = || text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0);
    without_zone.or_else(midnight).map(|naive| naive.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Timestamp {
        parse("2026-07-07T06:21:44.1234567Z").expect("a date-time")
    }

    #[test]
    fn reads_show_whole_seconds_without_a_zone_and_writes_seven_digits() {
        assert_eq!(TimestampFormat::Read.format(sample()), "2026-07-07T06:21:44");
        assert_eq!(TimestampFormat::Write.format(sample()), "2026-07-07T06:21:44.1234567Z");
    }

    #[test]
    fn after_is_always_later_than_the_previous_timestamp() {
        let future = now() + Duration::days(1);
        assert_eq!(after(future) - future, Duration::nanoseconds(100));
        assert!(after(sample()) > sample());
    }

    #[test]
    fn bounds_may_omit_the_zone_or_the_time() {
        assert_eq!(parse("2026-07-07T06:21:44.1234567"), Some(sample()));
        assert_eq!(parse("2026-07-07T08:21:44.1234567+02:00"), Some(sample()));
        assert!(parse("2026-07-07").is_some());
        assert_eq!(parse("yesterday"), None);
    }
}
