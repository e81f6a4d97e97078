//! SIGHUP: the log's level and the trusted documents are read again, without a restart.
//!
//! What cannot be used changes nothing: the gateway goes on with what it has, and the log says what to mend. All other
//! settings wait for the next start.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::signal::unix::Signal;
use tracing::{error, info};

use crate::app::App;
use crate::config::Settings;
use crate::operation::trusted::Manifest;
use crate::telemetry::log::LevelHandle;
use crate::telemetry::names;

/// What is read again.
struct Again {
    level: String,
    manifest: Manifest,
}

/// Reads again with every signal, for as long as the process lives.
pub async fn on_each(mut signal: Signal, app: Arc<App>, level: LevelHandle, file: Option<PathBuf>) {
    while signal.recv().await.is_some() {
        let file = file.clone();
        let read = tokio::task::spawn_blocking(move || read(file)).await;
        let outcome = match read.unwrap_or_else(|_panic| Err("it broke off".to_owned())) {
            Ok(again) => {
                // Before the new level can keep it from being said.
                let documents = again.manifest.len();
                info!(documents, level = again.level, "read again: the log's level and the trusted documents");
                app.executor.trust(again.manifest);
                level.set(&again.level);
                "done"
            }
            Err(problem) => {
                error!(problem, "nothing was read again, and all goes on as before: mend it and send SIGHUP once more");
                "failed"
            }
        };
        metrics::counter!(names::RELOADS, "outcome" => outcome).increment(1);
    }
}

/// Their texts name settings and files, and quote neither.
fn read(file: Option<PathBuf>) -> Result<Again, String> {
    let settings = Settings::read(file.as_deref()).map_err(|problem| problem.to_string())?;
    let manifest = settings.documents.manifest().map_err(|problem| problem.to_string())?;
    Ok(Again { level: settings.log.level, manifest })
}
