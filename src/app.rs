//! Builds every long-lived part once and hands it down. There are no globals.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_graphql::parser::types::OperationType;
use http::HeaderName;
use secrecy::{ExposeSecret, SecretString};
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use crate::admission::{self, Admission, CallerDigests, CallerIdentity};
use crate::auth::{AllowedOrigins, AuthMethod, AuthMode, Authenticator, Credential, Principal, jwt};
use crate::cache::Cache;
use crate::config::{self, Settings};
use crate::customers::{CustomerLocks, Freshness, KeyNamespace, Services, Session};
use crate::fair_limit::Permit;
use crate::graphql::Schema;
use crate::operation::executor::Executor;
use crate::privacy::audit::{Actor, AuditLog};
use crate::privacy::digest::KeyedDigest;
use crate::telemetry::busy_time::BusyTime;
use crate::telemetry::metrics::{BoundedLabelValues, Metrics, as_f64};
use crate::telemetry::names;
use crate::upstream::CallContext;
use crate::upstream::Deadline;
use crate::upstream::client::{self, Client};

/// The parts of a running gateway.
pub struct App {
    pub authenticator: Authenticator,
    pub executor: Executor,
    pub services: Arc<Services>,
    pub admission: Admission,
    pub origins: AllowedOrigins,
    /// Further request headers that pages of these origins may send.
    pub allowed_headers: Vec<HeaderName>,
    pub edge: EdgeSettings,
    /// The metrics of the admin server. `None` without a recorder.
    pub metrics: Option<Metrics>,
    /// The names of operations in metrics.
    pub operation_names: BoundedLabelValues,
    /// For the digests of callers in the log.
    digest: KeyedDigest,
    /// `None` if the playground is off.
    pub playground: Option<PlaygroundInfo>,
    /// Set during shutdown, when the gateway is no longer ready.
    draining: AtomicBool,
}

/// The settings of `http`.
#[derive(Clone, Debug)]
pub struct EdgeSettings {
    pub server: config::Server,
    pub http: config::Http,
    pub allow_private_caching: bool,
    /// Whether every response reports its upstream calls.
    pub always_report_upstream: bool,
    /// Whether every caller may request that report.
    pub may_request_upstream_report: bool,
    /// Whether the gateway continues the trace of a caller.
    pub continue_traces: bool,
}

/// Facts for the page of the playground. They do not contain the address of the upstream.
#[derive(Clone, Copy, Debug)]
pub struct PlaygroundInfo {
    /// Whether the data of the upstream is real.
    pub real_upstream: bool,
    /// How callers authenticate.
    pub auth_mode: AuthMode,
}

/// The parts of a request that its session needs.
#[derive(Debug)]
pub struct RequestContext<'a> {
    pub request_id: &'a str,
    /// The deadline of the request.
    pub deadline: Instant,
    pub freshness: Freshness,
    pub caller: &'a CallerIdentity,
    /// Its place among the operations that run.
    pub permit: Permit,
    /// The number of upstream calls, and the time of waiting for them.
    pub upstream_calls: Arc<AtomicU64>,
    pub upstream_time: Arc<BusyTime>,
}

impl App {
    /// A gateway in front of the upstream at `base_url`. Call it within the runtime, because a task refreshes the keys for
    /// tokens.
    ///
    /// # Errors
    /// A part cannot be built.
    pub fn new(settings: &Settings, base_url: Url) -> anyhow::Result<Self> {
        let proxy = settings.upstream.proxy()?;
        let upstream = Client::new(&client::Settings {
            base_url,
            proxy: proxy.clone(),
            connect_timeout: settings.upstream.connect_timeout,
            max_response_bytes: settings.upstream.max_response_bytes,
            array_encoding: settings.upstream.array_encoding,
            stack: settings.upstream.stack(settings.server.deadline),
        })?;
        let cache = Cache::new(&settings.cache);
        let digests = KeyedDigest::with_secret(&settings.log.digest_key);
        let schema = if settings.graphql.federation { Schema::subgraph() } else { Schema::standalone() };
        let executor = Executor::new(
            schema,
            settings.documents.trusted()?,
            digests.clone(),
            settings.graphql.executor,
            settings.introspection(),
            settings.privacy.max_unmask_per_operation,
        )
        .map_err(|problem| anyhow::anyhow!("the gateway's own schema is not valid: {problem}"))?;
        let auth_method = match settings.auth.mode {
            AuthMode::Sandbox => AuthMethod::Sandbox,
            AuthMode::Passthrough => AuthMethod::Passthrough,
            AuthMode::Jwt => {
                AuthMethod::Jwt(jwt::Verifier::start(settings.auth.jwt.verifier_settings()?, proxy.as_ref())?)
            }
        };
        let caller_digests = CallerDigests { process: cache.digest.clone(), log: digests.clone() };
        let key = settings.upstream.api_key.clone();
        Ok(Self {
            authenticator: Authenticator::new(auth_method, key, settings.upstream.account()?),
            executor,
            services: Arc::new(Services {
                upstream,
                cache,
                customer_locks: CustomerLocks::default(),
                write_tasks: TaskTracker::new(),
                force_stop: CancellationToken::new(),
                audit: AuditLog::open(&settings.audit_destination()?, settings.audit.writing)?,
                unsettled_for: settings.server.deadline,
                unknown_members_policy: settings.upstream.unknown_members,
                required_reasons: settings.privacy.required_reasons,
            }),
            admission: Admission::new(
                &admission::Settings {
                    rate_limit: settings.rate_limit(),
                    max_unmask_per_minute: settings.privacy.max_unmask_per_minute,
                    max_operations: settings.server.max_operations,
                    max_buffered_body_bytes: settings.server.max_buffered_body_bytes,
                    max_body_bytes: settings.server.max_body_bytes,
                },
                caller_digests,
            ),
            origins: settings.http.origins(settings.auth.mode)?,
            allowed_headers: settings.http.allowed_headers()?,
            edge: EdgeSettings {
                server: settings.server.clone(),
                http: settings.http.clone(),
                allow_private_caching: settings.graphql.allow_private_caching,
                always_report_upstream: settings.graphql.always_report_upstream,
                may_request_upstream_report: settings.upstream_report(),
                continue_traces: settings.traces.trust_incoming,
            },
            metrics: None,
            operation_names: BoundedLabelValues::default(),
            digest: digests,
            playground: settings
                .has_playground()
                .then(|| PlaygroundInfo { real_upstream: settings.is_real_upstream(), auth_mode: settings.auth.mode }),
            draining: AtomicBool::new(false),
        })
    }

