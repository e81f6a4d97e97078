//! A numbered page of the upstream's list.

use std::sync::Arc;

use async_graphql::{ID, SimpleObject};

use super::lenient::Readable;
use super::{CustomerSummary, DateTime, SortOrder};

/// Rows of a list with what the upstream says about the page.
#[derive(Clone, Debug)]
pub struct Page {
    pub rows: Vec<Arc<CustomerSummary>>,
    /// How many customers match, over all pages.
    pub total: u32,
    pub meta: Readable<PageMeta>,
}

/// What the upstream says about a page.
#[derive(SimpleObject, Clone, Debug)]
pub struct PageMeta {
    /// The upstream's id of the call that gave this page; quote it to the upstream's support.
    pub api_request_id: ID,
    /// When the upstream answered. Older than now where the page came out of the gateway's cache.
    pub api_request_timestamp: DateTime,
    /// The largest page that the upstream gives. The gateway's own bound is 100.
    pub max_page_size: i32,
    /// This page's number, from 1.
    pub page_number: i32,
    /// How many rows a full page has.
    pub page_size: i32,
    /// What the rows are sorted by, in the upstream's word.
    pub sort_by: String,
    /// Which way they are sorted.
    pub sort_order: SortOrder,
    /// How many customers match, over all pages.
    pub total_items: i32,
    /// How many pages there are.
    pub total_pages: i32,
}
