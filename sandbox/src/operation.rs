//! The nine operations of the API: their routes and their effect on a store.
//!
//! An operation runs under the store's lock and never waits, so a write takes effect completely or not at all. `call`
//! adds latency, faults, idempotency keys and HTTP.

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

/// An operation of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Lists a page of customers.
    List,
    /// Creates a customer.
    Create,
    /// Reads a customer, masked.
    Get,
    /// Replaces a customer.
    Update,
    /// Deletes a customer.
    Delete,
    /// Reads a customer, unmasked.
    Unmask,
    /// Reads a customer with its screening.
    Review,
    /// Verifies or rejects a customer in review.
    Decide,
    /// Replaces the screening of a customer.
    Refresh,
}

/// The input of an operation.
pub(crate) struct OperationInput<'a> {
    /// From the path; nil for `List` and `Create`.
    pub(crate) id: Uuid,
    /// The query string, or an empty one.
    pub(crate) query: &'a str,
    /// The complete body.
    pub(crate) body: &'a [u8],
    /// Whether the caller may read unmasked customers.
    pub(crate) may_unmask: bool,
}

/// The result of an operation.
pub(crate) struct OperationResult {
    /// The response to the caller.
    pub(crate) response: ApiResponse,
    /// The write; `None` if nothing was written.
    pub(crate) change: Option<Change>,
}

/// A write that took effect.
pub(crate) struct Change {
    /// The customer after the write; after a delete, the deleted customer.
    pub(crate) customer: Arc<Customer>,
    /// The events that the change sends.
    pub(crate) event: EventKind,
}

/// The events that a change sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// `customer.created.v1`, then `customer.event.v1`.
    Created,
    /// `customer.event.v1`.
    Changed,
    /// None. Open point 2: no event on delete is documented; sending none is the stricter reading.
    Deleted,
}

impl Operation {
    /// All nine operations.
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

    /// The HTTP method.
    pub(crate) fn method(self) -> Method {
        match self {
            Self::List | Self::Get | Self::Unmask | Self::Review => Method::GET,
            Self::Create => Method::POST,
            Self::Update | Self::Refresh => Method::PUT,
            Self::Delete => Method::DELETE,
            Self::Decide => Method::PATCH,
        }
    }

    /// The path as a route of the router.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::List | Self::Create => "/v1/customers",
            Self::Get | Self::Update | Self::Delete => "/v1/customers/{id}",
            Self::Unmask => "/v1/customers/{id}/unmasked",
            Self::Review | Self::Decide => "/v1/customers/{id}/review",
            Self::Refresh => "/v1/customers/{id}/refresh_review",
        }
    }

    /// Method and path, as counts and faults name the operation.
    pub(crate) fn route(self) -> String {
        format!("{} {}", self.method(), self.path())
    }

    /// The operation with this `route()`.
    pub(crate) fn from_route(route: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.route() == route)
    }

    /// Whether it writes, and so accepts an `Idempotency-Key`.
    pub(crate) fn is_write(self) -> bool {
        self.method() != Method::GET
    }

    /// Whether the path has a customer's id.
    pub(crate) fn names_customer(self) -> bool {
        !matches!(self, Self::List | Self::Create)
    }

    /// Whether it takes a body.
    pub(crate) fn takes_body(self) -> bool {
        matches!(self, Self::Create | Self::Update | Self::Decide)
    }

    /// Performs the operation.
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

/// The result of a read.
fn read_result(response: ApiResponse) -> OperationResult {
    OperationResult { response, change: None }
}

/// The result of a write: the customer, masked. Timestamps with seven digits and `Z` were seen on POST; for the other
/// writes they are assumed.
fn write_result(status: StatusCode, customer: Arc<Customer>, event: EventKind) -> OperationResult {
    let response = customer_response(status, &customer, Visibility::Masked, TimestampFormat::Write);
    OperationResult { response, change: Some(Change { customer, event }) }
}

/// A response with one customer, including its unknown members.
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
