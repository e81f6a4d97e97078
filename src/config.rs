//! Settings: `config/default.toml`, then a file, then the environment. Read once, checked as a whole, and handed down
//! as plain structs; nothing else in the program reads files or variables.

mod audit;
mod enum_word;
mod error;
mod http;
mod jwt;
mod load;
mod playground;
mod privacy;
mod secret;
mod sources;
mod string_list;
mod telemetry;
mod upstream;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

pub use error::Error;
pub use load::Examined;
pub use privacy::{Privacy, ReasonRequirement};
pub use sources::EffectiveSetting;
pub use telemetry::{Log, Traces};

use error::Problems;

use crate::admission::bodies::most_held;
use crate::admission::rate_limit;
use crate::auth::AuthMode;
use crate::operation::OnError;
use crate::operation::document::trusted::{self, Manifest, TrustedDocuments};
use crate::outbound::is_loopback;
use crate::privacy::audit::Destination;

pub use http::Http;
pub use jwt::Jwt;
pub use upstream::Upstream;

/// All settings; see `config/default.toml` for each one's meaning.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub server: Server,
    pub http: Http,
    pub graphql: Graphql,
    pub documents: Documents,
    pub rate_limit: RateLimit,
    pub auth: Auth,
    pub upstream: Upstream,
    pub sandbox: Sandbox,
    pub cache: Cache,
    audit: audit::Audit,
    pub privacy: Privacy,
    pub playground: playground::Playground,
    pub log: Log,
    pub traces: Traces,
}

/// `[server]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    pub listen: SocketAddr,
    pub admin_listen: SocketAddr,
    #[serde(with = "humantime_serde")]
    pub deadline: Duration,
    pub max_operations: usize,
    #[serde(with = "humantime_serde")]
    pub drain_delay: Duration,
    #[serde(with = "humantime_serde")]
    pub drain_timeout: Duration,
    #[serde(with = "humantime_serde")]
    pub header_timeout: Duration,
    #[serde(with = "humantime_serde")]
    pub keep_alive: Duration,
    #[serde(with = "humantime_serde")]
    pub write_timeout: Duration,
    pub max_header_bytes: usize,
    pub max_body_bytes: usize,
    pub max_buffered_body_bytes: usize,
    pub max_connections: usize,
    tls_certificate: String,
    tls_key: String,
    #[serde(with = "humantime_serde")]
    pub watch_interval: Duration,
}

/// `[graphql]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Graphql {
    #[serde(deserialize_with = "enum_word::deserialize_enum")]
    pub introspection: Switch,
    pub max_tokens: usize,
    pub max_nesting: usize,
    pub max_name_bytes: usize,
    pub max_depth: usize,
    pub max_fields: usize,
    pub max_aliases: usize,
    pub max_root_fields: usize,
    pub max_directives: usize,
    pub max_introspection_depth: usize,
    pub max_operations: usize,
    pub max_errors: usize,
    pub max_validation_errors: usize,
    pub documents_max_bytes: u64,
    pub max_argument_values: usize,
    pub max_upstream_calls: usize,
    pub federation: bool,
    pub max_representations: usize,
    pub max_response_fields: usize,
    pub max_response_bytes: usize,
    #[serde(deserialize_with = "enum_word::deserialize_enum")]
    pub on_error: OnError,
    pub always_report_upstream: bool,
    pub upstream_report: Switch,
    pub allow_private_caching: bool,
}

/// `[documents]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Documents {
    #[serde(deserialize_with = "enum_word::deserialize_enum")]
    pub mode: trusted::Enforcement,
    manifest: String,
    pub automatic_max_bytes: u64,
}

/// `[rate_limit]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    #[serde(deserialize_with = "enum_word::deserialize_enum")]
    pub enabled: Switch,
    pub units_per_second: NonZeroU32,
    pub burst: NonZeroU32,
}

/// Something that is on, off, or as fits the upstream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    /// As the setting's meaning says: it differs before a sandbox on this machine and before a real upstream.
    Auto,
    On,
    Off,
}

