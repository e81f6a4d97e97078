//! What is read again without a restart: the log's level, the trusted documents, secrets, the certificate and its key.
//!
//! SIGHUP reads all of them. The files of secrets, of the certificate and of its key are looked at as well, every
//! `server.watch_interval`, and taken over once a look finds them as the look before did: nothing half written is. What
//! cannot be used changes nothing: the gateway goes on with what it has, and the log says what to mend. All other settings,
//! secrets included, wait for the next start, and the log names those that have changed.

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

/// What the running process has, and where its settings are from.
pub struct Reload {
    pub app: Arc<App>,
    pub level: LevelHandle,
    /// None where callers speak plain HTTP.
    pub tls: Option<RustlsConfig>,
    pub file: Option<PathBuf>,
    pub settings: Settings,
    /// The same as text.
    pub started_with: Vec<EffectiveSetting>,
}

/// Settings that are taken over by a reload, beside those of secrets and TLS.
const RELOADABLE: [&str; 3] = ["log.level", "documents.manifest", "server.watch_interval"];

/// The files of TLS, where it is spoken before and after.
const TLS: [&str; 2] = ["server.tls_certificate", "server.tls_key"];

/// Secrets that are taken over. All others wait for the next start.
const RENEWED: [&str; 2] = ["upstream.api_key", "log.digest_key"];

/// Taken over where it takes the place of one.
const JWT_SECRET: &str = "auth.jwt.secret";

/// What the process was started with: what a reload does not take over stays as it was then.
struct Started {
    with: Vec<EffectiveSetting>,
    settings: Settings,
}

impl Started {
    /// The secrets that have changed since and wait for a restart.
    fn waiting_secrets(&self, now: &Settings) -> Vec<String> {
        let mut needs_restart = self.settings.differing_secrets(now);
        let (then_used, now_used) = (self.settings.auth.jwt_secret().is_some(), now.auth.jwt_secret().is_some());
        needs_restart.retain(|name| match *name {
            // Where tokens are checked by one neither before nor after, it is not used.
            JWT_SECRET => then_used != now_used,
            name => !RENEWED.contains(&name),
        });
        needs_restart.into_iter().map(str::to_owned).collect()
    }
}

/// None where there is nothing to list.
fn listed(names: &[String]) -> Option<String> {
    Some(names.join(", ")).filter(|names| !names.is_empty())
}

/// What SIGHUP reads.
struct Reloaded {
    settings: Settings,
    manifest: Manifest,
    tls: Option<RustlsConfig>,
    /// Settings that have changed and wait for a restart.
    waiting: Vec<String>,
}

