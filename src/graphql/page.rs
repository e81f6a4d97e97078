//! Numbered pages, for tables.

use std::sync::Arc;

use async_graphql::Object;

use super::connection::{MAX_LIST_ROWS, MAX_ROWS, bad_user_input};
use super::customer::CustomerObject;
use super::error::{ResolverResult, unreadable_field};
use crate::error::PublicError;
use crate::model::{Page, PageMeta};

/// A numbered page of customers.
#[derive(Clone, Debug)]
pub struct CustomerPage {
    page: Arc<Page>,
    with_review: bool,
}

impl CustomerPage {
    /// Creates the object for a page. `with_review` says whether the selection contains the customers' reviews.
    pub fn new(page: Arc<Page>, with_review: bool) -> Self {
        Self { page, with_review }
    }
}

/// The number and size of a page, validated.
pub fn number_and_size(number: i32, size: i32) -> ResolverResult<(u32, u32)> {
    let size = u32::try_from(size).ok().filter(|size| (1..=MAX_ROWS).contains(size));
    let size = size.ok_or_else(|| bad_user_input(format!("`size` must be 1 to {MAX_ROWS}.")))?;
    let number = u32::try_from(number).ok().filter(|number| *number >= 1);
    let number = number.ok_or_else(|| bad_user_input("`number` must be at least 1."))?;
    if u64::from(number) * u64::from(size) > MAX_LIST_ROWS.into() {
        return Err(bad_user_input(format!(
            "`number` times `size` must be at most {MAX_LIST_ROWS}: no list has more rows."
        )));
    }
    Ok((number, size))
}

/// A numbered page of customers, as a table shows it.
#[Object]
impl CustomerPage {
    /// The customers on this page. Empty on a page after the last one.
    async fn nodes(&self) -> Vec<CustomerObject> {
        self.page.rows.iter().map(|row| CustomerObject::from_summary(row.clone(), self.with_review)).collect()
    }

    /// What the upstream reports about the page.
    async fn meta(&self) -> Result<&PageMeta, PublicError> {
        self.page.meta.as_ref().map_err(|field| unreadable_field(*field))
    }
}