impl Switch {
    fn is_on(self, by_itself: bool) -> bool {
        match self {
            Self::Auto => by_itself,
            Self::On => true,
            Self::Off => false,
        }
    }
}

/// `[auth]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    #[serde(deserialize_with = "enum_word::deserialize_enum")]
    pub mode: AuthMode,
    pub jwt: Jwt,
}

impl Auth {
    /// The secret that tokens are checked by, where they are by one.
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

/// `[cache]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    pub enabled: bool,
    #[serde(with = "humantime_serde")]
    pub customer_ttl: Duration,
    #[serde(with = "humantime_serde")]
    pub review_ttl: Duration,
    #[serde(with = "humantime_serde")]
    pub page_ttl: Duration,
    #[serde(with = "humantime_serde")]
    pub not_found_ttl: Duration,
    #[serde(with = "humantime_serde")]
    pub stale_while_revalidate: Duration,
    #[serde(with = "humantime_serde")]
    pub stale_if_error: Duration,
    pub customers_max_bytes: u64,
    pub reviews_max_bytes: u64,
    pub pages_max_bytes: u64,
}

impl Settings {
    /// Whether the people behind the upstream have to be taken for real ones: behind any upstream that is set, a loopback
    /// address included, since a sidecar may pass calls on to the real API. Only `auth.mode = "sandbox"` says otherwise, of
    /// an upstream on this machine, which has to prove that it is the sandbox ([`Settings::has_to_prove_sandbox`]).
    pub fn is_real_upstream(&self) -> bool {
        self.upstream.is_set() && !self.has_to_prove_sandbox()
    }

    /// Whether an upstream is set that is said to be the sandbox. The start is refused where it does not prove it.
    pub fn has_to_prove_sandbox(&self) -> bool {
        let is_near = || matches!(self.upstream.base_url(), Ok(Some(url)) if is_loopback(&url));
        self.auth.mode == AuthMode::Sandbox && is_near()
    }

    /// Whether introspection is answered.
    pub fn introspection(&self) -> bool {
        self.graphql.introspection.is_on(!self.is_real_upstream())
    }

    /// Whether every caller gets the report of upstream calls that asks for it.
    pub fn upstream_report(&self) -> bool {
        self.graphql.upstream_report.is_on(!self.is_real_upstream())
    }

    /// Whether the playground is served.
    pub fn has_playground(&self) -> bool {
        self.playground.enabled.is_on(!self.is_real_upstream())
    }

    /// The rate that each caller may ask at, where there is a limit.
    pub fn rate_limit(&self) -> Option<rate_limit::Settings> {
        let RateLimit { enabled, units_per_second, burst } = self.rate_limit;
        enabled.is_on(self.is_real_upstream()).then_some(rate_limit::Settings { units_per_second, burst })
    }

    /// How it is recorded who saw or changed whom.
    ///
    /// # Errors
    /// Where real people's data would be seen and changed without a record, or a bound is zero.
    pub fn audit(&self) -> Result<crate::privacy::audit::Settings, Error> {
        self.audit.settings(self.is_real_upstream())
    }

    /// Where records go.
    ///
    /// # Errors
    /// Where real people's data would be seen and changed without a record.
    pub fn audit_destination(&self) -> Result<Destination, Error> {
        self.audit.destination(self.is_real_upstream())
    }

