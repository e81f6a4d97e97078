//! The response header `Server-Timing`: where the time of a GraphQL request went, shown by the developer tools of
//! browsers. It is off by default. It contains no operation name and no customer data.

use std::fmt::Write;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use http::HeaderValue;

use super::request_log::RequestSummary;

/// The header's value; `None` for requests that are not GraphQL. Times are in milliseconds.
pub fn header(summary: &RequestSummary, started: Instant) -> Option<HeaderValue> {
    summary.span.as_ref()?;
    HeaderValue::from_str(&format_timing(summary, started, started.elapsed())).ok()
}

fn format_timing(summary: &RequestSummary, started: Instant, total: Duration) -> String {
    let milliseconds = |duration: Duration| duration.as_secs_f64() * 1000.0;
    let mut text = format!("total;dur={:.1}", milliseconds(total));
    let mut add = |part: std::fmt::Arguments<'_>| {
        // Writing to a `String` cannot fail.
        let _never = text.write_fmt(part);
    };
    if let Some(prepared) = summary.prepared_at {
        add(format_args!(", prepare;dur={:.1}", milliseconds(prepared.duration_since(started))));
    }
    let calls = summary.upstream_calls.load(Ordering::Relaxed);
    if calls > 0 {
        let (time, ending) = (milliseconds(summary.upstream_time.total()), plural(calls));
        add(format_args!(", upstream;dur={time:.1};desc=\"{calls} call{ending}\""));
    }
    if summary.cache_hits > 0 {
        add(format_args!(", cache;desc=\"{} kept\"", summary.cache_hits));
    }
    if summary.shared_calls > 0 {
        let (shared, ending) = (summary.shared_calls, plural(summary.shared_calls));
        add(format_args!(", shared;desc=\"{shared} call{ending} of others\""));
    }
    text
}

fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_took_no_time_are_left_out() {
        let (started, total) = (Instant::now(), Duration::from_micros(12_340));
        let mut summary = RequestSummary::default();
        assert_eq!(header(&summary, started), None, "not GraphQL");
        summary.prepared_at = Some(started + Duration::from_micros(250));
        assert_eq!(format_timing(&summary, started, total), "total;dur=12.3, prepare;dur=0.2");
        summary.upstream_calls.store(1, Ordering::Relaxed);
        (summary.cache_hits, summary.shared_calls, summary.prepared_at) = (4, 2, None);
        let expected = "total;dur=12.3, upstream;dur=0.0;desc=\"1 call\", cache;desc=\"4 kept\", \
            shared;desc=\"2 calls of others\"";
        assert_eq!(format_timing(&summary, started, total), expected);
    }
}