    /// The same, with metrics for the admin server.
    #[must_use]
    pub fn with_metrics(self, metrics: Metrics) -> Self {
        Self { metrics: Some(metrics), ..self }
    }

    /// Applies the secrets that differ between `before` and `now`. Returns the names of the applied ones.
    pub fn renew_secrets(&self, before: &Settings, now: &Settings) -> Vec<&'static str> {
        let differs = |one: &SecretString, other: &SecretString| one.expose_secret() != other.expose_secret();
        let mut renewed = Vec::new();
        if differs(&before.upstream.api_key, &now.upstream.api_key) {
            self.authenticator.replace_gateway_key(now.upstream.api_key.clone());
            renewed.push("upstream.api_key");
        }
        // Without a key in the settings, the process uses a new random key.
        if differs(&before.log.digest_key, &now.log.digest_key) {
            self.digest.replace_secret(&now.log.digest_key);
            renewed.push("log.digest_key");
        }
        if let Some(secret) = now.auth.jwt_secret()
            && before.auth.jwt_secret().is_none_or(|before| differs(before, secret))
            && self.authenticator.replace_jwt_secret(secret)
        {
            renewed.push("auth.jwt.secret");
        }
        renewed
    }

    /// Updates the gauges.
    pub async fn record_metrics(&self) {
        self.services.cache.record_metrics().await;
        self.services.upstream.health.record_metrics();
        metrics::gauge!(names::WRITES_IN_FLIGHT).set(as_f64(self.services.write_tasks.len() as u64));
        metrics::gauge!(names::TASKS).set(as_f64(Handle::current().metrics().num_alive_tasks() as u64));
        if let Some(age) = self.authenticator.key_age() {
            metrics::gauge!(names::JWKS_AGE).set(age.as_secs_f64());
        }
    }

    /// How old cached data for an operation may be. Mutations use fresh data only.
    pub fn freshness_for(kind: OperationType, bypass_cache: bool) -> Freshness {
        match kind {
            _ if bypass_cache => Freshness::Bypass,
            OperationType::Query => Freshness::AllowStale,
            OperationType::Mutation | OperationType::Subscription => Freshness::FreshOnly,
        }
    }

    /// A session for one request of a caller.
    pub fn session(&self, principal: &Principal, request: RequestContext<'_>) -> Session {
        let RequestContext { request_id, deadline, freshness, caller: identity, permit, upstream_calls, upstream_time } =
            request;
        let caller = CallContext {
            credential: principal.credential.key().clone(),
            credential_digest: identity.credential,
            account: principal.account,
            client_key: identity.client_key.digest(),
            correlation_id: request_id.to_owned(),
            calls: upstream_calls,
            busy_time: upstream_time,
            deadline: Deadline::at(deadline),
        };
        let key = match &principal.credential {
            Credential::Caller(key) => Some(key.expose_secret()),
            Credential::Gateway(_) => None,
        };
        let namespace = match (&principal.credential, &principal.subject) {
            (Credential::Gateway(_), Some(subject)) => Some(KeyNamespace::new(principal.account, subject)),
            // The upstream has a namespace for each key, and in sandbox mode all callers share one.
            (Credential::Caller(_), _) | (Credential::Gateway(_), None) => None,
        };
        let actor = Actor::new(principal.subject.as_deref(), principal.account, key);
        Session::new(Arc::clone(&self.services), caller, actor, namespace, deadline, freshness, permit)
    }

    /// Begins the shutdown.
    pub fn begin_draining(&self) {
        self.draining.store(true, Ordering::SeqCst);
        metrics::gauge!(names::DRAINING).set(1.0);
    }

    /// Whether the shutdown has begun.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }
}