    /// Finds what is wrong with single settings and between several. `is_known` says which have the value that was asked
    /// for: nothing is told of what depends on any other.
    fn check(&self, is_known: &dyn Fn(&str) -> bool) -> Result<(), Error> {
        let mut problems = Problems::default();
        problems.ok_or_record(self.upstream.check());
        if self.is_real_upstream() && self.auth.mode == AuthMode::Sandbox {
            let problem = "`sandbox` lets anybody do everything and is only for a sandbox on this machine: \
                set it to `passthrough`, so that callers bring their own key, or to `jwt`, so that they bring a token of \
                your identity provider";
            problems.add(invalid("auth.mode", problem));
        }
        let key = self.upstream.api_key.expose_secret().trim();
        // The key that is there by default is one for the sandbox only.
        if is_known("auth.mode")
            && self.auth.mode != AuthMode::Passthrough
            && (key.is_empty() || (self.is_real_upstream() && key == "sandbox"))
        {
            problems.add(invalid("upstream.api_key", "give the gateway's key of the Customers API"));
        }
        if self.auth.mode == AuthMode::Jwt {
            problems.ok_or_record(self.auth.jwt.verifier_settings());
            // That there are no keys is told of this one.
            let keys = ["auth.jwt.jwks_url", "auth.jwt.public_key_file", "auth.jwt.secret"];
            let keys_are_known = keys.into_iter().all(is_known);
            problems.retain(|name| keys_are_known || name != "auth.jwt.jwks_url");
        }
        problems.ok_or_record(self.documents.trusted());
        problems.ok_or_record(self.audit());
        let each_minute = usize::try_from(self.privacy.max_unmask_per_minute.get()).unwrap_or(usize::MAX);
        if is_known("privacy.max_unmask_per_operation") && self.privacy.max_unmask_per_operation > each_minute {
            let problem = "must not be below privacy.max_unmask_per_operation";
            problems.add(invalid("privacy.max_unmask_per_minute", problem));
        }
        problems.ok_or_record(self.server.tls());
        problems.ok_or_record(self.log.check());
        problems.ok_or_record(self.traces.settings());
        problems.ok_or_record(self.http.origins(self.auth.mode));
        problems.ok_or_record(self.http.allowed_headers());
        let most_units = usize::try_from(self.rate_limit.burst.get()).unwrap_or(usize::MAX);
        let rate_is_known = is_known("rate_limit.enabled") && is_known("graphql.max_upstream_calls");
        if rate_is_known && self.rate_limit().is_some() && self.graphql.max_upstream_calls >= most_units {
            problems.add(invalid("rate_limit.burst", "must be above graphql.max_upstream_calls"));
        }
        let positive = [
            ("server.deadline", self.server.deadline),
            ("server.header_timeout", self.server.header_timeout),
            ("server.keep_alive", self.server.keep_alive),
            ("server.write_timeout", self.server.write_timeout),
        ];
        for (name, duration) in positive {
            if duration.is_zero() {
                problems.add(invalid(name, "must be longer than nothing"));
            }
        }
        // They are added to the clock's time, which overflows where one is of millions of years.
        let bounded = [
            ("server.deadline", self.server.deadline),
            ("server.drain_delay", self.server.drain_delay),
            ("server.drain_timeout", self.server.drain_timeout),
            ("server.header_timeout", self.server.header_timeout),
            ("server.keep_alive", self.server.keep_alive),
            ("server.write_timeout", self.server.write_timeout),
            ("server.watch_interval", self.server.watch_interval),
            ("cache.customer_ttl", self.cache.customer_ttl),
            ("cache.review_ttl", self.cache.review_ttl),
            ("cache.page_ttl", self.cache.page_ttl),
            ("cache.not_found_ttl", self.cache.not_found_ttl),
            ("cache.stale_while_revalidate", self.cache.stale_while_revalidate),
            ("cache.stale_if_error", self.cache.stale_if_error),
            ("upstream.timeout", self.upstream.timeout),
            ("upstream.connect_timeout", self.upstream.connect_timeout),
            ("upstream.queue_timeout", self.upstream.queue_timeout),
            ("upstream.breaker_window", self.upstream.breaker_window),
            ("upstream.breaker_open_duration", self.upstream.breaker_open_duration),
        ];
        for (name, duration) in bounded {
            if duration > MAX_DURATION {
                problems.add(invalid(name, "must be a day at most"));
            }
        }
        if !(8 * 1024..=1024 * 1024).contains(&self.server.max_header_bytes) {
            problems.add(invalid("server.max_header_bytes", "must be 8192 at least and 1048576 at most"));
        }
        let same_address = self.server.admin_listen == self.server.listen && self.server.listen.port() != 0;
        if is_known("server.listen") && same_address {
            problems.add(invalid("server.admin_listen", "is the address of server.listen: give it one of its own"));
        }
        if is_known("server.max_body_bytes")
            && self.server.max_buffered_body_bytes < most_held(self.server.max_body_bytes)
        {
            let problem = "must be at least twice server.max_body_bytes: a compressed body holds its coded and its decoded bytes while it is decoded";
            problems.add(invalid("server.max_buffered_body_bytes", problem));
        }
        let counts = [
            ("server.max_body_bytes", self.server.max_body_bytes),
            ("server.max_buffered_body_bytes", self.server.max_buffered_body_bytes),
            ("server.max_connections", self.server.max_connections),
            ("server.max_operations", self.server.max_operations),
            ("graphql.max_tokens", self.graphql.max_tokens),
            ("graphql.max_nesting", self.graphql.max_nesting),
            ("graphql.max_name_bytes", self.graphql.max_name_bytes),
            ("graphql.max_depth", self.graphql.max_depth),
            ("graphql.max_fields", self.graphql.max_fields),
            ("graphql.max_aliases", self.graphql.max_aliases),
            ("graphql.max_root_fields", self.graphql.max_root_fields),
            ("graphql.max_directives", self.graphql.max_directives),
            ("graphql.max_argument_values", self.graphql.max_argument_values),
            ("graphql.max_upstream_calls", self.graphql.max_upstream_calls),
            ("graphql.max_representations", self.graphql.max_representations),
            ("graphql.max_introspection_depth", self.graphql.max_introspection_depth),
            ("graphql.max_operations", self.graphql.max_operations),
            ("graphql.max_errors", self.graphql.max_errors),
            ("graphql.max_validation_errors", self.graphql.max_validation_errors),
            ("privacy.max_unmask_per_operation", self.privacy.max_unmask_per_operation),
        ];
        for (name, count) in counts {
            if count == 0 {
                problems.add(invalid(name, "must be 1 at least"));
            }
        }
        // Past these the parser's and the engine's own recursion are the bounds, and it is the process that pays.
        let ceilings = [
            ("graphql.max_nesting", self.graphql.max_nesting, 200),
            ("graphql.max_depth", self.graphql.max_depth, crate::graphql::schema::ENGINE_MAX_DEPTH - 4),
        ];
        for (name, value, ceiling) in ceilings {
            if value > ceiling {
                problems.add(invalid(name, &format!("must be {ceiling} at most")));
            }
        }
        problems.retain(is_known);
        problems.finish()
    }
}

