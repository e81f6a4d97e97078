//! The loaders of a request: each customer, review and page is loaded once in a request.
//!
//! Each request has its own loaders, so a batch runs with the credential of its request. The upstream has no bulk read,
//! so a batch is a set of concurrent calls. Batching joins a customer and its review from different parts of a query:
//! the review contains the whole customer, so one call serves both.
//!
//! Below `graphql`, only this module uses the engine, and only its `DataLoader`.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_graphql::dataloader::{DataLoader, HashMapCache, Loader};
use async_graphql::runtime::{TokioSpawner, TokioTimer};
use futures_util::future::join_all;
use tokio::time::Instant;
use tracing::field::Empty;
use tracing::{Instrument, info_span};

use crate::cache::{CacheEntry, CacheStatus, Fetched, LoadError, Lookup, ReadOptions, ReadThrough, StaleIfError};
use crate::customers::{Error, Listing, SessionContext};
use crate::model::{Customer, CustomerId, Page, Review};
use crate::telemetry::metrics::as_f64;
use crate::telemetry::names;
use crate::upstream::{self, CallContext, Deadline, Decoded, ErrorKind};

/// What to load of a customer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CustomerKey {
    Customer(CustomerId),
    Review(CustomerId),
}

impl CustomerKey {
    fn id(self) -> CustomerId {
        match self {
            Self::Customer(id) | Self::Review(id) => id,
        }
    }
}

/// The result of a load.
#[derive(Clone, Debug)]
pub enum Loaded {
    Customer(Arc<Customer>),
    Review(Arc<Review>),
}

impl Loaded {
    /// The customer, which both variants contain.
    pub fn customer(&self) -> Arc<Customer> {
        match self {
            Self::Customer(customer) => Arc::clone(customer),
            Self::Review(review) => Arc::clone(&review.customer),
        }
    }
}

/// A numbered page to load. Two keys are equal if the digests of their queries are.
#[derive(Clone, Debug)]
pub struct PageKey {
    pub listing: Listing,
    pub number: u32,
    pub size: u32,
    pub digest: u128,
}

impl PartialEq for PageKey {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for PageKey {}

impl Hash for PageKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

/// A request's loaders.
pub struct Loaders {
    loader: DataLoader<BatchLoader, HashMapCache>,
}

impl fmt::Debug for Loaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Loaders")
    }
}

impl Loaders {
    /// Loaders for one request. The delay of a batch is the engine's default of one millisecond. Only cache misses wait
    /// for it, and an upstream call takes about a hundred times as long.
    pub fn new(context: &Arc<SessionContext>) -> Self {
        let batch = BatchLoader { context: Arc::clone(context) };
        let spawner = TokioSpawner::current();
        Self { loader: DataLoader::with_cache(batch, spawner, TokioTimer::default(), HashMapCache::default()) }
    }

    /// A customer or a review; `None` if the customer does not exist.
    pub async fn load(&self, look: CustomerKey) -> Result<Option<Loaded>, Error> {
        self.loader.load_one(look).await.unwrap_or_else(|never| match never {}).unwrap_or(Err(Error::TaskLost))
    }

    /// A numbered page.
    pub async fn load_page(&self, look: PageKey) -> Result<Arc<Page>, Error> {
        self.loader.load_one(look).await.unwrap_or_else(|never| match never {}).unwrap_or(Err(Error::TaskLost))
    }

    /// Clears the results of this request after a write.
    pub fn clear(&self) {
        self.loader.clear::<CustomerKey>();
        self.loader.clear::<PageKey>();
    }
}

/// Loads a batch for one request.
struct BatchLoader {
    context: Arc<SessionContext>,
}

impl Loader<CustomerKey> for BatchLoader {
    /// A failure is the result of its key. So it does not fail the batch, and this request does not load the key again.
    type Value = Result<Option<Loaded>, Error>;
    type Error = Infallible;

    async fn load(&self, keys: &[CustomerKey]) -> Result<HashMap<CustomerKey, Self::Value>, Infallible> {
        record_batch_size("customers", keys.len());
        let wanted: HashSet<CustomerKey> = keys.iter().copied().collect();
        let ids: HashSet<CustomerId> = keys.iter().map(|look| look.id()).collect();
        let found = join_all(ids.into_iter().map(|id| {
            let (customer, review) = (CustomerKey::Customer(id), CustomerKey::Review(id));
            let (customer, review) = (wanted.contains(&customer), wanted.contains(&review));
            self.context.load_both(id, customer, review)
        }));
        Ok(found.await.into_iter().flatten().collect())
    }
}

impl Loader<PageKey> for BatchLoader {
    type Value = Result<Arc<Page>, Error>;
    type Error = Infallible;

    async fn load(&self, keys: &[PageKey]) -> Result<HashMap<PageKey, Self::Value>, Infallible> {
        record_batch_size("pages", keys.len());
        let pages = keys.iter().map(|look| async { (look.clone(), self.context.read_page(look).await) });
        Ok(join_all(pages).await.into_iter().collect())
    }
}

/// Records the metrics of a batch.
fn record_batch_size(loader: &'static str, batch: usize) {
    metrics::histogram!(names::LOADER_BATCH_SIZE, "loader" => loader).record(as_f64(batch as u64));
}

