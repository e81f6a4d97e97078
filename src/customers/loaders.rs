//! What a request asks twice is asked once.
//!
//! One set of loaders for each request and principal: a batch runs with the credential of whoever started it. The
//! upstream has no bulk read, so a batch is a set of calls at once; what it gains is that a customer and its review,
//! asked for in different places of a query, are seen together: the review carries the whole customer and serves both.
//!
//! This is the one place below `graphql` that uses the engine: its `DataLoader`, and nothing else of it.

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

use super::{Error, Listing, SessionContext};
use crate::cache::{CacheEntry, CacheStatus, Fetched, LoadError, Lookup, ReadOptions, ReadThrough, StaleIfError};
use crate::model::{Customer, CustomerId, Page, Review};
use crate::telemetry::metrics::as_f64;
use crate::telemetry::names;
use crate::upstream::{self, Answer, Caller, Kind, Patience};

/// What is wanted of a customer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Look {
    Customer(CustomerId),
    Review(CustomerId),
}

impl Look {
    fn id(self) -> CustomerId {
        match self {
            Self::Customer(id) | Self::Review(id) => id,
        }
    }
}

/// What a look found.
#[derive(Clone, Debug)]
pub enum Found {
    Customer(Arc<Customer>),
    Review(Arc<Review>),
}

impl Found {
    /// The customer, which both have.
    pub fn customer(&self) -> Arc<Customer> {
        match self {
            Self::Customer(customer) => Arc::clone(customer),
            Self::Review(review) => Arc::clone(&review.customer),
        }
    }
}

/// A numbered page that is wanted; told apart by a digest of all that makes it.
#[derive(Clone, Debug)]
pub struct PageLook {
    pub listing: Listing,
    pub number: u32,
    pub size: u32,
    pub digest: u128,
}

impl PartialEq for PageLook {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for PageLook {}

impl Hash for PageLook {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

/// A request's loaders.
pub struct Loaders {
    loader: DataLoader<Batch, HashMapCache>,
}

impl fmt::Debug for Loaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Loaders")
    }
}

impl Loaders {
    /// Loaders for one request. The delay of a batch is the engine's millisecond: only what the cache does not have
    /// waits for it, and that is on its way to the upstream for a hundred times as long.
    pub fn new(context: &Arc<SessionContext>) -> Self {
        let batch = Batch { context: Arc::clone(context) };
        let spawner = TokioSpawner::current();
        Self { loader: DataLoader::with_cache(batch, spawner, TokioTimer::default(), HashMapCache::default()) }
    }

    /// A customer or a review; `None` where there is no such customer.
    pub async fn look(&self, look: Look) -> Result<Option<Found>, Error> {
        self.loader.load_one(look).await.unwrap_or_else(|never| match never {}).unwrap_or(Err(Error::Lost))
    }

    /// A numbered page.
    pub async fn page(&self, look: PageLook) -> Result<Arc<Page>, Error> {
        self.loader.load_one(look).await.unwrap_or_else(|never| match never {}).unwrap_or(Err(Error::Lost))
    }

    /// Forgets what this request has read, since it has written.
    pub fn forget(&self) {
        self.loader.clear::<Look>();
        self.loader.clear::<PageLook>();
    }
}

/// Loads a batch for one request.
struct Batch {
    context: Arc<SessionContext>,
}

impl Loader<Look> for Batch {
    /// A failure is the result of its key, so that it neither fails the batch nor is asked for again by this request.
    type Value = Result<Option<Found>, Error>;
    type Error = Infallible;

    async fn load(&self, keys: &[Look]) -> Result<HashMap<Look, Self::Value>, Infallible> {
        observe("customers", keys.len());
        let wanted: HashSet<Look> = keys.iter().copied().collect();
        let ids: HashSet<CustomerId> = keys.iter().map(|look| look.id()).collect();
        let found = join_all(ids.into_iter().map(|id| {
            let (customer, review) = (Look::Customer(id), Look::Review(id));
            let (customer, review) = (wanted.contains(&customer), wanted.contains(&review));
            self.context.look_at(id, customer, review)
        }));
        Ok(found.await.into_iter().flatten().collect())
    }
}

impl Loader<PageLook> for Batch {
    type Value = Result<Arc<Page>, Error>;
    type Error = Infallible;

    async fn load(&self, keys: &[PageLook]) -> Result<HashMap<PageLook, Self::Value>, Infallible> {
        observe("pages", keys.len());
        let pages = keys.iter().map(|look| async { (look.clone(), self.context.read_page(look).await) });
        Ok(join_all(pages).await.into_iter().collect())
    }
}

/// Tells the metrics of a batch.
fn observe(loader: &'static str, batch: usize) {
    metrics::histogram!(names::LOADER_BATCH_SIZE, "loader" => loader).record(as_f64(batch as u64));
}

