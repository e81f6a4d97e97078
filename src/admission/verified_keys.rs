//! The callers' own keys that the upstream has taken. Until it has, a key says nothing of who brings it: anybody can make
//! one up for each request.

use std::time::Duration;

use moka::future::Cache as Store;

/// How many keys are remembered at most; one that is forgotten is soon taken again.
const MAX_KEYS: u64 = 100_000;

/// How long a key is remembered after the upstream last took it.
const KEY_TTL: Duration = Duration::from_secs(60 * 60);

/// Keys by their digest.
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
    /// Whether the upstream has taken a key a short time ago.
    pub fn contains(&self, key: u128) -> bool {
        self.keys.contains_key(&key)
    }

    /// The upstream has just taken a key.
    pub async fn insert(&self, key: u128) {
        self.keys.insert(key, ()).await;
    }

    /// The upstream has just refused a key.
    pub async fn remove(&self, key: u128) {
        self.keys.invalidate(&key).await;
    }
}
