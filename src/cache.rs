//! Caches upstream responses for a short time, separately for each caller's scope.
//!
//! - A **scope** is the upstream credential plus the account. It is part of every key, so two scopes never share an
//!   entry or a call.
//! - A **generation** is part of every key too. A write increments it. After that no request reads the old entries,
//!   nor the result of a read that was in flight during the write.
//! - **Single flight**: callers that miss the same key wait for one load, which runs in its own task. It is cancelled
//!   when all of them have disconnected. A caller whose deadline passes leaves it running, so that the next caller
//!   finds its result.
//!
//! Responses of mutations and unmasked customers are never cached; the types ensure it.

mod generations;
mod key;
mod read_through;
mod single_flight;

use std::time::Duration;

use serde::Deserialize;

pub use generations::Generations;
pub use key::{Key, Scope};
pub use read_through::{
    CacheEntry, CacheStatus, Fetched, Freshness, LoadError, Lookup, ReadOptions, ReadThrough, StaleIfError, TtlPolicy,
};

use crate::model::{Customer, CustomerId, Page, Review};
use crate::privacy::digest::KeyedDigest;
use crate::setting;
use crate::telemetry::names;

/// How long and how much is kept; see `[cache]` in `config/default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub enabled: bool,
    #[serde(deserialize_with = "setting::duration")]
    pub customer_ttl: Duration,
    #[serde(deserialize_with = "setting::duration")]
    pub review_ttl: Duration,
    #[serde(deserialize_with = "setting::duration")]
    pub page_ttl: Duration,
    #[serde(deserialize_with = "setting::duration")]
    pub not_found_ttl: Duration,
    #[serde(deserialize_with = "setting::duration")]
    pub stale_while_revalidate: Duration,
    #[serde(deserialize_with = "setting::duration")]
    pub stale_if_error: Duration,
    pub customers_max_bytes: u64,
    pub reviews_max_bytes: u64,
    pub pages_max_bytes: u64,
}

/// All caches. `E` is the error of a load.
#[derive(Debug)]
pub struct Cache<E: StaleIfError> {
    pub customers: ReadThrough<Customer, E>,
    pub reviews: ReadThrough<Review, E>,
    pub pages: ReadThrough<Page, E>,
    pub digest: KeyedDigest,
    generations: Generations,
}

impl<E: StaleIfError> Cache<E> {
    /// Creates empty caches.
    pub fn new(settings: &Settings) -> Self {
        let policy = |fresh: Duration| {
            if settings.enabled {
                TtlPolicy {
                    ttl: fresh,
                    not_found_ttl: settings.not_found_ttl,
                    stale_while_revalidate: settings.stale_while_revalidate,
                    stale_if_error: settings.stale_if_error,
                }
            } else {
                TtlPolicy::DISABLED
            }
        };
        Self {
            customers: ReadThrough::new("customers", policy(settings.customer_ttl), settings.customers_max_bytes),
            reviews: ReadThrough::new("reviews", policy(settings.review_ttl), settings.reviews_max_bytes),
            pages: ReadThrough::new("pages", policy(settings.page_ttl), settings.pages_max_bytes),
            digest: KeyedDigest::new(),
            generations: Generations::new(),
        }
    }

    /// The current key of a customer and of its review.
    pub fn customer_key(&self, scope: Scope, id: CustomerId) -> Key {
        let subject = id.0.as_u128();
        Key { scope, subject, generation: self.generations.current(scope, Some(subject)) }
    }

    /// The current key of a page. `digest` is the digest of its query.
    pub fn page_key(&self, scope: Scope, digest: u128) -> Key {
        Key { scope, subject: digest, generation: self.generations.current(scope, None) }
    }

    /// Updates the metrics of all sizes.
    pub async fn record_metrics(&self) {
        self.customers.record_metrics().await;
        self.reviews.record_metrics().await;
        self.pages.record_metrics().await;
    }

    /// Makes the cached customer and its review unreachable.
    pub fn invalidate_customer(&self, scope: Scope, id: CustomerId) {
        metrics::counter!(names::CACHE_INVALIDATIONS, "scope" => "customer").increment(1);
        self.generations.advance(scope, Some(id.0.as_u128()));
    }

    /// Suspends caching of a customer and its review for a time, and limits that of the scope's pages: a write may
    /// still take effect. `id` is `None` for a customer that may have been created.
    pub fn suspend_caching(&self, scope: Scope, id: Option<CustomerId>, time: Duration) {
        self.generations.suspend_caching(scope, None, time);
        if let Some(id) = id {
            self.generations.suspend_caching(scope, Some(id.0.as_u128()), time);
        }
    }

    /// Makes all cached pages of a scope unreachable.
    pub fn invalidate_pages(&self, scope: Scope) {
        metrics::counter!(names::CACHE_INVALIDATIONS, "scope" => "pages").increment(1);
        self.generations.advance(scope, None);
    }
}
