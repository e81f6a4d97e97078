//! What is to be done: reading and writing customers, without a word of GraphQL or HTTP.
//!
//! [`Services`] lives as long as the process. A [`Session`] is one request of one caller: it knows whose data it may
//! touch, until when an answer is wanted, and what this request has asked already.

pub mod act;
pub mod error;
pub mod listing;
pub mod loaders;
pub mod merge;
pub mod reader;
pub mod reasons;
pub mod refusal;
pub mod turns;
pub mod validation;
pub mod window;
pub mod writer;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::Span;

use crate::cache::{Cache, Scope};
use crate::privacy::audit::{Actor, Audit};
use crate::upstream::{Caller, Client};

pub use act::Act;
pub use error::Error;
pub use listing::Listing;
pub use loaders::Loaders;
pub use turns::Turns;
pub use window::{Cut, Window};

/// The long-lived parts that every session works with.
#[derive(Debug)]
pub struct Services {
    pub upstream: Client,
    pub cache: Cache,
    /// Who writes which customer next.
    pub turns: Turns,
    /// Writes that are under way; shutting down waits for them.
    pub writes: TaskTracker,
    /// Where it is recorded who saw or changed whom.
    pub audit: Audit,
    /// Whether somebody who wants to see a customer in clear has to say why.
    pub unmask_needs_reason: bool,
}

/// One request of one caller.
#[derive(Debug)]
pub struct Session {
    context: Arc<SessionContext>,
    loaders: Loaders,
}

/// What a session's parts share, also with tasks that outlive it.
#[derive(Debug)]
pub struct SessionContext {
    pub services: Arc<Services>,
    pub caller: Caller,
    /// The caller as it stands in the records.
    pub actor: Actor,
    pub scope: Scope,
    /// When the caller gets an answer at the latest.
    pub deadline: Instant,
    /// The caller wants nothing out of the cache.
    pub past_the_cache: bool,
    /// The scope's pages were forgotten for such a caller.
    pages_forgotten: AtomicBool,
    /// How many answers were kept and fresh, and how many came of calls that others made.
    cached: AtomicU64,
    shared: AtomicU64,
    /// The request's span: its parts run in tasks of their own.
    pub span: Span,
    /// Until when the oldest part of the answer is fresh.
    fresh_until: Mutex<Option<Instant>>,
}

/// Where a session's answers came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Usage {
    /// Calls to the upstream that were made for it.
    pub calls: u64,
    /// Answers that were kept and fresh.
    pub cached: u64,
    /// Answers of calls that were made for another request at the same time.
    pub shared: u64,
}

impl Session {
    /// A session for `caller`, whose answer is wanted by `deadline`.
    pub fn new(services: Arc<Services>, caller: Caller, actor: Actor, deadline: Instant, past_the_cache: bool) -> Self {
        let scope = services.cache.digests.scope(&caller.credential, caller.account);
        let context = Arc::new(SessionContext {
            services,
            caller,
            actor,
            scope,
            deadline,
            past_the_cache,
            pages_forgotten: AtomicBool::new(false),
            cached: AtomicU64::new(0),
            shared: AtomicU64::new(0),
            span: Span::current(),
            fresh_until: Mutex::new(None),
        });
        Self { loaders: Loaders::new(&context), context }
    }

    /// Where its answers came from.
    pub fn usage(&self) -> Usage {
        Usage {
            calls: self.context.caller.calls.load(Ordering::Relaxed),
            cached: self.context.cached.load(Ordering::Relaxed),
            shared: self.context.shared.load(Ordering::Relaxed),
        }
    }

    /// Until when all that was read is fresh; `None` where nothing was read.
    pub fn fresh_until(&self) -> Option<Instant> {
        self.context.fresh_until.lock().map_or(None, |until| *until)
    }
}

impl SessionContext {
    /// Notes an answer that was kept.
    fn note_kept(&self, fresh_until: Instant) {
        self.cached.fetch_add(1, Ordering::Relaxed);
        self.note(fresh_until);
    }

    /// Notes that the answer has a part that is fresh until then.
    fn note(&self, fresh_until: Instant) {
        if let Ok(mut until) = self.fresh_until.lock() {
            *until = Some(until.map_or(fresh_until, |earlier| earlier.min(fresh_until)));
        }
    }
}
