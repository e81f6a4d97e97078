//! Every long-lived part, built once and handed down. There are no globals.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use url::Url;

use crate::auth::{Authenticator, Principal};
use crate::cache::{self, Cache};
use crate::config::Settings;
use crate::customers::{Services, Session, Turns};
use crate::graphql;
use crate::http::browser::Origins;
use crate::operation::bounds::Bounds;
use crate::operation::executor::{self, Executor};
use crate::operation::outcome::ErrorBounds;
use crate::operation::rate_limit::RateLimit;
use crate::upstream::client::{self, Caller, Client};

/// The parts of a running gateway.
pub struct App {
    pub authenticator: Authenticator,
    pub executor: Executor,
    pub services: Arc<Services>,
    pub rate_limit: Option<RateLimit>,
    pub origins: Origins,
    pub limits: Limits,
    /// Set when the process is going down: no longer ready.
    draining: AtomicBool,
}

/// What the edge keeps to.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub deadline: Duration,
    pub max_body_bytes: usize,
    pub private_max_age: bool,
    pub report_upstream: bool,
}

impl App {
    /// A gateway before the upstream at `base_url`.
    ///
    /// # Errors
    /// Where a part cannot be built on this machine.
    pub fn new(settings: &Settings, base_url: Url) -> anyhow::Result<Self> {
        let upstream = Client::new(client::Settings {
            base_url,
            connect_timeout: settings.upstream.connect_timeout,
            timeout: settings.upstream.timeout,
            max_in_flight: settings.upstream.max_in_flight,
            max_response_bytes: settings.upstream.max_response_bytes,
            arrays: settings.upstream.arrays,
        })?;
        let kept = &settings.cache;
        let cache = Cache::new(&cache::Settings {
            enabled: kept.enabled,
            customer_ttl: kept.customer_ttl,
            review_ttl: kept.review_ttl,
            page_ttl: kept.page_ttl,
            not_found_ttl: kept.not_found_ttl,
            stale_while_refresh: kept.stale_while_refresh,
            customers_max_bytes: kept.customers_max_bytes,
            reviews_max_bytes: kept.reviews_max_bytes,
            pages_max_bytes: kept.pages_max_bytes,
        });
        let executor = Executor::new(
            graphql::build(settings.introspection()),
            settings.documents.trusted()?,
            executor::Settings {
                max_tokens: settings.graphql.max_tokens,
                max_nesting: settings.graphql.max_nesting,
                bounds: Bounds {
                    max_depth: settings.graphql.max_depth,
                    max_fields: settings.graphql.max_fields,
                    max_aliases: settings.graphql.max_aliases,
                    max_root_fields: settings.graphql.max_root_fields,
                    max_directives: settings.graphql.max_directives,
                    max_introspection_depth: settings.graphql.max_introspection_depth,
                    max_operations: settings.graphql.max_operations,
                },
                documents_max_bytes: settings.graphql.documents_max_bytes,
                introspection: settings.introspection(),
                max_upstream_calls: settings.graphql.max_upstream_calls,
                errors: ErrorBounds {
                    errors: settings.graphql.max_errors,
                    validation_errors: settings.graphql.max_validation_errors,
                },
            },
        )?;
        let key = settings.upstream.api_key.clone();
        Ok(Self {
            authenticator: Authenticator::new(settings.auth.mode, key, settings.upstream.account()?),
            executor,
            services: Arc::new(Services { upstream, cache, turns: Turns::default(), writes: TaskTracker::new() }),
            rate_limit: settings.rate_limit().map(RateLimit::new),
            origins: settings.http.origins()?,
            limits: Limits {
                deadline: settings.server.deadline,
                max_body_bytes: settings.server.max_body_bytes,
                private_max_age: settings.graphql.private_max_age,
                report_upstream: settings.graphql.report_upstream,
            },
            draining: AtomicBool::new(false),
        })
    }

    /// A session for one request; `calls` counts what it asks of the upstream.
    pub fn session(
        &self,
        principal: &Principal,
        request_id: &str,
        deadline: Instant,
        past_the_cache: bool,
        calls: Arc<AtomicU64>,
    ) -> Session {
        let caller = Caller {
            credential: principal.credential.key().clone(),
            account: principal.account,
            correlation_id: request_id.to_owned(),
            calls,
        };
        Session::new(Arc::clone(&self.services), caller, deadline, past_the_cache)
    }

    /// Says that the process is going down.
    pub fn begin_draining(&self) {
        self.draining.store(true, Ordering::SeqCst);
    }

    /// Whether the process is going down.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }
}
