//! What is seen of a running gateway: its log, its metrics, its traces.
//!
//! Everything here is by names of one table ([`names`]) and without personal data; `docs/operations.md` tells what each
//! means and what to do about it.

pub mod busy_time;
pub mod log;
pub mod log_queue;
pub mod metrics;
pub mod names;
pub mod traces;

use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use log::LevelHandle;
use log_queue::LogQueue;
use traces::{TraceExporter, TracesError};

/// What was started, for as long as the process lives.
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// The log's level.
    pub level: LevelHandle,
    lines: LogQueue,
    traces: Option<TraceExporter>,
}

/// What cannot be started, by the section of the settings that is to be looked at.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("setting log.level (GATEWAY__LOG__LEVEL): {0}")]
    Level(#[from] log::InvalidLevel),
    #[error("the thread that writes the log cannot be started: {0}")]
    ThreadFailed(#[from] std::io::Error),
    #[error("settings of [traces]: {0}")]
    Traces(#[from] TracesError),
}

/// Starts the log and, where there are settings for them, traces. It is to be called outside of the runtime.
///
/// # Errors
/// Where the log's level cannot be read, or nothing could be sent to the collector.
pub fn start(log: &log::Settings, traces: Option<&traces::Settings>) -> Result<Telemetry, TelemetryError> {
    let queue = LogQueue::start(std::io::stderr(), log.queue_size)?;
    let (lines, level) = log::layer(log, queue.clone())?;
    let traces = traces.map(TraceExporter::start).transpose()?;
    let spans = traces.as_ref().map(|traces| {
        let layer = tracing_opentelemetry::layer().with_tracer(traces.tracer());
        layer.with_location(false).with_threads(false).with_tracked_inactivity(false).with_filter(filter_fn(is_traced))
    });
    // It fails where a log was started before, as by several gateways in one test process: that one goes on.
    let _started_before = tracing_subscriber::registry().with(lines).with(spans).try_init();
    std::panic::set_hook(Box::new(log_panic));
    Ok(Telemetry { level, lines: queue, traces })
}

impl Telemetry {
    /// Sends what is left of the traces, and writes what is left of the log. It blocks, for about `most` at most for each;
    /// a reader of the log that stands still is not waited for.
    pub fn shutdown(&self, most: Duration) {
        if let Some(traces) = &self.traces {
            traces.shutdown(most);
        }
        self.lines.flush(most);
    }
}

/// Our own spans, and the lines within them that somebody who runs the gateway would see too; of a call to the upstream
/// also what becomes of each attempt.
fn is_traced(what: &Metadata<'_>) -> bool {
    let ours = what.target().starts_with(env!("CARGO_CRATE_NAME"));
    let attempts = || what.target().starts_with(concat!(env!("CARGO_CRATE_NAME"), "::upstream"));
    ours && (what.is_span() || *what.level() <= Level::INFO || (*what.level() <= Level::DEBUG && attempts()))
}

/// Says where a task panicked, and nothing else: the text of a panic can hold any value.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    ::metrics::counter!(names::PANICS).increment(1);
    tracing::error!(location, "a task panicked");
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("one thread").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_panic_logs_only_its_location() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(log_panic));
        tracing::subscriber::with_default(subscriber, || {
            let panicked = std::panic::catch_unwind(|| panic!("ssn {}", "987-65-4321"));
            assert!(panicked.is_err());
        });
        std::panic::set_hook(before);
        let logged = String::from_utf8(lines.0.lock().expect("one thread").clone()).expect("text");
        assert!(logged.contains("a task panicked") && logged.contains("telemetry.rs"), "{logged}");
        assert!(!logged.contains("987"), "{logged}");
    }
}
