//! Relay connections over the upstream's numbered pages.

use async_graphql::{Context, Lookahead, Object, SimpleObject};

use super::cursor;
use super::customer::CustomerObject;
use super::error::ResolverResult;
use super::permissions::selects_review;
use crate::customers::Listing;
use crate::customers::read::window::{Direction, Window, WindowSpec};
use crate::error::{ErrorCode, PublicError};

/// The number of rows if the caller gives none.
pub const DEFAULT_COUNT: u32 = 25;
/// The maximum number of rows, here and in `customerPage`.
pub const MAX_ROWS: u32 = 100;

/// The maximum length of a list. An upstream counts rows in 32 bits, and no account has this many.
pub const MAX_LIST_ROWS: u32 = 100_000_000;

/// The arguments that select a window of a list.
#[derive(Clone, Debug)]
pub struct WindowArguments {
    pub first: Option<i32>,
    pub after: Option<String>,
    pub last: Option<i32>,
    pub before: Option<String>,
}

impl WindowArguments {
    /// The window that they describe, in the list with this fingerprint.
    pub fn window_spec(&self, fingerprint: u32) -> ResolverResult<WindowSpec> {
        let (count, end) = match (self.first, self.last) {
            (Some(_), Some(_)) => return Err(bad_user_input("Give `first` or `last`, not both.")),
            (None, None) => (DEFAULT_COUNT, Direction::Forward),
            (Some(first), None) => (row_count("first", first)?, Direction::Forward),
            (None, Some(last)) => (row_count("last", last)?, Direction::Backward),
        };
        let position = |name: &str, text: &Option<String>| {
            let Some(text) = text else { return Ok(None) };
            let position = cursor::decode(text, fingerprint).filter(|position| *position < MAX_LIST_ROWS);
            let message = || {
                bad_user_input(format!(
                    "`{name}` is not a cursor of this list. Use a cursor of a list with the same filter and sort."
                ))
            };
            position.map(Some).ok_or_else(message)
        };
        Ok(WindowSpec {
            count,
            direction: end,
            after: position("after", &self.after)?,
            before: position("before", &self.before)?,
        })
    }
}

fn row_count(name: &str, given: i32) -> ResolverResult<u32> {
    let count = u32::try_from(given).ok().filter(|count| (1..=MAX_ROWS).contains(count));
    count.ok_or_else(|| bad_user_input(format!("`{name}` must be 1 to {MAX_ROWS}.")))
}

/// A `BAD_USER_INPUT` error.
pub fn bad_user_input(message: impl Into<std::borrow::Cow<'static, str>>) -> PublicError {
    PublicError::new(ErrorCode::BadUserInput, message)
}

/// What a selection needs of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConnectionSelection {
    /// Rows, or their positions.
    Rows { with_review: bool },
    /// The total, and no row.
    TotalOnly,
    /// Nothing that needs a call.
    Nothing,
}

impl ConnectionSelection {
    /// Determines it from the selection on a connection.
    pub fn from_selection(ctx: &Context<'_>, selection: &Lookahead<'_>) -> Self {
        let (edges, nodes) = (selection.field("edges"), selection.field("nodes"));
        if edges.exists() || nodes.exists() || selection.field("pageInfo").exists() {
            let in_edges = selects_review(ctx, &edges.field("node"));
            Self::Rows { with_review: in_edges || selects_review(ctx, &nodes) }
        } else if selection.field("totalCount").exists() {
            Self::TotalOnly
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

    /// The cursor of a row, by its index in this window.
    fn cursor(&self, place: usize) -> String {
        let place = u32::try_from(place).unwrap_or(u32::MAX);
        cursor::encode(self.fingerprint, self.window.start.saturating_add(place))
    }
}

/// A window of a list of customers, by Relay's rules. Cursors are positions: if customers are created or deleted
/// between two requests, rows can move.
#[Object]
impl CustomerConnection {
    /// The rows with their cursors.
    async fn edges(&self) -> Vec<CustomerEdge> {
        let rows = self.window.rows.iter().enumerate();
        rows.map(|(place, row)| CustomerEdge {
            cursor: self.cursor(place),
            node: CustomerObject::from_summary(row.clone(), self.with_review),
        })
        .collect()
    }

    /// The rows without their cursors.
    async fn nodes(&self) -> Vec<CustomerObject> {
        self.window.rows.iter().map(|row| CustomerObject::from_summary(row.clone(), self.with_review)).collect()
    }

    /// The position of this window in the list.
    async fn page_info(&self) -> PageInfo {
        let last = self.window.rows.len().checked_sub(1);
        PageInfo {
            has_next_page: self.window.has_next(),
            has_previous_page: self.window.has_previous(),
            start_cursor: last.map(|_| self.cursor(0)),
            end_cursor: last.map(|last| self.cursor(last)),
        }
    }

    /// How many customers match, over all pages. If only this field is selected, it costs one small call.
    async fn total_count(&self) -> i32 {
        i32::try_from(self.window.total).unwrap_or(i32::MAX)
    }
}

/// A customer in a list, with its cursor.
#[derive(SimpleObject, Clone, Debug)]
pub struct CustomerEdge {
    /// Opaque. Send it as `after` or `before` to the same list, with the same filter and sort.
    pub cursor: String,
    /// The customer.
    pub node: CustomerObject,
}

/// The position of a window in its list.
#[derive(SimpleObject, Clone, Debug)]
// Every subgraph with lists has this type, and composition requires that each of them allows it.
#[graphql(shareable)]
pub struct PageInfo {
    /// Whether rows follow this window. false if it has no rows.
    pub has_next_page: bool,
    /// Whether rows precede this window. false if it has no rows.
    pub has_previous_page: bool,
    /// The cursor of the first row. null if there are no rows.
    pub start_cursor: Option<String>,
    /// The cursor of the last row. null if there are no rows.
    pub end_cursor: Option<String>,
}