impl SessionContext {
    /// Loads the keys of one customer. If one of them is the review, its call also serves the customer.
    async fn load_both(
        self: &Arc<Self>,
        id: CustomerId,
        customer: bool,
        review: bool,
    ) -> Vec<(CustomerKey, Result<Option<Loaded>, Error>)> {
        let mut results = Vec::with_capacity(2);
        if review {
            let found = self.read_review(id).await;
            if customer {
                // If the review fails, the customer is read by a call of its own.
                let own = match &found {
                    Ok(found) => Ok(found.clone().map(|found| Loaded::Customer(found.customer()))),
                    Err(_) => self.read_customer(id).await,
                };
                results.push((CustomerKey::Customer(id), own));
            }
            results.push((CustomerKey::Review(id), found));
        } else if customer {
            results.push((CustomerKey::Customer(id), self.read_customer(id).await));
        }
        results
    }

    async fn read_customer(self: &Arc<Self>, id: CustomerId) -> Result<Option<Loaded>, Error> {
        let key = self.services.cache.customer_key(self.scope, id);
        let context = Arc::clone(self);
        let load = |caller| async move { context.services.upstream.customer(&caller, id).await };
        let kept = self.read_through(&self.services.cache.customers, key, load).await?;
        Ok(kept.value.map(Loaded::Customer))
    }

    async fn read_review(self: &Arc<Self>, id: CustomerId) -> Result<Option<Loaded>, Error> {
        let key = self.services.cache.customer_key(self.scope, id);
        let context = Arc::clone(self);
        let load = |caller| async move { context.services.upstream.review(&caller, id).await };
        let kept = self.read_through(&self.services.cache.reviews, key, load).await?;
        Ok(kept.value.map(Loaded::Review))
    }

    async fn read_page(self: &Arc<Self>, look: &PageKey) -> Result<Arc<Page>, Error> {
        let key = self.services.cache.page_key(self.scope, look.digest);
        let (context, query) = (Arc::clone(self), look.listing.page(look.number, look.size));
        let load = |caller| async move { context.services.upstream.page(&caller, &query).await };
        let kept = self.read_through(&self.services.cache.pages, key, load).await?;
        // A 404 for a list means that the account or the route does not exist.
        kept.value.ok_or_else(|| upstream::Error::without_body(ErrorKind::NotFound).into())
    }

    /// Reads through the cache until the deadline, or until the session is dropped. "Not found" is a result here, not
    /// an error.
    async fn read_through<V, F>(
        &self,
        store: &ReadThrough<V, upstream::Error>,
        key: crate::cache::Key,
        load: impl FnOnce(CallContext) -> F,
    ) -> Result<CacheEntry<V>, Error>
    where
        V: Send + Sync + 'static,
        F: Future<Output = Result<Decoded<V>, upstream::Error>> + Send + 'static,
    {
        // The loaders and the load run in spawned tasks, so they get the request's span explicitly.
        let span = info_span!(
            parent: &self.span,
            "cache",
            otel.name = "cache lookup",
            store = store.name(),
            cache_status = Empty
        );
        let terms = ReadOptions { deadline: self.deadline, freshness: self.freshness };
        let load = |until| {
            let answer = load(self.caller.with_deadline(Deadline::extendable(until)));
            let load = async move {
                match answer.await {
                    Ok(answer) => Ok(Fetched { value: Some(answer.value), bytes: answer.bytes }),
                    Err(error) if matches!(error.kind, ErrorKind::NotFound) => Ok(Fetched { value: None, bytes: 0 }),
                    Err(error) => Err(error),
                }
            };
            Box::pin(load.instrument(span.clone()))
        };
        let got = tokio::select! {
            got = store.get(key, terms, load) => got,
            // The engine runs a batch to its end, also if the request is gone.
            () = self.cancelled.cancelled() => Err(LoadError::TaskLost),
        };
        let Lookup { entry: kept, status: source } = got.map_err(|missed| match missed {
            LoadError::Failed(error) => Error::Upstream(error),
            LoadError::DeadlineExceeded => Error::DeadlineExceeded,
            LoadError::TaskLost => Error::TaskLost,
        })?;
        span.record("cache_status", source.name());
        if kept.fresh_until <= Instant::now() && matches!(source, CacheStatus::Hit | CacheStatus::StaleIfError) {
            self.record_stale(kept.read_at);
        }
        match source {
            CacheStatus::Hit => self.record_hit(key, kept.fresh_until),
            CacheStatus::StaleIfError | CacheStatus::Miss => {
                self.record_part(key, kept.fresh_until);
            }
            CacheStatus::Shared => {
                self.shared_calls.fetch_add(1, Ordering::Relaxed);
                self.record_part(key, kept.fresh_until);
            }
        }
        Ok(kept)
    }
}

impl StaleIfError for upstream::Error {
    fn allows_stale(&self) -> bool {
        // Everything but what the upstream says about the request, the key or the rate.
        let kind = &self.kind;
        kind.counts_for_breaker()
            || matches!(
                kind,
                ErrorKind::BreakerOpen { .. }
                    | ErrorKind::QueueFull
                    | ErrorKind::DeadlineExceeded
                    | ErrorKind::Invalid(_)
            )
    }
}
