//! The log: lines on standard error, as text for a terminal or as JSON for a pipeline. [`super::log_queue`] writes them, so
//! that logging never blocks.
//!
//! Only fields that the gateway names are logged. Libraries, which print headers and bodies at their lower levels, log at
//! `warn` or above, whatever the level is.

use std::io::{self, IsTerminal};

use serde::Deserialize;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{FilterExt, LevelFilter, ParseError, filter_fn};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

use super::log_queue::LogQueue;
use crate::setting;

/// What is logged, and how; see `[log]` in `config/default.toml`.
#[derive(Clone, Debug, Deserialize)]
pub struct Settings {
    pub level: String,
    #[serde(deserialize_with = "setting::word")]
    pub format: Format,
    /// How many lines may wait to be written. The queue takes its memory at the start.
    #[serde(deserialize_with = "setting::within::<_, _, 1, 1_000_000>")]
    pub queue_size: usize,
}

/// The format of the lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    Text,
    Json,
}

/// An invalid level.
#[derive(Debug, thiserror::Error)]
pub enum InvalidLevel {
    #[error(transparent)]
    Filter(#[from] ParseError),
    #[error(
        "`{0}` is not a level: write off, error, warn, info, debug or trace; for a part of the program \
         `customers_gateway::upstream=debug`"
    )]
    NotALevel(String),
}

/// Checks a level.
///
/// # Errors
/// If the level is invalid.
pub fn check_level(level: &str) -> Result<(), InvalidLevel> {
    filter(level).map(|_| ())
}

/// Parses a level. `EnvFilter` takes any other word for a module whose lines are all wanted, and silences the rest: `infoo`
/// would silence the log. Here only modules of the gateway can stand alone.
fn filter(level: &str) -> Result<EnvFilter, InvalidLevel> {
    let words = level.split(',').map(str::trim).filter(|part| !part.is_empty() && !part.contains(['=', '[']));
    for word in words {
        if !word.starts_with(env!("CARGO_CRATE_NAME")) && word.parse::<LevelFilter>().is_err() {
            return Err(InvalidLevel::NotALevel(word.to_owned()));
        }
    }
    Ok(EnvFilter::try_new(level)?)
}

/// Changes the level of the running log.
#[derive(Clone, Debug)]
pub struct LevelHandle {
    filter: reload::Handle<EnvFilter, Registry>,
}

impl LevelHandle {
    /// Sets the level. Nothing happens if the level is invalid.
    pub fn set(&self, level: &str) {
        if let Ok(filter) = filter(level) {
            let _gone = self.filter.reload(filter);
        }
    }
}

/// The layer that writes the lines, and the handle of its level.
pub(super) fn layer(
    settings: &Settings,
    queue: LogQueue,
) -> Result<(impl Layer<Registry> + use<>, LevelHandle), InvalidLevel> {
    let (filter, handle) = reload::Layer::new(self::filter(&settings.level)?);
    // Lines are complete without their spans. Spans are for traces.
    let filter = filter.and(filter_fn(|line: &Metadata<'_>| line.is_event() && is_ours_or_a_warning(line)));
    let terminal = io::stderr().is_terminal();
    let lines = lines().with_writer(queue);
    let lines = match (settings.format, terminal) {
        (Format::Json, _) | (Format::Auto, false) => {
            lines.json().flatten_event(true).with_current_span(false).with_span_list(false).with_filter(filter).boxed()
        }
        (Format::Text, _) | (Format::Auto, true) => lines.with_ansi(terminal).with_filter(filter).boxed(),
    };
    Ok((lines, LevelHandle { filter: handle }))
}

fn lines<S: Subscriber + for<'a> LookupSpan<'a>>() -> tracing_subscriber::fmt::Layer<S> {
    tracing_subscriber::fmt::layer().with_target(false)
}

/// Libraries print headers, bodies and addresses at their lower levels. No setting enables these levels.
fn is_ours_or_a_warning(line: &Metadata<'_>) -> bool {
    *line.level() <= Level::WARN || line.target().starts_with(env!("CARGO_CRATE_NAME"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("info")]
    #[case("INFO")]
    #[case("off")]
    #[case("")]
    #[case("warn,customers_gateway=debug")]
    #[case("customers_gateway::upstream")]
    #[case("info,customers_gateway::http=trace")]
    fn valid_levels_are_accepted(#[case] level: &str) {
        assert!(check_level(level).is_ok());
    }

    #[rstest]
    #[case("infoo")]
    #[case("debug,inf")]
    #[case("verbose")]
    #[case("customers_gateway=loud")]
    fn invalid_levels_are_rejected(#[case] level: &str) {
        assert!(check_level(level).is_err());
    }
}
