//! The state of a running sandbox: stores, call counts, the write log, latency, faults, webhooks.
//!
//! Counts, faults and latency belong to the whole sandbox. Data belongs to a tenant; the write log and the webhook
//! belong to a bearer token. Everything has a limit: the 64 most recently used stores are kept.

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

/// A store shared by calls.
pub(crate) type SharedStore = Arc<Mutex<CustomerStore>>;

/// The state of one sandbox.
pub(crate) struct Sandbox {
    /// The token that control calls without a token act for.
    pub(crate) default_token: TokenDigest,
    /// Faults that wait for a matching call.
    pub(crate) faults: Faults,
    /// Sends events.
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
    /// Counts uses, to find the least recently used store.
    uses: u64,
}

/// A write that took effect, as `GET /_sandbox/writes` returns it.
#[derive(Clone, Serialize)]
pub(crate) struct LoggedWrite {
    /// The HTTP method.
    pub(crate) method: String,
    /// The path, with `{id}` for the id.
    pub(crate) route: &'static str,
    /// The customer that was written.
    pub(crate) customer_id: Uuid,
    /// The call's idempotency key.
    pub(crate) idempotency_key: Option<String>,
    /// The HTTP status of the response.
    pub(crate) status: u16,
}

/// Locks a mutex. A poisoned mutex is used anyway: no holder leaves partial changes, and one panic must not stop the
/// whole sandbox.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sandbox {
    /// A sandbox with no stores.
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

    /// The store of a tenant, created from the seed on first use. At the limit the least recently used store is
    /// removed.
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

    /// Restores the seed: the stores and the write log of the token, and the latency, faults and counts of the sandbox.
    /// The webhook stays, since it is configuration and not data.
    pub(crate) fn reset(&self, token: TokenDigest) {
        let stores: Vec<_> = {
            let stores = lock(&self.stores);
            let own = stores.by_tenant.iter().filter(|(tenant, _)| tenant.token == token);
            own.map(|(_, (store, _))| Arc::clone(store)).collect()
        };
        // In place: calls and background screenings that hold the store then use the restored data.
        for store in stores {
            *lock(&store) = self.seed.clone();
        }
        lock(&self.writes).retain(|(owner, _)| *owner != token);
        self.set_latency(Duration::ZERO);
        self.faults.clear();
        self.reset_calls();
    }

    /// Counts a call on arrival.
    pub(crate) fn count_call(&self, operation: Operation) {
        *lock(&self.calls).entry(operation.route()).or_default() += 1;
    }

    /// The counts, as `GET /_sandbox/calls` returns them.
    pub(crate) fn calls(&self) -> Value {
        let calls = lock(&self.calls);
        json!({"total": calls.values().sum::<u64>(), "calls": *calls})
    }

    /// Sets all counts to zero.
    pub(crate) fn reset_calls(&self) {
        lock(&self.calls).clear();
    }

    /// Logs a write that took effect and enqueues its events. The caller holds the store's lock, so the log and the
    /// events have the order of the writes.
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

    /// The writes of the token, oldest first.
    pub(crate) fn writes(&self, token: TokenDigest) -> Vec<LoggedWrite> {
        lock(&self.writes).iter().filter(|(owner, _)| *owner == token).map(|(_, write)| write.clone()).collect()
    }

    /// The latency added to every response of the API.
    pub(crate) fn latency(&self) -> Duration {
        Duration::from_millis(self.latency_ms.load(Ordering::Relaxed))
    }

    /// Sets the latency of later calls.
    pub(crate) fn set_latency(&self, latency: Duration) {
        self.latency_ms.store(u64::try_from(latency.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}
