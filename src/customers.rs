//! Reads and writes of customers, independent of GraphQL and HTTP.
//!
//! [`Services`] lives as long as the process. A [`Session`] is one request of one caller. It has the caller's scope,
//! the deadline, and the loaders with all that this request has read.

pub mod comparison;
pub mod error;
pub mod read;
pub mod write;

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tracing::Span;

use crate::cache::{Cache, Key, Scope};
use crate::fair_limit::Permit;
use crate::model::Mutation;
use crate::privacy::audit::{Actor, AuditLog};
use crate::setting;
use crate::upstream::wire::unknown_members;
use crate::upstream::{self, CallContext, Client};

pub use crate::cache::Freshness;
pub use error::Error;
pub use read::listing::Listing;
pub use read::loaders::Loaders;
pub use read::window::{Window, WindowSpec};
pub use write::audit::AuditEvent;
pub use write::idempotency::KeyNamespace;
pub use write::locks::CustomerLocks;

/// The components that all sessions share.
#[derive(Debug)]
pub struct Services {
    pub upstream: Client,
    pub cache: Cache<upstream::Error>,
    /// Allow one write at a time for each customer.
    pub customer_locks: CustomerLocks,
    /// The running writes. Shutdown waits for them.
    pub write_tasks: TaskTracker,
    /// Cancelled when the time for shutdown has passed, or on a second stop signal. Running writes are then abandoned,
    /// and recorded as such.
    pub force_stop: CancellationToken,
    /// Takes the audit records.
    pub audit: AuditLog,
    /// How long a write of unknown outcome may still take effect. During this time no read of its customer is cached.
    pub unsettled_for: Duration,
    /// What an update does with unknown members of the record.
    pub unknown_members_policy: unknown_members::UnknownMembersPolicy,
    /// Which mutations need a reason.
    pub required_reasons: RequiredReasons,
}

/// Which mutations are refused without a reason; see `[privacy]` in `config/default.toml`.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct RequiredReasons {
    #[serde(rename = "unmask_reason", deserialize_with = "setting::is_required")]
    pub unmask: bool,
    /// A decision, also one by `updateCustomer`.
    #[serde(rename = "decide_reason", deserialize_with = "setting::is_required")]
    pub decide: bool,
    #[serde(rename = "delete_reason", deserialize_with = "setting::is_required")]
    pub delete: bool,
}

impl RequiredReasons {
    fn includes(self, mutation: Mutation) -> bool {
        match mutation {
            Mutation::Unmask => self.unmask,
            Mutation::Decide => self.decide,
            Mutation::Delete => self.delete,
            Mutation::Create | Mutation::Update | Mutation::Refresh => false,
        }
    }
}

/// One request of one caller. When the session is dropped, its reads are cancelled. Its writes continue.
#[derive(Debug)]
pub struct Session {
    context: Arc<SessionContext>,
    loaders: Loaders,
    /// Its permit of the limit of operations. A write shares it, and holds it after the caller disconnects.
    permit: Arc<Permit>,
    _cancel_on_drop: DropGuard,
}

/// The state that a session shares with its tasks, which can outlive it.
#[derive(Debug)]
pub struct SessionContext {
    pub services: Arc<Services>,
    pub caller: CallContext,
    /// The caller, for audit records.
    pub actor: Actor,
    /// The namespace of the caller's idempotency keys; `None` if the caller has a credential of its own.
    key_namespace: Option<KeyNamespace>,
    pub scope: Scope,
    /// The time by which the caller gets a response.
    pub deadline: Instant,
    /// Which cache entries may be used.
    pub freshness: Freshness,
    /// Cancelled when the session is dropped.
    cancelled: CancellationToken,
    /// The numbers of fresh cache entries that were used, and of calls that were shared with other requests.
    cache_hits: AtomicU64,
    shared_calls: AtomicU64,
    /// The request's span, for spawned tasks.
    pub span: Span,
    /// The entries that were already counted. A customer and its review count once, as in the planned cost.
    counted: Mutex<HashSet<Key>>,
    age: Mutex<ResponseAge>,
}

/// The age of the parts of a response.
#[derive(Clone, Copy, Default, Debug)]
struct ResponseAge {
    /// The time until which all parts are fresh; `None` if nothing was read.
    fresh_until: Option<Instant>,
    /// When the oldest stale part was read.
    oldest: Option<Instant>,
}

/// The calls and cache hits of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Usage {
    /// Upstream calls that this session made.
    pub calls: u64,
    /// Customers and pages that came from fresh cache entries, each counted once.
    pub cache_hits: u64,
    /// Results of calls that another request made at the same time.
    pub shared_calls: u64,
}

impl Session {
    /// A session for `caller`, whose response is due by `deadline`.
    pub fn new(
        services: Arc<Services>,
        caller: CallContext,
        actor: Actor,
        key_space: Option<KeyNamespace>,
        deadline: Instant,
        reading: Freshness,
        place: Permit,
    ) -> Self {
        let scope = Scope::new(caller.credential_digest, caller.account);
        let gone = CancellationToken::new();
        let context = Arc::new(SessionContext {
            services,
            caller,
            actor,
            key_namespace: key_space,
            scope,
            deadline,
            freshness: reading,
            cancelled: gone.clone(),
            cache_hits: AtomicU64::new(0),
            shared_calls: AtomicU64::new(0),
            span: Span::current(),
            counted: Mutex::default(),
            age: Mutex::default(),
        });
        Self { loaders: Loaders::new(&context), context, permit: Arc::new(place), _cancel_on_drop: gone.drop_guard() }
    }

    /// Its calls and cache hits.
    pub fn usage(&self) -> Usage {
        Usage {
            calls: self.context.caller.calls.load(Ordering::Relaxed),
            cache_hits: self.context.cache_hits.load(Ordering::Relaxed),
            shared_calls: self.context.shared_calls.load(Ordering::Relaxed),
        }
    }

    /// The time until which all read parts are fresh; `None` if nothing was read.
    pub fn fresh_until(&self) -> Option<Instant> {
        self.context.age.lock().map_or(None, |age| age.fresh_until)
    }

    /// The age of the oldest stale part of the response; `None` if all parts are fresh.
    pub fn stale_for(&self) -> Option<Duration> {
        let oldest = self.context.age.lock().map_or(None, |age| age.oldest);
        oldest.map(|read_at| read_at.elapsed())
    }
}

impl SessionContext {
    /// Records a cache hit.
    fn record_hit(&self, key: Key, fresh_until: Instant) {
        if self.record_part(key, fresh_until) {
            self.cache_hits.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Records a stale part of the response: a new one is being loaded, or could not be loaded.
    fn record_stale(&self, read_at: Instant) {
        if let Ok(mut age) = self.age.lock() {
            age.oldest = Some(age.oldest.map_or(read_at, |earlier| earlier.min(read_at)));
        }
    }

    /// Records a part of the response that is fresh until `fresh_until`. Returns whether it is the first with this key.
    fn record_part(&self, key: Key, fresh_until: Instant) -> bool {
        if let Ok(mut age) = self.age.lock() {
            age.fresh_until = Some(age.fresh_until.map_or(fresh_until, |earlier| earlier.min(fresh_until)));
        }
        self.counted.lock().is_ok_and(|mut answered| answered.insert(key))
    }

    fn bypasses_cache(&self) -> bool {
        self.freshness == Freshness::Bypass
    }
}
