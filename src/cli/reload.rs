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
use crate::operation::trusted::{Manifest, Mode};
use crate::telemetry::log::LevelHandle;
use crate::telemetry::names;

/// What is read again.
struct Again {
    level: String,
    manifest: Manifest,
}

/// Reads again with every signal, for as long as the process lives.
pub async fn on_each(mut signal: Signal, app: Arc<App>, mode: Mode, level: LevelHandle, file: Option<PathBuf>) {
    while signal.recv().await.is_some() {
        let file = file.clone();
        let read = tokio::task::spawn_blocking(move || read(file, mode)).await;
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
fn read(file: Option<PathBuf>, mode: Mode) -> Result<Again, String> {
    let settings = Settings::read(file.as_deref()).map_err(|problem| problem.to_string())?;
    // A manifest that is fit for the new mode could have the running one refuse every document.
    if settings.documents.mode != mode {
        return Err(
            "setting documents.mode: is another one than this process runs with, and needs a restart".to_owned()
        );
    }
    let manifest = settings.documents.manifest().map_err(|problem| problem.to_string())?;
    if mode == Mode::Only && manifest.is_empty() {
        return Err("setting documents.manifest: lists nothing, and nothing else may run".to_owned());
    }
    Ok(Again { level: settings.log.level, manifest })
}
