//! What is to be done: reading and writing customers, without a word of GraphQL or HTTP.
//!
//! [`Services`] lives as long as the process. A [`Session`] is one request of one caller: it knows whose data it may
//! touch, until when an answer is wanted, and what this request has asked already.

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

/// The long-lived parts that every session works with.
#[derive(Debug)]
pub struct Services {
    pub upstream: Client,
    pub cache: Cache<upstream::Error>,
    /// Who writes which customer next.
    pub customer_locks: CustomerLocks,
    /// Writes that are under way; shutting down waits for them.
    pub write_tasks: TaskTracker,
    /// Cancelled when the time for going down is up, or somebody cannot wait: writes that are still under way are given up,
    /// and recorded so.
    pub force_stop: CancellationToken,
    /// Where it is recorded who saw or changed whom.
    pub audit: AuditLog,
    /// How long after a write whose outcome nobody knows it may still take effect: nothing of its customer is kept then.
    pub unsettled_for: Duration,
    /// What an update does with members of the record that this version does not know.
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

/// One request of one caller. What it still reads is given up when it goes away; what it writes is not.
#[derive(Debug)]
pub struct Session {
    context: Arc<SessionContext>,
    loaders: Loaders,
    /// Its place among the operations that run. A write holds it too, and keeps it where its caller leaves.
    permit: Arc<Permit>,
    _cancel_on_drop: DropGuard,
}

/// What a session's parts share, also with tasks that outlive it.
#[derive(Debug)]
pub struct SessionContext {
    pub services: Arc<Services>,
    pub caller: CallContext,
    /// The caller as it stands in the records.
    pub actor: Actor,
    /// Where its idempotency keys are kept apart from those of others; none where its credential does that.
    key_namespace: Option<KeyNamespace>,
    pub scope: Scope,
    /// When the caller gets an answer at the latest.
    pub deadline: Instant,
    /// How old an answer may be.
    pub freshness: Freshness,
    /// Cancelled when the session has gone away: nobody waits for its reads any more.
    cancelled: CancellationToken,
    /// How many customers and pages were kept and fresh, and how many answers came of calls that others made.
    cache_hits: AtomicU64,
    shared_calls: AtomicU64,
    /// The request's span: its parts run in tasks of their own.
    pub span: Span,
    /// What was answered already, from what is kept or by a call. A customer and its review are one: a plan counts one call
    /// for both.
    counted: Mutex<HashSet<Key>>,
    age: Mutex<ResponseAge>,
}

/// How old the parts of an answer are.
#[derive(Clone, Copy, Default, Debug)]
struct ResponseAge {
    /// Until when all of it is fresh; `None` where nothing was read.
    fresh_until: Option<Instant>,
    /// When the oldest part was read that is past its time.
    oldest: Option<Instant>,
}

/// Where a session's answers came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Usage {
    /// Calls to the upstream that were made for it.
    pub calls: u64,
    /// Customers and pages that were kept and fresh, each once, in however many places of the request it stands.
    pub cache_hits: u64,
    /// Answers of calls that were made for another request at the same time.
    pub shared_calls: u64,
}

impl Session {
    /// A session for `caller`, whose answer is wanted by `deadline`.
    pub fn new(
        services: Arc<Services>,
        caller: CallContext,
        actor: Actor,
        key_space: Option<KeyNamespace>,
        deadline: Instant,
        reading: Freshness,
        place: Permit,
    ) -> Self {
        let scope = Scope::new(&services.cache.digest, &caller.credential, caller.account);
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

    /// Where its answers came from.
    pub fn usage(&self) -> Usage {
        Usage {
            calls: self.context.caller.calls.load(Ordering::Relaxed),
            cache_hits: self.context.cache_hits.load(Ordering::Relaxed),
            shared_calls: self.context.shared_calls.load(Ordering::Relaxed),
        }
    }

    /// Until when all that was read is fresh; `None` where nothing was read.
    pub fn fresh_until(&self) -> Option<Instant> {
        self.context.age.lock().map_or(None, |age| age.fresh_until)
    }

    /// How old the oldest part of the answer is that is past its time; `None` where all of it is fresh.
    pub fn stale_for(&self) -> Option<Duration> {
        let oldest = self.context.age.lock().map_or(None, |age| age.oldest);
        oldest.map(|read_at| read_at.elapsed())
    }
}

impl SessionContext {
    /// Notes an answer that was kept.
    fn record_hit(&self, key: Key, fresh_until: Instant) {
        if self.record_part(key, fresh_until) {
            self.cache_hits.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Notes that a part of the answer is past its time: a new one is being read, or cannot be had.
    fn record_stale(&self, read_at: Instant) {
        if let Ok(mut age) = self.age.lock() {
            age.oldest = Some(age.oldest.map_or(read_at, |earlier| earlier.min(read_at)));
        }
    }

    /// Notes that the answer has a part that is fresh until then, and says whether it is the first with this key.
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
