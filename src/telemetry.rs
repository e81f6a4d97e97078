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
    std::panic::set_hook(Box::new(|panic| {
        // Only the place: the text of a panic can hold any value.
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a task panicked");
    }));
    Ok(())
}
