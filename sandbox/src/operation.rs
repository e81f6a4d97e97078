//! The nine operations of the API: their routes, and what each does to a store.
//!
//! Everything here is done under the store's lock and without waiting, so a write takes effect full or not
//! at all. Time, faults, keys and HTTP stand around it, in `exchange`.

mod read;
mod write;

use std::sync::Arc;

use http::{Method, StatusCode};
use uuid::Uuid;

use super::customer::Customer;
use super::response::{ApiError, ApiResponse};
use super::store::CustomerStore;
use super::timestamp::TimestampFormat;
use super::unknown_members;
use super::view::{self, Visibility};

pub(crate) use write::settle;

/// One of the nine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// A page of customers.
    List,
    /// A new customer.
    Create,
    /// One customer, masked.
    Get,
    /// All fields of one customer anew.
    Update,
    /// One customer gone.
    Delete,
    /// One customer in clear.
    Unmask,
    /// One customer with its screening.
    Review,
    /// A person's decision.
    Decide,
    /// A new screening.
    Refresh,
}

/// What a call brings along.
pub(crate) struct OperationInput<'a> {
    /// From the path; nil for the two without.
    pub(crate) id: Uuid,
    /// The query string, or an empty one.
    pub(crate) query: &'a str,
    /// The full body.
    pub(crate) body: &'a [u8],
    /// Whether this caller may see clear values.
    pub(crate) may_unmask: bool,
}

/// What a call came to.
pub(crate) struct OperationResult {
    /// What the caller is told.
    pub(crate) response: ApiResponse,
    /// The customer that was written, and how; `None` where nothing took effect.
    pub(crate) change: Option<Change>,
}

/// A write that took effect.
pub(crate) struct Change {
    /// The customer after it, or as it was before a delete.
    pub(crate) customer: Arc<Customer>,
    /// Which kind of news it is.
    pub(crate) event: EventKind,
}

/// What the store is told about a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// `customer.created.v1`, then `customer.event.v1`.
    Created,
    /// `customer.event.v1`.
    Changed,
    /// Nothing: open point 2, no event on delete is documented, and one that did not come is the stricter reading.
    Deleted,
}

impl Operation {
    /// All nine.
    pub(crate) const ALL: [Self; 9] = [
        Self::List,
        Self::Create,
        Self::Get,
        Self::Update,
        Self::Delete,
        Self::Unmask,
        Self::Review,
        Self::Decide,
        Self::Refresh,
    ];

    /// The method.
    pub(crate) fn method(self) -> Method {
        match self {
            Self::List | Self::Get | Self::Unmask | Self::Review => Method::GET,
            Self::Create => Method::POST,
            Self::Update | Self::Refresh => Method::PUT,
            Self::Delete => Method::DELETE,
            Self::Decide => Method::PATCH,
        }
    }

    /// The path as the router knows it.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::List | Self::Create => "/v1/customers",
            Self::Get | Self::Update | Self::Delete => "/v1/customers/{id}",
            Self::Unmask => "/v1/customers/{id}/unmasked",
            Self::Review | Self::Decide => "/v1/customers/{id}/review",
            Self::Refresh => "/v1/customers/{id}/refresh_review",
        }
    }

    /// Method and path, as counts and faults name it.
    pub(crate) fn route(self) -> String {
        format!("{} {}", self.method(), self.path())
    }

    /// The operation of such a name.
    pub(crate) fn from_route(route: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.route() == route)
    }

    /// Whether it changes anything, and so may bear an `Idempotency-Key`.
    pub(crate) fn is_write(self) -> bool {
        self.method() != Method::GET
    }

    /// Whether the path names a customer.
    pub(crate) fn names_customer(self) -> bool {
        !matches!(self, Self::List | Self::Create)
    }

    /// Whether it takes a body.
    pub(crate) fn takes_body(self) -> bool {
        matches!(self, Self::Create | Self::Update | Self::Decide)
    }

    /// Does it.
    pub(crate) fn perform(self, store: &mut CustomerStore, input: &OperationInput<'_>) -> OperationResult {
        let outcome = match self {
            Self::List => read::list(store, input.query),
            Self::Get => read::get(store, input.id),
            Self::Unmask => read::unmask(store, input),
            Self::Review => read::review(store, input.id),
            Self::Create => write::create(store, input.body),
            Self::Update => write::update(store, input.id, input.body),
            Self::Delete => write::delete(store, input.id),
            Self::Decide => write::decide(store, input.id, input.body),
            Self::Refresh => write::refresh(store, input.id),
        };
        outcome.unwrap_or_else(|error| OperationResult { response: error.into(), change: None })
    }
}

/// What a read comes to.
fn read_result(response: ApiResponse) -> OperationResult {
    OperationResult { response, change: None }
}

/// What a write comes to: the customer, masked. Seven digits and `Z` were seen on POST only; for the other
/// writes they are assumed.
fn write_result(status: StatusCode, customer: Arc<Customer>, event: EventKind) -> OperationResult {
    let response = customer_response(status, &customer, Visibility::Masked, TimestampFormat::Write);
    OperationResult { response, change: Some(Change { customer, event }) }
}

/// One customer, with the members that the contract does not have.
fn customer_response(
    status: StatusCode,
    customer: &Customer,
    visibility: Visibility,
    format: TimestampFormat,
) -> ApiResponse {
    let full = view::full_customer(customer, visibility, format);
    if customer.unknown_members.is_empty() {
        return ApiResponse::from_object(status, &full);
    }
    let mut record = serde_json::to_value(&full).unwrap_or_default();
    unknown_members::add(&mut record, &customer.unknown_members);
    ApiResponse::from_object(status, &record)
}

fn find(store: &CustomerStore, id: Uuid) -> Result<&Arc<Customer>, ApiError> {
    store.get(id).ok_or(ApiError::NotFound)
}
