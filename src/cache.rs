//! Do we know it: what the upstream said lately, kept for a short time, apart for each caller's scope.
//!
//! Three ideas carry it:
//! - A **scope** is the upstream credential plus the account. It is part of every key, so two scopes never share an
//!   entry or a call.
//! - A **generation** is part of every key too. A write moves it on, so what was kept before, and what a read that is
//!   still under way will bring, lies under a key that nobody asks for any more.
//! - **Single flight**: callers that miss the same key wait for one load, which runs in a task of its own. It is given up
//!   when all of them have gone away; where the time of one was up, it goes on, so that the next finds its answer.
//!
//! Nothing of a mutation and nothing in clear is ever put here; the types see to it.

pub mod generations;
pub mod key;
pub mod read_through;
pub mod single_flight;

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

/// All that is kept. `E` is how loads fail.
#[derive(Debug)]
pub struct Cache<E: StaleIfError> {
    pub customers: ReadThrough<Customer, E>,
    pub reviews: ReadThrough<Review, E>,
    pub pages: ReadThrough<Page, E>,
    pub digest: KeyedDigest,
    generations: Generations,
}

impl<E: StaleIfError> Cache<E> {
    /// An empty cache.
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

    /// The key of a customer, and of its review, as of now.
    pub fn customer_key(&self, scope: Scope, id: CustomerId) -> Key {
        let subject = id.0.as_u128();
        Key { scope, subject, generation: self.generations.current(scope, Some(subject)) }
    }

    /// The key of a page as of now; `digest` stands for its query.
    pub fn page_key(&self, scope: Scope, digest: u128) -> Key {
        Key { scope, subject: digest, generation: self.generations.current(scope, None) }
    }

    /// Tells the metrics how much is kept.
    pub async fn record_metrics(&self) {
        self.customers.record_metrics().await;
        self.reviews.record_metrics().await;
        self.pages.record_metrics().await;
    }

    /// Forgets a customer and its review.
    pub fn invalidate_customer(&self, scope: Scope, id: CustomerId) {
        metrics::counter!(names::CACHE_INVALIDATIONS, "what" => "customer").increment(1);
        self.generations.advance(scope, Some(id.0.as_u128()));
    }

    /// Keeps nothing of a customer and its review for a time, and of the scope's pages little: a write may still take
    /// effect. `id` is none of a customer who may come to be.
    pub fn suspend_caching(&self, scope: Scope, id: Option<CustomerId>, time: Duration) {
        self.generations.suspend_caching(scope, None, time);
        if let Some(id) = id {
            self.generations.suspend_caching(scope, Some(id.0.as_u128()), time);
        }
    }

    /// Forgets every page of a scope.
    pub fn invalidate_pages(&self, scope: Scope) {
        metrics::counter!(names::CACHE_INVALIDATIONS, "what" => "pages").increment(1);
        self.generations.advance(scope, None);
    }
}
