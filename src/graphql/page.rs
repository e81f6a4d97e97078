//! Numbered pages, for tables.

use std::sync::Arc;

use async_graphql::Object;

use super::connection::{LONGEST_LIST, MOST_ROWS, bad};
use super::customer::Customer;
use super::error::{Answer, unreadable};
use crate::error::Failure;
use crate::model::{Page, PageMeta};

/// A numbered page of customers.
#[derive(Clone, Debug)]
pub struct CustomerPage {
    page: Arc<Page>,
    with_review: bool,
}

impl CustomerPage {
    /// The object for a page; `with_review` says whether the selection wants its customers' reviews.
    pub fn new(page: Arc<Page>, with_review: bool) -> Self {
        Self { page, with_review }
    }
}

/// The number and size of a page, checked.
pub fn number_and_size(number: i32, size: i32) -> Answer<(u32, u32)> {
    let size = u32::try_from(size).ok().filter(|size| (1..=MOST_ROWS).contains(size));
    let size = size.ok_or_else(|| bad(format!("`size` must be 1 to {MOST_ROWS}.")))?;
    let number = u32::try_from(number).ok().filter(|number| *number >= 1);
    let number = number.ok_or_else(|| bad("`number` counts from 1."))?;
    if u64::from(number) * u64::from(size) > LONGEST_LIST.into() {
        return Err(bad(format!("`number` times `size` must be {LONGEST_LIST} at most: no list has more rows.")));
    }
    Ok((number, size))
}

/// A numbered page of customers, as a table shows it.
#[Object]
impl CustomerPage {
    /// The customers on this page; none on a page past the last one.
    async fn nodes(&self) -> Vec<Customer> {
        self.page.rows.iter().map(|row| Customer::row(row.clone(), self.with_review)).collect()
    }

    /// What the upstream says about the page.
    async fn meta(&self) -> Result<&PageMeta, Failure> {
        self.page.meta.as_ref().map_err(|field| unreadable(*field))
    }
}
