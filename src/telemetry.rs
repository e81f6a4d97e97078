//! The log, the metrics and the traces of a running gateway.
//!
//! [`names`] lists all names. None of them carries personal data. `docs/operations.md` explains each one and what an
//! operator can do about it.

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

/// The running telemetry. It lives as long as the process.
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// Changes the level of the log.
    pub level: LevelHandle,
    lines: LogQueue,
    traces: Option<TraceExporter>,
}

/// Telemetry that cannot be started, by the section of its settings.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("setting log.level (GATEWAY__LOG__LEVEL): {0}")]
    Level(#[from] log::InvalidLevel),
    #[error("the thread that writes the log cannot be started: {0}")]
    ThreadFailed(#[from] std::io::Error),
    #[error("settings of [traces]: {0}")]
    Traces(#[from] TracesError),
}

/// Starts the log and, if there are settings for them, the traces. Call it outside of the runtime.
///
/// # Errors
/// If the level is invalid, or a thread or the exporter of the traces cannot be started.
pub fn start(log: &log::Settings, traces: Option<&traces::Settings>) -> Result<Telemetry, TelemetryError> {
    let queue = LogQueue::start(std::io::stderr(), log.queue_size)?;
    let (lines, level) = log::layer(log, queue.clone())?;
    let traces = traces.map(TraceExporter::start).transpose()?;
    let spans = traces.as_ref().map(|traces| {
        let layer = tracing_opentelemetry::layer().with_tracer(traces.tracer());
        layer.with_location(false).with_threads(false).with_tracked_inactivity(false).with_filter(filter_fn(is_traced))
    });
    // This fails if a log is already running, as with several gateways in one test process. The first log stays.
    let _started_before = tracing_subscriber::registry().with(lines).with(spans).try_init();
    std::panic::set_hook(Box::new(log_panic));
    Ok(Telemetry { level, lines: queue, traces })
}

impl Telemetry {
    /// Exports the remaining spans and writes the remaining log lines. It blocks for about `most` at most for each of the two.
    /// It does not wait for a stalled reader of the log.
    pub fn shutdown(&self, most: Duration) {
        if let Some(traces) = &self.traces {
            traces.shutdown(most);
        }
        self.lines.flush(most);
    }
}

/// Whether traces include a span or an event: all spans of the gateway, its events of level `info` and above, and of the
/// upstream calls also those of level `debug`, which report each attempt.
fn is_traced(what: &Metadata<'_>) -> bool {
    let ours = what.target().starts_with(env!("CARGO_CRATE_NAME"));
    let attempts = || what.target().starts_with(concat!(env!("CARGO_CRATE_NAME"), "::upstream"));
    ours && (what.is_span() || *what.level() <= Level::INFO || (*what.level() <= Level::DEBUG && attempts()))
}

/// Logs where a task panicked, and nothing else: the text of a panic can contain personal data.
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