impl Server {
    /// The files of the certificate and its key, where TLS is spoken.
    ///
    /// # Errors
    /// Where only one of the two is given.
    pub fn tls(&self) -> Result<Option<(&Path, &Path)>, Error> {
        match (self.tls_certificate.trim(), self.tls_key.trim()) {
            ("", "") => Ok(None),
            ("", _) => Err(invalid("server.tls_certificate", "give the certificate that belongs to the key")),
            (_, "") => Err(invalid("server.tls_key", "give the key that belongs to the certificate")),
            (certificate, key) => Ok(Some((Path::new(certificate), Path::new(key)))),
        }
    }
}

impl Documents {
    /// The documents that the team trusts.
    ///
    /// # Errors
    /// Where the manifest cannot be used, or is missing where it is needed.
    pub fn trusted(&self) -> Result<TrustedDocuments, Error> {
        Ok(TrustedDocuments::new(self.mode, self.manifest()?, self.automatic_max_bytes))
    }

    /// The manifest as it is now.
    ///
    /// # Errors
    /// Where it cannot be used, or is missing where it is needed.
    pub fn manifest(&self) -> Result<Manifest, Error> {
        match self.manifest.trim() {
            "" if self.mode == trusted::Enforcement::Off => Ok(Manifest::default()),
            "" => Err(invalid("documents.manifest", "give the file that lists the trusted documents")),
            path => Manifest::load(Path::new(path))
                .map_err(|error| invalid("documents.manifest", &format!("{path} {error}"))),
        }
    }
}

/// The longest duration that a setting takes.
const MAX_DURATION: Duration = Duration::from_secs(24 * 60 * 60);

fn invalid(name: &str, problem: &str) -> Error {
    Error::Invalid { name: name.to_owned(), origin: sources::variable(name), problem: problem.to_owned() }
}

#[cfg(test)]
mod tests;
