//! The two spellings of a moment on the wire, and a clock that never gives the same moment twice to one customer.
//!
//! Seen live: answers to GET carry whole seconds and no zone, although the schema says date-time;
//! answers to POST and `meta` carry seven digits and `Z`. Moments are kept in steps of 100 ns, as there.

use chrono::{DateTime, Duration, NaiveDate, NaiveDateTime, SubsecRound as _, Timelike as _, Utc};

/// A moment, in UTC.
pub(crate) type Timestamp = DateTime<Utc>;

/// Which spelling an answer uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimestampFormat {
    /// `2026-07-07T06:21:44`: answers to GET.
    Read,
    /// `2026-07-07T06:21:44.1234567Z`: answers to POST (seen), to the other writes (assumed), events and `meta`.
    Write,
}

impl TimestampFormat {
    /// The moment in this spelling.
    pub(crate) fn format(self, timestamp: Timestamp) -> String {
        let seconds = timestamp.format("%Y-%m-%dT%H:%M:%S");
        match self {
            Self::Read => seconds.to_string(),
            Self::Write => format!("{seconds}.{:07}Z", timestamp.nanosecond() % 1_000_000_000 / 100),
        }
    }
}

/// Now, in steps of 100 ns.
pub(crate) fn now() -> Timestamp {
    Utc::now().trunc_subsecs(7)
}

/// Now, or one step after `previous` where the clock has not moved (or went back), so that two quick writes
/// to one customer never carry the same `updated_at`.
pub(crate) fn after(previous: Timestamp) -> Timestamp {
    now().max(previous + Duration::nanoseconds(100))
}

/// Reads a bound of a list filter: with a zone, without one (UTC), or a plain date (its midnight).
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

    fn moment() -> Timestamp {
        parse("2026-07-07T06:21:44.1234567Z").expect("a date-time")
    }

    #[test]
    fn reads_show_whole_seconds_without_a_zone_and_writes_seven_digits() {
        assert_eq!(TimestampFormat::Read.format(moment()), "2026-07-07T06:21:44");
        assert_eq!(TimestampFormat::Write.format(moment()), "2026-07-07T06:21:44.1234567Z");
    }

    #[test]
    fn after_is_always_later_than_the_previous_timestamp() {
        let future = now() + Duration::days(1);
        assert_eq!(after(future) - future, Duration::nanoseconds(100));
        assert!(after(moment()) > moment());
    }

    #[test]
    fn bounds_may_omit_the_zone_or_the_time() {
        assert_eq!(parse("2026-07-07T06:21:44.1234567"), Some(moment()));
        assert_eq!(parse("2026-07-07T08:21:44.1234567+02:00"), Some(moment()));
        assert!(parse("2026-07-07").is_some());
        assert_eq!(parse("yesterday"), None);
    }
}
