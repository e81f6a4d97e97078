//! Reload without a restart: the log level, the trusted documents, secrets, the certificate and its key.
//!
//! SIGHUP reads all of them. The gateway also reads the files of secrets, of the certificate and of its key every
//! `server.watch_interval`. It applies a change when two reads in a row find the same content, so that it applies no file that
//! is half written. An invalid value changes nothing, and the log says what to correct. All other settings, and some secrets,
//! need a restart. The log names those that have changed.

use std::future::pending;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum_server::tls_rustls::RustlsConfig;
use sha2::{Digest, Sha256};
use tokio::signal::unix::Signal;
use tokio::task::spawn_blocking;
use tracing::{error, info};

use crate::app::App;
use crate::config::{EffectiveSetting, Settings};
use crate::operation::document::trusted::{Enforcement, Manifest};
use crate::telemetry::log::LevelHandle;
use crate::telemetry::names;

/// The parts of the running process that a reload changes, and its settings.
pub struct Reload {
    pub app: Arc<App>,
    pub level: LevelHandle,
    /// `None` without TLS.
    pub tls: Option<RustlsConfig>,
    pub file: Option<PathBuf>,
    pub settings: Settings,
    /// The settings of the start, as text.
    pub started_with: Vec<EffectiveSetting>,
}

/// Settings that a reload applies, besides secrets and TLS.
const RELOADABLE: [&str; 3] = ["log.level", "documents.manifest", "server.watch_interval"];

/// The files of TLS. A reload applies them if TLS is on before and after.
const TLS: [&str; 2] = ["server.tls_certificate", "server.tls_key"];

/// Secrets that a reload applies. All others need a restart.
const RENEWED: [&str; 2] = ["upstream.api_key", "log.digest_key"];

/// A reload applies it if a secret verified tokens before.
const JWT_SECRET: &str = "auth.jwt.secret";

/// The settings of the start. Settings that a reload does not apply keep these values.
struct Started {
    with: Vec<EffectiveSetting>,
    settings: Settings,
}

impl Started {
    /// The secrets that have changed since the start and need a restart.
    fn waiting_secrets(&self, now: &Settings) -> Vec<String> {
        let mut needs_restart = self.settings.differing_secrets(now);
        let (then_used, now_used) = (self.settings.auth.jwt_secret().is_some(), now.auth.jwt_secret().is_some());
        needs_restart.retain(|name| match *name {
            // If no secret verifies tokens, before or after, its value does not matter.
            JWT_SECRET => then_used != now_used,
            name => !RENEWED.contains(&name),
        });
        needs_restart.into_iter().map(str::to_owned).collect()
    }
}

/// The names in one text. `None` for an empty list.
fn listed(names: &[String]) -> Option<String> {
    Some(names.join(", ")).filter(|names| !names.is_empty())
}

/// The result of reading all that a reload applies.
struct Reloaded {
    settings: Settings,
    manifest: Manifest,
    tls: Option<RustlsConfig>,
    /// Settings that have changed and need a restart.
    waiting: Vec<String>,
}

impl Reload {
    /// Reloads until the process ends.
    pub async fn run(mut self, mut signal: Signal) {
        let started = Started { with: std::mem::take(&mut self.started_with), settings: self.settings.clone() };
        let mut applied = self.digests().await;
        let mut last_look = applied.clone();
        if self.has_changed_since_the_start().await {
            applied.clear();
        }
        loop {
            tokio::select! {
                hangup = signal.recv() => {
                    if hangup.is_none() {
                        return;
                    }
                    self.finish(self.read_all(&started).await);
                    (applied, last_look) = (self.digests().await, Vec::new());
                }
                () = ticker_interval(self.settings.server.watch_interval) => {
                    let look = self.digests().await;
                    if look != applied && look == last_look {
                        // Also if it is invalid: each content is read once, with one line in the log.
                        applied.clone_from(&look);
                        self.finish(self.read_secrets(&started).await);
                    }
                    last_look = look;
                }
            }
        }
    }

    fn finish(&mut self, outcome: Result<Settings, String>) {
        let outcome = match outcome {
            Ok(settings) => {
                self.settings = settings;
                "ok"
            }
            Err(problem) => {
                let problem = problem.replace('\n', ";");
                error!(
                    error = problem,
                    "reload failed; the previous settings stay in force. Correct the problem and send SIGHUP again"
                );
                "failed"
            }
        };
        metrics::counter!(names::RELOADS, "outcome" => outcome).increment(1);
    }

