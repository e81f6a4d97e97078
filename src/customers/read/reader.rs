//! Reads: one customer, one review, a page, a window of a list.
//!
//! Fresh cache entries are returned at once. Everything else goes through the request's loaders.

use std::sync::Arc;

use crate::customers::read::loaders::{CustomerKey, Loaded, PageKey};
use crate::customers::read::window::{self, FetchPlan, Pages, Window, WindowSpec};
use crate::customers::{Error, Listing, Session};
use crate::model::{Customer, CustomerId, CustomerSummary, Page, Review};
use crate::upstream::ErrorKind;

/// The page size of a look-up by external id. The upstream's filter seems to be exact. Rows with another id are dropped
/// here.
const EXTERNAL_ID_PAGE_SIZE: u32 = 10;

impl Session {
    /// A customer with all its own fields; `None` if it does not exist.
    ///
    /// # Errors
    /// If the upstream gives no usable response in time.
    pub async fn customer(&self, id: CustomerId) -> Result<Option<Arc<Customer>>, Error> {
        if let Some(found) = self.cached_customer(id).await {
            return Ok(found);
        }
        Ok(self.loaders.load(CustomerKey::Customer(id)).await?.map(|found| found.customer()))
    }

    /// As [`Session::customer`], for a caller that also needs the review: one call serves both. If that call fails, the
    /// customer comes from a call of its own, and a read of the review returns the error.
    ///
    /// # Errors
    /// If the customer could not be read either.
    pub async fn customer_with_review(&self, id: CustomerId) -> Result<Option<Arc<Customer>>, Error> {
        match self.review(id).await {
            Ok(review) => Ok(review.map(|review| Arc::clone(&review.customer))),
            Err(error) if would_fail_again(&error) => Err(error),
            Err(_) => self.customer(id).await,
        }
    }

    /// A customer's review; `None` if the customer does not exist.
    ///
    /// # Errors
    /// If the upstream gives no usable response in time.
    pub async fn review(&self, id: CustomerId) -> Result<Option<Arc<Review>>, Error> {
        if let Some(kept) = self.cached_review(id).await {
            return Ok(kept);
        }
        Ok(self.loaders.load(CustomerKey::Review(id)).await?.and_then(|found| match found {
            Loaded::Review(review) => Some(review),
            Loaded::Customer(_) => None,
        }))
    }

    /// The customer with exactly this id in the caller's own system.
    ///
    /// # Errors
    /// If the id is too long, or the upstream gives no usable response in time.
    pub async fn customer_by_external_id(&self, external_id: &str) -> Result<Option<Arc<CustomerSummary>>, Error> {
        if external_id.trim().is_empty() {
            return Ok(None);
        }
        let listing = Listing::with_external_id(external_id.to_owned())?;
        let page = self.page(&listing, 1, EXTERNAL_ID_PAGE_SIZE).await?;
        Ok(page
            .rows
            .iter()
            .find(|row| {
                row.external_id.as_ref().is_ok_and(|known| known.as_ref().is_some_and(|id| id.reveal() == external_id))
            })
            .cloned())
    }

    /// A numbered page of a list.
    ///
    /// # Errors
    /// If the upstream gives no usable response in time.
    pub async fn page(&self, listing: &Listing, number: u32, size: u32) -> Result<Arc<Page>, Error> {
        let cache = &self.context.services.cache;
        let digest = listing.digest(&cache.digest, number, size);
        if !self.context.bypasses_cache()
            && let key = cache.page_key(self.context.scope, digest)
            && let Some(kept) = cache.pages.get_fresh(&key).await
            && let Some(page) = kept.value
        {
            cache.pages.record_hit();
            self.context.record_hit(key, kept.fresh_until);
            return Ok(page);
        }
        self.loaders.load_page(PageKey { listing: listing.clone(), number, size, digest }).await
    }

    /// The number of customers in a list.
    ///
    /// # Errors
    /// If the upstream gives no usable response in time.
    pub async fn total(&self, listing: &Listing) -> Result<u32, Error> {
        Ok(self.page(listing, 1, 1).await?.total)
    }