impl Reload {
    /// Reloads for as long as the process lives.
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
                        // Also where it cannot be used: one look at each content, and one line in the log.
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
                "done"
            }
            Err(problem) => {
                let problem = problem.replace('\n', ";");
                error!(problem, "nothing was read again, and all goes on as before: mend it and send SIGHUP once more");
                "failed"
            }
        };
        metrics::counter!(names::RELOADS, "outcome" => outcome).increment(1);
    }

    /// Everything that can be reloaded, or nothing of it.
    async fn read_all(&self, started: &Started) -> Result<Settings, String> {
        let (file, mode) = (self.file.clone(), self.settings.documents.mode);
        let read = spawn_blocking(move || read_reloadable(file, mode)).await;
        let mut again = read.unwrap_or_else(|_panic| Err("it broke off".to_owned()))?;
        if self.tls.is_some() {
            again.tls = tls(&again.settings).await.map_err(|problems| problems.join("; "))?;
        }
        let changed =
            |now: &&EffectiveSetting| started.with.iter().any(|then| then.name == now.name && then.value != now.value);
        let goes_on_with_tls = self.tls.is_some() && again.tls.is_some();
        let reloaded = |now: &&EffectiveSetting| {
            let name = now.name.as_str();
            // Of secrets their values are compared.
            RELOADABLE.contains(&name) || now.is_secret() || (goes_on_with_tls && TLS.contains(&name))
        };
        if let Ok(now) = self.effective_settings().await {
            again.waiting =
                now.iter().filter(changed).filter(|now| !reloaded(now)).map(|now| now.name.clone()).collect();
        }
        again.waiting.extend(started.waiting_secrets(&again.settings));
        let Reloaded { settings, manifest, tls, waiting } = again;
        // Before the new level can keep it from being said.
        info!(
            documents = manifest.len(),
            level = settings.log.lines.level,
            renewed = self.app.renew_secrets(&self.settings, &settings).join(", "),
            certificate = tls.is_some(),
            needs_restart = listed(&waiting),
            "read again: the log's level, the trusted documents, secrets, and the certificate"
        );
        self.app.executor.replace_manifest(manifest);
        if let (Some(running), Some(renewed)) = (&self.tls, tls) {
            running.reload_from_config(renewed.get_inner());
        }
        self.level.set(&settings.log.lines.level);
        Ok(settings)
    }

    /// The secrets that come from files, the certificate and its key.
    async fn read_secrets(&self, started: &Started) -> Result<Settings, String> {
        let settings = self.settings.clone();
        let read =
            spawn_blocking(move || settings.with_reloaded_secrets().map_err(|problem| problem.to_string())).await;
        let settings = read.unwrap_or_else(|_panic| Err("it broke off".to_owned()))?;
        let tls = match &self.tls {
            Some(_) => tls(&settings).await.map_err(|problems| problems.join("; "))?,
            None => None,
        };
        info!(
            renewed = self.app.renew_secrets(&self.settings, &settings).join(", "),
            certificate = tls.is_some(),
            needs_restart = listed(&started.waiting_secrets(&settings)),
            "read again: files of secrets or of the certificate have changed"
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
        read.unwrap_or_else(|_panic| Err("it broke off".to_owned()))
    }

    /// Whether a secret's file has changed between the start and the first look.
    async fn has_changed_since_the_start(&self) -> bool {
        let settings = self.settings.clone();
        let changed =
            move || settings.with_reloaded_secrets().is_ok_and(|now| !settings.differing_secrets(&now).is_empty());
        spawn_blocking(changed).await.unwrap_or_default()
    }

    /// What tells one content of the watched files from the next; none for a file that cannot be read.
    async fn digests(&self) -> Vec<Option<[u8; 32]>> {
        let files = self.settings.watched_files();
        let digest = |file: PathBuf| std::fs::read(file).ok().map(|bytes| Sha256::digest(bytes).into());
        spawn_blocking(move || files.into_iter().map(digest).collect()).await.unwrap_or_default()
    }
}

/// The certificate and its key; none where callers speak plain HTTP.
///
/// # Errors
/// Each file that cannot be read, or that they cannot be used or do not belong together.
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
        |error| format!("settings server.tls_certificate and server.tls_key: the files cannot be used: {error}");
    RustlsConfig::from_pem(certificate, key).await.map(Some).map_err(|error| vec![unusable(error)])
}

/// Zero: never.
async fn ticker_interval(interval: Duration) {
    if interval.is_zero() { pending().await } else { tokio::time::sleep(interval).await }
}

/// Their texts name settings and files, and quote neither.
fn read_reloadable(file: Option<PathBuf>, mode: Enforcement) -> Result<Reloaded, String> {
    let settings = Settings::load(file.as_deref()).map_err(|problem| problem.to_string())?;
    // A manifest that is fit for the new mode could have the running one refuse every document.
    if settings.documents.mode != mode {
        return Err(
            "setting documents.mode: is another one than this process runs with, and needs a restart".to_owned()
        );
    }
    let manifest = settings.documents.manifest().map_err(|problem| problem.to_string())?;
    if mode == Enforcement::Required && manifest.is_empty() {
        return Err("setting documents.manifest: lists nothing, and nothing else may run".to_owned());
    }
    Ok(Reloaded { settings, manifest, tls: None, waiting: Vec::new() })
}
