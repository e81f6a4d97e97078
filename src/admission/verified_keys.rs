//! The callers' API keys that the upstream has accepted. Before that, a key does not identify a caller: a client can
//! invent one for each request.

use std::time::Duration;

use moka::future::Cache as Store;

/// The maximum number of remembered keys. A forgotten key is remembered again after its next successful request.
const MAX_KEYS: u64 = 100_000;

/// How long a key is remembered after the upstream last accepted it.
const KEY_TTL: Duration = Duration::from_secs(60 * 60);

/// The digests of the accepted keys.
#[derive(Debug)]
pub struct VerifiedKeys {
    keys: Store<u128, ()>,
}

impl Default for VerifiedKeys {
    fn default() -> Self {
        Self { keys: Store::builder().max_capacity(MAX_KEYS).time_to_live(KEY_TTL).build() }
    }
}

impl VerifiedKeys {
    /// Whether the upstream has accepted a key recently.
    pub fn contains(&self, key: u128) -> bool {
        self.keys.contains_key(&key)
    }

    /// Records that the upstream has accepted a key.
    pub async fn insert(&self, key: u128) {
        self.keys.insert(key, ()).await;
    }

    /// Records that the upstream has rejected a key.
    pub async fn remove(&self, key: u128) {
        self.keys.invalidate(&key).await;
    }
}
