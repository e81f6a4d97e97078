//! `Server-Timing`: where the time of an answer went, for whoever looks at it in a browser. Off unless a setting turns it
//! on; it names no operation and no customer.

use std::fmt::Write;
use std::time::Duration;

use http::HeaderValue;

/// Where the time went.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct ServerTiming {
    /// From the request's head to its answer.
    pub total: Duration,
    /// Until it was clear what is to be run.
    pub prepare: Option<Duration>,
    /// While at least one call to the upstream was under way.
    pub upstream: Duration,
    pub upstream_calls: u64,
    pub cache_hits: u64,
    pub shared_calls: u64,
}

impl ServerTiming {
    /// The header's value.
    pub fn header(&self) -> Option<HeaderValue> {
        let milliseconds = |duration: Duration| duration.as_secs_f64() * 1000.0;
        let mut text = format!("total;dur={:.1}", milliseconds(self.total));
        let mut add = |part: std::fmt::Arguments<'_>| {
            // A string takes all.
            let _never = text.write_fmt(part);
        };
        if let Some(prepare) = self.prepare {
            add(format_args!(", prepare;dur={:.1}", milliseconds(prepare)));
        }
        if self.upstream_calls > 0 {
            let (calls, ending) = (self.upstream_calls, plural(self.upstream_calls));
            add(format_args!(", upstream;dur={:.1};desc=\"{calls} call{ending}\"", milliseconds(self.upstream)));
        }
        if self.cache_hits > 0 {
            add(format_args!(", cache;desc=\"{} kept\"", self.cache_hits));
        }
        if self.shared_calls > 0 {
            let ending = plural(self.shared_calls);
            add(format_args!(", shared;desc=\"{} call{ending} of others\"", self.shared_calls));
        }
        HeaderValue::from_str(&text).ok()
    }
}

fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_took_no_time_are_left_out() {
        let total = Duration::from_micros(12_340);
        let mut timing = ServerTiming { total, prepare: Some(Duration::from_micros(250)), ..ServerTiming::default() };
        assert_eq!(timing.header().as_ref().map(HeaderValue::as_bytes), Some(&b"total;dur=12.3, prepare;dur=0.2"[..]));
        (timing.upstream, timing.upstream_calls) = (Duration::from_millis(9), 1);
        (timing.cache_hits, timing.shared_calls, timing.prepare) = (4, 2, None);
        let expected = "total;dur=12.3, upstream;dur=9.0;desc=\"1 call\", cache;desc=\"4 kept\", \
            shared;desc=\"2 calls of others\"";
        assert_eq!(timing.header().expect("a header").to_str().expect("text"), expected);
    }
}
