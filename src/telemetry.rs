//! What is seen of a running gateway: for now its log.
//!
//! Only fields that the program names itself are logged. Libraries that would print headers and bodies at their lower
//! levels are held at `warn`, whatever level is asked for.

use std::io;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::config::{Log, LogFormat};

/// Libraries whose lower levels print headers, bodies or addresses.
const HELD_AT_WARN: [&str; 11] = [
    "async_graphql",
    "axum",
    "h2",
    "hickory_proto",
    "hickory_resolver",
    "hyper",
    "hyper_util",
    "reqwest",
    "rustls",
    "tower",
    "tower_http",
];

/// Starts the log, on standard error.
///
/// # Errors
/// Where the level cannot be read.
pub fn start(log: &Log) -> Result<(), ParseError> {
    let mut filter = EnvFilter::try_new(&log.level)?;
    for library in HELD_AT_WARN {
        filter = filter.add_directive(format!("{library}=warn").parse()?);
    }
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    // It fails where a log was started before, as by several gateways in one test process: that one goes on.
    let _started_before = match log.format {
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
        LogFormat::Text => subscriber.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).try_init(),
    };
    std::panic::set_hook(Box::new(report));
    Ok(())
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
