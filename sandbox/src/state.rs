//! All that a running sandbox holds: stores, counts, the log of writes, latency, faults, webhooks.
//!
//! Counts, faults and latency are of the whole sandbox. Data, the log of writes and the webhook belong to a
//! bearer token. Everything is bounded; of the stores the last 64 used are kept.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::fault::Faults;
use super::operation::{Change, Operation};
use super::seed;
use super::store::CustomerStore;
use super::tenant::{Tenant, TokenDigest};
use super::webhook::WebhookSender;

const MAX_STORES: usize = 64;
const MAX_LOGGED_WRITES: usize = 10_000;

/// A store that calls share.
pub(crate) type SharedStore = Arc<Mutex<CustomerStore>>;

/// The state of one sandbox.
pub(crate) struct Sandbox {
    /// The token on whose store control calls without one act.
    pub(crate) default_token: TokenDigest,
    /// Faults that wait for a call.
    pub(crate) faults: Faults,
    /// Events on their way out.
    pub(crate) webhooks: WebhookSender,
    /// Cancelled when the sandbox stops.
    pub(crate) shutdown: CancellationToken,
    seed: CustomerStore,
    stores: Mutex<TenantStores>,
    calls: Mutex<BTreeMap<String, u64>>,
    writes: Mutex<VecDeque<(TokenDigest, LoggedWrite)>>,
    latency_ms: AtomicU64,
}

#[derive(Default)]
struct TenantStores {
    by_tenant: HashMap<Tenant, (SharedStore, u64)>,
    /// Counts uses, for "last used".
    uses: u64,
}

/// A write that took effect, as `GET /_sandbox/writes` shows it.
#[derive(Clone, Serialize)]
pub(crate) struct LoggedWrite {
    /// The HTTP method.
    pub(crate) method: String,
    /// The path, with `{id}` for the id.
    pub(crate) route: &'static str,
    /// Whom it was about.
    pub(crate) customer_id: Uuid,
    /// The key that it bore.
    pub(crate) idempotency_key: Option<String>,
    /// What it answered.
    pub(crate) status: u16,
}

/// Locks for a moment. A panic elsewhere while it was held must not take the whole sandbox down, and no
/// holder leaves anything half done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sandbox {
    /// A fresh sandbox.
    pub(crate) fn new(default_token: TokenDigest, webhooks: WebhookSender, shutdown: CancellationToken) -> Self {
        Self {
            default_token,
            faults: Faults::default(),
            webhooks,
            shutdown,
            seed: seed::seeded_store(),
            stores: Mutex::default(),
            calls: Mutex::default(),
            writes: Mutex::default(),
            latency_ms: AtomicU64::new(0),
        }
    }

    /// The store of a tenant, seeded on first use. The one that was not used for longest makes room.
    pub(crate) fn store(&self, tenant: Tenant) -> SharedStore {
        let mut stores = lock(&self.stores);
        stores.uses += 1;
        let uses = stores.uses;
        if let Some((store, used)) = stores.by_tenant.get_mut(&tenant) {
            *used = uses;
            return Arc::clone(store);
        }
        if stores.by_tenant.len() >= MAX_STORES
            && let Some(oldest) = stores.by_tenant.iter().min_by_key(|(_, (_, used))| *used).map(|(tenant, _)| *tenant)
        {
            stores.by_tenant.remove(&oldest);
        }
        let store = Arc::new(Mutex::new(self.seed.clone()));
        stores.by_tenant.insert(tenant, (Arc::clone(&store), uses));
        store
    }

    /// Back to the seed: the token's stores and its log, and the whole sandbox's latency, faults and counts.
    /// The webhook stays: it is where news goes, not data.
    pub(crate) fn reset(&self, token: TokenDigest) {
        let stores: Vec<_> = {
            let stores = lock(&self.stores);
            let own = stores.by_tenant.iter().filter(|(tenant, _)| tenant.token == token);
            own.map(|(_, (store, _))| Arc::clone(store)).collect()
        };
        // In place, so that a call under way and a screening to come meet the fresh store, not a lost one.
        for store in stores {
            *lock(&store) = self.seed.clone();
        }
        lock(&self.writes).retain(|(owner, _)| *owner != token);
        self.set_latency(Duration::ZERO);
        self.faults.clear();
        self.reset_calls();
    }

    /// Counts a call when it arrives.
    pub(crate) fn count_call(&self, operation: Operation) {
        *lock(&self.calls).entry(operation.route()).or_default() += 1;
    }

    /// The counts, as `GET /_sandbox/calls` shows them.
    pub(crate) fn calls(&self) -> Value {
        let calls = lock(&self.calls);
        json!({"total": calls.values().sum::<u64>(), "calls": *calls})
    }

    /// Counts from zero.
    pub(crate) fn reset_calls(&self) {
        lock(&self.calls).clear();
    }

    /// Logs a write that took effect and posts its news. Called while the store is held, so that log and
    /// news have the order of the writes.
    pub(crate) fn record_write(&self, tenant: Tenant, change: &Change, write: Option<LoggedWrite>) {
        if let Some(write) = write {
            let mut writes = lock(&self.writes);
            if writes.len() >= MAX_LOGGED_WRITES {
                writes.pop_front();
            }
            writes.push_back((tenant.token, write));
        }
        self.webhooks.enqueue(tenant, change);
    }

    /// The token's writes, oldest first.
    pub(crate) fn writes(&self, token: TokenDigest) -> Vec<LoggedWrite> {
        lock(&self.writes).iter().filter(|(owner, _)| *owner == token).map(|(_, write)| write.clone()).collect()
    }

    /// What is added to every answer of the API.
    pub(crate) fn latency(&self) -> Duration {
        Duration::from_millis(self.latency_ms.load(Ordering::Relaxed))
    }

    /// Sets it, for calls that arrive from now on.
    pub(crate) fn set_latency(&self, latency: Duration) {
        self.latency_ms.store(u64::try_from(latency.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}
