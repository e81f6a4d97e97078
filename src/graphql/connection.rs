//! Relay connections over the upstream's numbered pages.

use async_graphql::{Context, Lookahead, Object, SimpleObject};

use super::access::reads_review;
use super::cursor;
use super::customer::Customer;
use super::error::Answer;
use crate::customers::Listing;
use crate::customers::window::{Cut, End, Window};
use crate::error::{Code, Failure};

/// How many rows there are where the caller does not say.
pub const DEFAULT_COUNT: u32 = 25;
/// The most rows at once, here and in `customerPage`.
pub const MOST_ROWS: u32 = 100;

/// The most rows that a list can have. An upstream counts them in 32 bits, and no account has as many as this.
pub const LONGEST_LIST: u32 = 100_000_000;

/// The arguments that cut a window out of a list.
#[derive(Clone, Debug)]
pub struct WindowArguments {
    pub first: Option<i32>,
    pub after: Option<String>,
    pub last: Option<i32>,
    pub before: Option<String>,
}

impl WindowArguments {
    /// The cut that they describe, for the list with this fingerprint.
    pub fn cut(&self, fingerprint: u32) -> Answer<Cut> {
        let (count, end) = match (self.first, self.last) {
            (Some(_), Some(_)) => return Err(bad("Give `first` or `last`, not both.")),
            (None, None) => (DEFAULT_COUNT, End::First),
            (Some(first), None) => (count("first", first)?, End::First),
            (None, Some(last)) => (count("last", last)?, End::Last),
        };
        let position = |name: &str, text: &Option<String>| {
            let Some(text) = text else { return Ok(None) };
            let position = cursor::read(text, fingerprint).filter(|position| *position < LONGEST_LIST);
            let message =
                || bad(format!("`{name}` is not a cursor of this list: take one from the same filter and sort."));
            position.map(Some).ok_or_else(message)
        };
        Ok(Cut { count, end, after: position("after", &self.after)?, before: position("before", &self.before)? })
    }
}

fn count(name: &str, given: i32) -> Answer<u32> {
    let count = u32::try_from(given).ok().filter(|count| (1..=MOST_ROWS).contains(count));
    count.ok_or_else(|| bad(format!("`{name}` must be 1 to {MOST_ROWS}.")))
}

/// A `BAD_USER_INPUT` failure.
pub fn bad(message: impl Into<std::borrow::Cow<'static, str>>) -> Failure {
    Failure::new(Code::BadUserInput, message)
}

/// What a query wants of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// Rows, or where they stand.
    Rows { with_review: bool },
    /// How many there are, and no row.
    TotalAlone,
    /// Nothing that a call is needed for.
    Nothing,
}

impl Wanted {
    /// By the selection on a connection.
    pub fn of(ctx: &Context<'_>, selection: &Lookahead<'_>) -> Self {
        let (edges, nodes) = (selection.field("edges"), selection.field("nodes"));
        if edges.exists() || nodes.exists() || selection.field("pageInfo").exists() {
            let in_edges = reads_review(ctx, &edges.field("node"));
            Self::Rows { with_review: in_edges || reads_review(ctx, &nodes) }
        } else if selection.field("totalCount").exists() {
            Self::TotalAlone
        } else {
            Self::Nothing
        }
    }
}

/// A window of a list of customers.
#[derive(Clone, Debug)]
pub struct CustomerConnection {
    fingerprint: u32,
    window: Window,
    with_review: bool,
}

impl CustomerConnection {
    /// A window of a listing.
    pub fn new(listing: &Listing, window: Window, with_review: bool) -> Self {
        Self { fingerprint: listing.fingerprint(), window, with_review }
    }

    /// The cursor of the row at a place of this window.
    fn cursor(&self, place: usize) -> String {
        let place = u32::try_from(place).unwrap_or(u32::MAX);
        cursor::write(self.fingerprint, self.window.start.saturating_add(place))
    }
}

/// A window of a list of customers, by Relay's rules. Cursors are positions: where somebody creates or erases customers
/// between two pages, rows can move.
#[Object]
impl CustomerConnection {
    /// The rows with their cursors.
    async fn edges(&self) -> Vec<CustomerEdge> {
        let rows = self.window.rows.iter().enumerate();
        rows.map(|(place, row)| CustomerEdge {
            cursor: self.cursor(place),
            node: Customer::row(row.clone(), self.with_review),
        })
        .collect()
    }

    /// The rows without their cursors.
    async fn nodes(&self) -> Vec<Customer> {
        self.window.rows.iter().map(|row| Customer::row(row.clone(), self.with_review)).collect()
    }

    /// Where this window stands in the list.
    async fn page_info(&self) -> PageInfo {
        let last = self.window.rows.len().checked_sub(1);
        PageInfo {
            has_next_page: self.window.has_next(),
            has_previous_page: self.window.has_previous(),
            start_cursor: last.map(|_| self.cursor(0)),
            end_cursor: last.map(|last| self.cursor(last)),
        }
    }

    /// How many customers match, over all pages. Asked for alone it costs one small call.
    async fn total_count(&self) -> i32 {
        i32::try_from(self.window.total).unwrap_or(i32::MAX)
    }
}

/// A customer in a list, with its cursor.
#[derive(SimpleObject, Clone, Debug)]
pub struct CustomerEdge {
    /// Opaque; give it as `after` or `before` to the same list, that is with the same filter and sort.
    pub cursor: String,
    /// The customer.
    pub node: Customer,
}

/// Where a window stands in its list.
#[derive(SimpleObject, Clone, Debug)]
// Every subgraph with lists has this type, and composing them asks that each allows it.
#[graphql(shareable)]
pub struct PageInfo {
    /// Whether rows stand after this window; false where it has no rows.
    pub has_next_page: bool,
    /// Whether rows stand before this window; false where it has no rows.
    pub has_previous_page: bool,
    /// The cursor of the first row; null where there is none.
    pub start_cursor: Option<String>,
    /// The cursor of the last row; null where there is none.
    pub end_cursor: Option<String>,
}