    /// Reloads everything, or nothing if any part is invalid.
    async fn read_all(&self, started: &Started) -> Result<Settings, String> {
        let (file, mode) = (self.file.clone(), self.settings.documents.mode);
        let read = spawn_blocking(move || read_reloadable(file, mode)).await;
        let mut again = read.unwrap_or_else(|_panic| Err("the reload panicked".to_owned()))?;
        if self.tls.is_some() {
            again.tls = tls(&again.settings).await.map_err(|problems| problems.join("; "))?;
        }
        let changed =
            |now: &&EffectiveSetting| started.with.iter().any(|then| then.name == now.name && then.value != now.value);
        let goes_on_with_tls = self.tls.is_some() && again.tls.is_some();
        let reloaded = |now: &&EffectiveSetting| {
            let name = now.name.as_str();
            // The values of secrets are compared instead.
            RELOADABLE.contains(&name) || now.is_secret() || (goes_on_with_tls && TLS.contains(&name))
        };
        if let Ok(now) = self.effective_settings().await {
            again.waiting =
                now.iter().filter(changed).filter(|now| !reloaded(now)).map(|now| now.name.clone()).collect();
        }
        again.waiting.extend(started.waiting_secrets(&again.settings));
        let Reloaded { settings, manifest, tls, waiting } = again;
        // Before the level changes, because the new level can suppress this line.
        info!(
            documents = manifest.len(),
            level = settings.log.lines.level,
            reloaded_secrets = self.app.renew_secrets(&self.settings, &settings).join(", "),
            certificate_reloaded = tls.is_some(),
            needs_restart = listed(&waiting),
            "reloaded the log level, the trusted documents, the secrets and the certificate"
        );
        self.app.executor.replace_manifest(manifest);
        if let (Some(running), Some(renewed)) = (&self.tls, tls) {
            running.reload_from_config(renewed.get_inner());
        }
        self.level.set(&settings.log.lines.level);
        Ok(settings)
    }

    /// Reads the secrets that come from files, the certificate and its key.
    async fn read_secrets(&self, started: &Started) -> Result<Settings, String> {
        let settings = self.settings.clone();
        let read =
            spawn_blocking(move || settings.with_reloaded_secrets().map_err(|problem| problem.to_string())).await;
        let settings = read.unwrap_or_else(|_panic| Err("the reload panicked".to_owned()))?;
        let tls = match &self.tls {
            Some(_) => tls(&settings).await.map_err(|problems| problems.join("; "))?,
            None => None,
        };
        info!(
            reloaded_secrets = self.app.renew_secrets(&self.settings, &settings).join(", "),
            certificate_reloaded = tls.is_some(),
            needs_restart = listed(&started.waiting_secrets(&settings)),
            "reloaded changed files of secrets or of the certificate"
        );
        if let (Some(running), Some(renewed)) = (&self.tls, tls) {
            running.reload_from_config(renewed.get_inner());
        }
        Ok(settings)
    }

    async fn effective_settings(&self) -> Result<Vec<EffectiveSetting>, String> {
        let file = self.file.clone();
        let read =
            spawn_blocking(move || Settings::effective(file.as_deref()).map_err(|problem| problem.to_string())).await;
        read.unwrap_or_else(|_panic| Err("the reload panicked".to_owned()))
    }

    /// Whether the file of a secret has changed between the start and the first read.
    async fn has_changed_since_the_start(&self) -> bool {
        let settings = self.settings.clone();
        let changed =
            move || settings.with_reloaded_secrets().is_ok_and(|now| !settings.differing_secrets(&now).is_empty());
        spawn_blocking(changed).await.unwrap_or_default()
    }

    /// The digests of the watched files. `None` for a file that cannot be read.
    async fn digests(&self) -> Vec<Option<[u8; 32]>> {
        let files = self.settings.watched_files();
        let digest = |file: PathBuf| std::fs::read(file).ok().map(|bytes| Sha256::digest(bytes).into());
        spawn_blocking(move || files.into_iter().map(digest).collect()).await.unwrap_or_default()
    }
}

/// The certificate and its key. `None` without TLS.
///
/// # Errors
/// A text for each file that cannot be read, or one text if the files are invalid or do not belong together.
pub async fn tls(settings: &Settings) -> Result<Option<RustlsConfig>, Vec<String>> {
    let files = settings.server.tls().map_err(|problem| vec![problem.to_string()])?;
    let Some((certificate, key)) = files else { return Ok(None) };
    let read = async |path: &Path, setting: &str| {
        let told = |error| format!("setting {setting}: the file {} cannot be read: {error}", path.display());
        tokio::fs::read(path).await.map_err(told)
    };
    let certificate = read(certificate, "server.tls_certificate (GATEWAY__SERVER__TLS_CERTIFICATE)").await;
    let key = read(key, "server.tls_key (GATEWAY__SERVER__TLS_KEY)").await;
    let (certificate, key) = match (certificate, key) {
        (Ok(certificate), Ok(key)) => (certificate, key),
        (certificate, key) => return Err([certificate.err(), key.err()].into_iter().flatten().collect()),
    };
    let unusable =
        |error| format!("settings server.tls_certificate and server.tls_key: the files are invalid: {error}");
    RustlsConfig::from_pem(certificate, key).await.map(Some).map_err(|error| vec![unusable(error)])
}

/// Waits for the interval. With zero it waits forever.
async fn ticker_interval(interval: Duration) {
    if interval.is_zero() { pending().await } else { tokio::time::sleep(interval).await }
}

/// Reads the settings and the manifest. The error texts name settings and files and do not quote their content.
fn read_reloadable(file: Option<PathBuf>, mode: Enforcement) -> Result<Reloaded, String> {
    let settings = Settings::load(file.as_deref()).map_err(|problem| problem.to_string())?;
    // With a manifest that is valid for the new mode only, the running mode could reject every document.
    if settings.documents.mode != mode {
        return Err("setting documents.mode: has changed, and a change needs a restart".to_owned());
    }
    let manifest = settings.documents.manifest().map_err(|problem| problem.to_string())?;
    if mode == Enforcement::Required && manifest.is_empty() {
        return Err("setting documents.manifest: lists no documents, and documents.mode permits no others".to_owned());
    }
    Ok(Reloaded { settings, manifest, tls: None, waiting: Vec::new() })
}