    /// A window of a list: one call, or two concurrent calls if no page of the upstream contains it. If it is counted
    /// from the end of the list, the total is read first, unless it is cached.
    ///
    /// # Errors
    /// If the upstream gives no usable response in time.
    pub async fn window(&self, listing: &Listing, cut: WindowSpec) -> Result<Window, Error> {
        let (start, end) = match window::plan(cut) {
            FetchPlan::Between { start, end } => (start, end),
            FetchPlan::FromEnd => {
                let total = self.total(listing).await?;
                let window = self.rows_from_end(listing, cut, total).await?;
                // Rows were deleted since the total was read, so the list is shorter than that total.
                let has_shrunk = window.total < total;
                return if has_shrunk { self.rows_from_end(listing, cut, window.total).await } else { Ok(window) };
            }
        };
        let window = self.rows_between(listing, start, end).await?;
        if window::must_reread_from_end(cut, window.total) {
            // The list now ends before the cursor, so the window is read from the end of the list.
            return self.rows_from_end(listing, cut, window.total).await;
        }
        Ok(window.skip_through(cut.after))
    }

    async fn rows_between(&self, listing: &Listing, start: u32, end: u32) -> Result<Window, Error> {
        match window::pages(start, end) {
            Pages::None => Ok(Window { rows: Vec::new(), start, total: self.total(listing).await? }),
            Pages::One { number, size } => {
                let page = self.page(listing, number, size).await?;
                Ok(Window::slice(&page.rows, (number - 1) * size, start, end, page.total))
            }
            Pages::Two { number, size } => {
                let (first, second) =
                    tokio::try_join!(self.page(listing, number, size), self.page(listing, number + 1, size))?;
                let rows: Vec<_> = first.rows.iter().chain(&second.rows).cloned().collect();
                Ok(Window::slice(&rows, (number - 1) * size, start, end, first.total))
            }
        }
    }

    /// The last rows of a list of known length, by position. The first rows of the reversed order can be others: rows
    /// with equal sort keys need not be reversed.
    async fn rows_from_end(&self, listing: &Listing, cut: WindowSpec, total: u32) -> Result<Window, Error> {
        match window::last_rows(cut, total) {
            (start, end) if start >= end => Ok(Window { rows: Vec::new(), start, total }),
            (start, end) => self.rows_between(listing, start, end).await,
        }
    }

    /// The cached customer, alone or from its review: the one that was read later.
    async fn cached_customer(&self, id: CustomerId) -> Option<Option<Arc<Customer>>> {
        if self.context.bypasses_cache() {
            return None;
        }
        let cache = &self.context.services.cache;
        let key = cache.customer_key(self.context.scope, id);
        let alone = cache.customers.get_fresh(&key).await;
        let reviewed = cache.reviews.get_fresh(&key).await;
        if let Some(kept) = alone
            && reviewed.as_ref().is_none_or(|reviewed| reviewed.requested_at <= kept.requested_at)
        {
            cache.customers.record_hit();
            self.context.record_hit(key, kept.fresh_until);
            return Some(kept.value);
        }
        let kept = reviewed?;
        cache.reviews.record_hit();
        self.context.record_hit(key, kept.fresh_until);
        Some(kept.value.map(|review| Arc::clone(&review.customer)))
    }

    async fn cached_review(&self, id: CustomerId) -> Option<Option<Arc<Review>>> {
        if self.context.bypasses_cache() {
            return None;
        }
        let cache = &self.context.services.cache;
        let key = cache.customer_key(self.context.scope, id);
        let kept = cache.reviews.get_fresh(&key).await?;
        cache.reviews.record_hit();
        self.context.record_hit(key, kept.fresh_until);
        Some(kept.value)
    }
}

/// Whether the next call would fail with the same error.
fn would_fail_again(error: &Error) -> bool {
    match error {
        Error::Upstream(error) => matches!(error.kind, ErrorKind::Unauthenticated | ErrorKind::DeadlineExceeded),
        Error::DeadlineExceeded => true,
        _ => false,
    }
}
