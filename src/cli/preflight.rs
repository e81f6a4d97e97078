//! What is looked at before anything starts: settings, addresses, files. All that is wrong is told at once, with a line for
//! each problem, so that nobody mends one only to be told the next.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use anyhow::{Context, bail};
use axum_server::tls_rustls::RustlsConfig;

use super::reload;
use crate::config::{EffectiveSetting, Examined, Settings};
use crate::privacy::audit::AuditLog;
use crate::server::{Listeners, listen};

/// What the gateway starts with.
pub struct Ready {
    pub settings: Settings,
    pub in_force: Vec<EffectiveSetting>,
    pub listeners: Listeners,
    /// The embedded sandbox's, where there is one.
    pub sandbox: Option<TcpListener>,
    pub tls: Option<RustlsConfig>,
}

/// For serving: the addresses are taken, the files are looked at.
///
/// # Errors
/// Names all that keeps the gateway from starting.
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

/// For the sandbox alone: its address is taken.
///
/// # Errors
/// As of [`serving`].
pub fn sandbox(file: Option<&Path>) -> anyhow::Result<(Settings, TcpListener)> {
    let mut looked = Looked::at(file);
    let address = looked.examined.settings.as_ref().map(|settings| settings.sandbox.listen);
    let listener = looked.listener(address, "sandbox.listen", "GATEWAY__SANDBOX__LISTEN");
    Ok((looked.end()?, listener.context("there is no listener")?))
}

/// For a look alone: a gateway may be running on the addresses, and they are not tried.
///
/// # Errors
/// As of [`serving`].
pub async fn looking(file: Option<&Path>) -> anyhow::Result<Settings> {
    let mut looked = Looked::at(file);
    looked.files().await;
    looked.end()
}

/// The settings, and all problems so far. What depends on a setting that is wrong is not looked at.
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

    /// The certificate and its key, which are used, and the audit file, which is not touched.
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
            problems => bail!("{} problems keep it from starting:\n  {}", problems.len(), problems.join("\n  ")),
        }
    }
}