impl SessionContext {
    /// Reads what is wanted of one customer: where the review is, it serves the customer too.
    async fn look_at(
        self: &Arc<Self>,
        id: CustomerId,
        customer: bool,
        review: bool,
    ) -> Vec<(Look, Result<Option<Found>, Error>)> {
        let mut results = Vec::with_capacity(2);
        if review {
            let found = self.read_review(id).await;
            if customer {
                // A failed review never costs the customer.
                let own = match &found {
                    Ok(found) => Ok(found.clone().map(|found| Found::Customer(found.customer()))),
                    Err(_) => self.read_customer(id).await,
                };
                results.push((Look::Customer(id), own));
            }
            results.push((Look::Review(id), found));
        } else if customer {
            results.push((Look::Customer(id), self.read_customer(id).await));
        }
        results
    }

    async fn read_customer(self: &Arc<Self>, id: CustomerId) -> Result<Option<Found>, Error> {
        let key = self.services.cache.customer_key(self.scope, id);
        let context = Arc::clone(self);
        let load = |caller| async move { context.services.upstream.customer(&caller, id).await };
        let kept = self.through(&self.services.cache.customers, key, load).await?;
        Ok(kept.value.map(Found::Customer))
    }

    async fn read_review(self: &Arc<Self>, id: CustomerId) -> Result<Option<Found>, Error> {
        let key = self.services.cache.customer_key(self.scope, id);
        let context = Arc::clone(self);
        let load = |caller| async move { context.services.upstream.review(&caller, id).await };
        let kept = self.through(&self.services.cache.reviews, key, load).await?;
        Ok(kept.value.map(Found::Review))
    }

    async fn read_page(self: &Arc<Self>, look: &PageLook) -> Result<Arc<Page>, Error> {
        let key = self.services.cache.page_key(self.scope, look.digest);
        let (context, query) = (Arc::clone(self), look.listing.page(look.number, look.size));
        let load = |caller| async move { context.services.upstream.page(&caller, &query).await };
        let kept = self.through(&self.services.cache.pages, key, load).await?;
        // A 404 for a list: there is no such account, or no such route.
        kept.value.ok_or_else(|| upstream::Error::bare(Kind::NotFound).into())
    }

    /// Reads through the cache, until the deadline, and as long as the session is there. "Not found" is an answer here, not
    /// an error.
    async fn through<V, F>(
        &self,
        store: &ReadThrough<V, upstream::Error>,
        key: crate::cache::Key,
        load: impl FnOnce(Caller) -> F,
    ) -> Result<CacheEntry<V>, Error>
    where
        V: Send + Sync + 'static,
        F: Future<Output = Result<Answer<V>, upstream::Error>> + Send + 'static,
    {
        // The loaders run in tasks of their own, and so does the load: the request's span has to be named.
        let span =
            info_span!(parent: &self.span, "cache", otel.name = "cache wait", store = store.name(), came = Empty);
        let terms = ReadOptions { deadline: self.deadline, freshness: self.reading };
        let load = |until| {
            let answer = load(self.caller.with(Patience::following(until)));
            let load = async move {
                match answer.await {
                    Ok(answer) => Ok(Fetched { value: Some(answer.value), bytes: answer.bytes }),
                    Err(error) if matches!(error.kind, Kind::NotFound) => Ok(Fetched { value: None, bytes: 0 }),
                    Err(error) => Err(error),
                }
            };
            Box::pin(load.instrument(span.clone()))
        };
        let got = tokio::select! {
            got = store.get(key, terms, load) => got,
            // The engine runs a batch to its end, also for nobody.
            () = self.gone.cancelled() => Err(LoadError::TaskLost),
        };
        let Lookup { entry: kept, status: source } = got.map_err(|missed| match missed {
            LoadError::Failed(error) => Error::Upstream(error),
            LoadError::DeadlineExceeded => Error::Deadline,
            LoadError::TaskLost => Error::Lost,
        })?;
        span.record("came", source.name());
        if kept.fresh_until <= Instant::now() && matches!(source, CacheStatus::Hit | CacheStatus::StaleIfError) {
            self.note_old(kept.read_at);
        }
        match source {
            CacheStatus::Hit => self.note_kept(key, kept.fresh_until),
            CacheStatus::StaleIfError | CacheStatus::Miss => {
                self.note(key, kept.fresh_until);
            }
            CacheStatus::Shared => {
                self.shared.fetch_add(1, Ordering::Relaxed);
                self.note(key, kept.fresh_until);
            }
        }
        Ok(kept)
    }
}

impl StaleIfError for upstream::Error {
    fn allows_stale(&self) -> bool {
        // Everything but what the upstream says about the request, the key or the rate.
        let kind = &self.kind;
        kind.is_failure() || matches!(kind, Kind::Open { .. } | Kind::Busy | Kind::TooLate | Kind::Invalid(_))
    }
}
