//! What is seen of a running gateway: for now its log.
//!
//! Only fields that the program names itself are logged. Libraries that would print headers and bodies at their lower
//! levels are held at `warn`, whatever level is asked for.

use std::io;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{FilterExt, ParseError, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::{Log, LogFormat};

/// Starts the log, on standard error.
///
/// # Errors
/// Where the level cannot be read.
pub fn start(log: &Log) -> Result<(), ParseError> {
    let filter = EnvFilter::try_new(&log.level)?.and(filter_fn(is_ours_or_a_warning));
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_target(false);
    let lines = match log.format {
        LogFormat::Json => lines.json().flatten_event(true).with_filter(filter).boxed(),
        LogFormat::Text => lines.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).with_filter(filter).boxed(),
    };
    // It fails where a log was started before, as by several gateways in one test process: that one goes on.
    let _started_before = tracing_subscriber::registry().with(lines).try_init();
    std::panic::set_hook(Box::new(report));
    Ok(())
}

/// Libraries print headers, bodies and addresses at their lower levels, so no setting gets those out of them.
fn is_ours_or_a_warning(line: &Metadata<'_>) -> bool {
    *line.level() <= Level::WARN || line.target().starts_with(env!("CARGO_CRATE_NAME"))
}

/// Says where a task panicked, and nothing else: the text of a panic can hold any value.
fn report(panic: &std::panic::PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(place, "a task panicked");
}

#[cfg(test)]
mod tests {
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
    fn of_a_panic_only_its_place_is_logged() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(report));
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
