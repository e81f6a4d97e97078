//! Reading: one customer, one review, a page, a window of a list.
//!
//! What is kept and fresh is answered at once; what is not goes through the request's loaders.

use std::sync::Arc;

use crate::customers::read::loaders::{CustomerKey, Loaded, PageKey};
use crate::customers::read::window::{self, FetchPlan, Pages, Window, WindowSpec};
use crate::customers::{Error, Listing, Session};
use crate::model::{Customer, CustomerId, CustomerSummary, Page, Review};
use crate::upstream::ErrorKind;

/// How many rows a look-up by external id asks for: the upstream's filter is exact by all accounts, and what is not
/// the same to the letter is dropped here.
const EXTERNAL_ID_PAGE_SIZE: u32 = 10;

impl Session {
    /// A customer with all its own fields; `None` where there is none.
    ///
    /// # Errors
    /// Where the upstream gave no usable answer in time.
    pub async fn customer(&self, id: CustomerId) -> Result<Option<Arc<Customer>>, Error> {
        if let Some(found) = self.cached_customer(id).await {
            return Ok(found);
        }
        Ok(self.loaders.load(CustomerKey::Customer(id)).await?.map(|found| found.customer()))
    }

    /// As [`Session::customer`], for a caller that wants the review as well: one call serves both. Where that call
    /// fails, the customer comes from its own, and asking for the review gives the error.
    ///
    /// # Errors
    /// Where the customer could not be read either.
    pub async fn customer_with_review(&self, id: CustomerId) -> Result<Option<Arc<Customer>>, Error> {
        match self.review(id).await {
            Ok(review) => Ok(review.map(|review| Arc::clone(&review.customer))),
            Err(error) if would_fail_again(&error) => Err(error),
            Err(_) => self.customer(id).await,
        }
    }

    /// A customer's review; `None` where there is no such customer.
    ///
    /// # Errors
    /// Where the upstream gave no usable answer in time.
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
    /// Where it is too long, or the upstream gave no usable answer in time.
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
    /// Where the upstream gave no usable answer in time.
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

    /// How many customers a list has.
    ///
    /// # Errors
    /// Where the upstream gave no usable answer in time.
    pub async fn total(&self, listing: &Listing) -> Result<u32, Error> {
        Ok(self.page(listing, 1, 1).await?.total)
    }

    /// A window of a list: one call, or two at once where no page of the upstream holds it. Where it is counted from the
    /// list's end, the total is asked for first, unless it is kept.
    ///
    /// # Errors
    /// Where the upstream gave no usable answer in time.
    pub async fn window(&self, listing: &Listing, cut: WindowSpec) -> Result<Window, Error> {
        let (start, end) = match window::plan(cut) {
            FetchPlan::Between { start, end } => (start, end),
            FetchPlan::FromEnd => {
                let total = self.total(listing).await?;
                let window = self.rows_from_end(listing, cut, total).await?;
                // Rows were erased since the total was read: the list's end is before where it was taken to be.
                let has_shrunk = window.total < total;
                return if has_shrunk { self.rows_from_end(listing, cut, window.total).await } else { Ok(window) };
            }
        };
        let window = self.rows_between(listing, start, end).await?;
        if window::must_reread_from_end(cut, window.total) {
            // The list has shrunk to before the cursor: its end is where the cursor was.
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

    /// The last rows of a list with so many rows, by their positions. Not the first rows of the reversed order: rows that are
    /// equal in the sort need not be reversed with it.
    async fn rows_from_end(&self, listing: &Listing, cut: WindowSpec, total: u32) -> Result<Window, Error> {
        match window::last_rows(cut, total) {
            (start, end) if start >= end => Ok(Window { rows: Vec::new(), start, total }),
            (start, end) => self.rows_between(listing, start, end).await,
        }
    }

    /// The customer as it is kept, by itself or with its review: the one that was asked for later.
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

/// Whether an error of one call would be the error of the next one as well.
fn would_fail_again(error: &Error) -> bool {
    match error {
        Error::Upstream(error) => matches!(error.kind, ErrorKind::Unauthenticated | ErrorKind::DeadlineExceeded),
        Error::DeadlineExceeded => true,
        _ => false,
    }
}
