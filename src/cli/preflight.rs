//! The checks before the start: settings, addresses, files. All problems are reported at once, with a line for each.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use anyhow::{Context, bail};
use axum_server::tls_rustls::RustlsConfig;

use super::reload;
use crate::config::{EffectiveSetting, Examined, Settings};
use crate::privacy::audit::AuditLog;
use crate::server::{Listeners, listen};

/// The checked parts for the start of the gateway.
pub struct Ready {
    pub settings: Settings,
    pub in_force: Vec<EffectiveSetting>,
    pub listeners: Listeners,
    /// The listener of the embedded sandbox. `None` without an embedded sandbox.
    pub sandbox: Option<TcpListener>,
    pub tls: Option<RustlsConfig>,
}

/// Prepares `serve`: binds the addresses and checks the files.
///
/// # Errors
/// The text lists all problems.
pub async fn serving(file: Option<&Path>) -> anyhow::Result<Ready> {
    let mut looked = Looked::at(file);
    let tls = looked.files().await;
    let address = |of: fn(&Settings) -> SocketAddr| looked.examined.settings.as_ref().map(of);
    let (public, admin) =
        (address(|settings| settings.server.listen), address(|settings| settings.server.admin_listen));
    let embedded = looked.examined.is_good("upstream.base_url");
    let sandbox = looked.examined.settings.as_ref().filter(|settings| embedded && !settings.upstream.is_set());
    let sandbox = sandbox.map(|settings| settings.sandbox.listen);
    let public = looked.listener(public, "server.listen", "GATEWAY__SERVER__LISTEN");
    let admin = looked.listener(admin, "server.admin_listen", "GATEWAY__SERVER__ADMIN_LISTEN");
    let sandbox = looked.listener(sandbox, "sandbox.listen", "GATEWAY__SANDBOX__LISTEN");
    let in_force = std::mem::take(&mut looked.examined.in_force);
    let settings = looked.end()?;
    let (public, admin) = public.zip(admin).context("there are no listeners")?;
    Ok(Ready { settings, in_force, listeners: Listeners { public, admin }, sandbox, tls })
}

/// Prepares `sandbox`: binds its address.
///
/// # Errors
/// As of [`serving`].
pub fn sandbox(file: Option<&Path>) -> anyhow::Result<(Settings, TcpListener)> {
    let mut looked = Looked::at(file);
    let address = looked.examined.settings.as_ref().map(|settings| settings.sandbox.listen);
    let listener = looked.listener(address, "sandbox.listen", "GATEWAY__SANDBOX__LISTEN");
    Ok((looked.end()?, listener.context("there is no listener")?))
}

/// Prepares `check-config`. It does not bind the addresses, because a gateway can be running on them.
///
/// # Errors
/// As of [`serving`].
pub async fn looking(file: Option<&Path>) -> anyhow::Result<Settings> {
    let mut looked = Looked::at(file);
    looked.files().await;
    looked.end()
}

/// The settings, and all problems so far. Checks that depend on an invalid setting are skipped.
struct Looked {
    examined: Examined,
    problems: Vec<String>,
}

impl Looked {
    fn at(file: Option<&Path>) -> Self {
        let examined = Settings::examine(file);
        let problems = examined.problems.iter().map(ToString::to_string).collect();
        Self { examined, problems }
    }

    fn listener(
        &mut self,
        address: Option<SocketAddr>,
        setting: &'static str,
        variable: &'static str,
    ) -> Option<TcpListener> {
        let address = address.filter(|_| self.examined.is_good(setting))?;
        listen(address, setting, variable).map_err(|problem| self.problems.push(problem.to_string())).ok()
    }

    /// Loads the certificate and its key, and checks the audit file without changing it.
    async fn files(&mut self) -> Option<RustlsConfig> {
        let settings = self.examined.settings.as_ref()?;
        let good = |names: &[&str]| names.iter().all(|name| self.examined.is_good(name));
        let mut tls = None;
        if good(&["server.tls_certificate", "server.tls_key"]) {
            match reload::tls(settings).await {
                Ok(config) => tls = config,
                Err(problems) => self.problems.extend(problems),
            }
        }
        if good(&["audit.destination"])
            && let Ok(destination) = settings.audit_destination()
            && let Err(problem) = AuditLog::check(&destination)
        {
            self.problems.push(format!("setting audit.destination (GATEWAY__AUDIT__DESTINATION): {problem}"));
        }
        tls
    }

    fn end(self) -> anyhow::Result<Settings> {
        match self.problems.as_slice() {
            [] => Ok(self.examined.usable()?),
            [problem] => bail!("{problem}"),
            problems => bail!("{} problems prevent the start:\n  {}", problems.len(), problems.join("\n  ")),
        }
    }
}
