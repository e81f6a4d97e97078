//! The sections, and what several of them mean together.

use std::net::SocketAddr;
use std::num::NonZeroU32;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::Error;
use super::audit::Audit;
use super::documents::Documents;
use super::http::Http;
use super::jwt::Jwt;
use super::server::Server;
use super::telemetry::{Log, Traces};
use super::upstream::Upstream;
use crate::admission::rate_limit;
use crate::auth::AuthMode;
use crate::cache;
use crate::customers::RequiredReasons;
use crate::operation::executor;
use crate::outbound::is_loopback;
use crate::privacy::audit::Destination;
use crate::setting::{self, Switch};

/// All settings. `config/default.toml` has the meaning of each.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub server: Server,
    pub http: Http,
    pub graphql: Graphql,
    pub documents: Documents,
    pub rate_limit: rate_limit::Settings,
    pub auth: Auth,
    pub upstream: Upstream,
    pub sandbox: Sandbox,
    pub cache: cache::Settings,
    pub audit: Audit,
    pub privacy: Privacy,
    pub playground: Playground,
    pub log: Log,
    pub traces: Traces,
}

/// `[graphql]`
#[derive(Clone, Debug, Deserialize)]
pub struct Graphql {
    #[serde(deserialize_with = "setting::word")]
    pub introspection: Switch,
    #[serde(flatten)]
    pub executor: executor::Settings,
    pub federation: bool,
    pub always_report_upstream: bool,
    #[serde(deserialize_with = "setting::word")]
    pub upstream_report: Switch,
    pub allow_private_caching: bool,
}

/// `[auth]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    #[serde(deserialize_with = "setting::word")]
    pub mode: AuthMode,
    pub jwt: Jwt,
}

impl Auth {
    /// The secret that verifies tokens. `None` if no secret verifies tokens.
    pub fn jwt_secret(&self) -> Option<&SecretString> {
        Some(&self.jwt.secret).filter(|secret| self.mode == AuthMode::Jwt && !secret.expose_secret().is_empty())
    }
}

/// `[sandbox]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sandbox {
    pub listen: SocketAddr,
}

/// `[privacy]`
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Privacy {
    #[serde(flatten)]
    pub required_reasons: RequiredReasons,
    #[serde(deserialize_with = "setting::positive")]
    pub max_unmask_per_operation: usize,
    pub max_unmask_per_minute: NonZeroU32,
}

/// `[playground]`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Playground {
    #[serde(deserialize_with = "setting::word")]
    pub enabled: Switch,
}

impl Settings {
    /// Whether the data of the upstream counts as real: with any upstream that is set, also one on a loopback address,
    /// because a sidecar can forward calls to the real API. The exception is an upstream on this machine with
    /// `auth.mode = "sandbox"`, which must prove that it is the sandbox ([`Settings::has_to_prove_sandbox`]).
    pub fn is_real_upstream(&self) -> bool {
        self.upstream.is_set() && !self.has_to_prove_sandbox()
    }

    /// Whether an upstream is set that must be the sandbox. The gateway does not start unless the upstream proves it.
    pub fn has_to_prove_sandbox(&self) -> bool {
        let is_near = || matches!(self.upstream.base_url(), Ok(Some(url)) if is_loopback(&url));
        self.auth.mode == AuthMode::Sandbox && is_near()
    }

    /// Whether every caller may use introspection.
    pub fn introspection(&self) -> bool {
        self.graphql.introspection.is_on(!self.is_real_upstream())
    }

    /// Whether every caller may request the report of upstream calls.
    pub fn upstream_report(&self) -> bool {
        self.graphql.upstream_report.is_on(!self.is_real_upstream())
    }

    /// Whether the playground is served.
    pub fn has_playground(&self) -> bool {
        self.playground.enabled.is_on(!self.is_real_upstream())
    }

    /// The rate limit of each caller. `None` if there is no limit.
    pub fn rate_limit(&self) -> Option<rate_limit::Settings> {
        Some(self.rate_limit).filter(|limit| limit.enabled.is_on(self.is_real_upstream()))
    }

    /// Where audit records are written.
    ///
    /// # Errors
    /// Real data would be read and changed without audit records, or the destination is not a regular file.
    pub fn audit_destination(&self) -> Result<Destination, Error> {
        self.audit.destination(self.is_real_upstream())
    }
}
