//! The four reads.

use http::StatusCode;
use serde::Serialize;
use uuid::Uuid;

use super::{OperationInput, OperationResult, customer_response, find, read_result};
use crate::listing::{MAX_PAGE_SIZE, Query};
use crate::response::{ApiError, ApiResponse, PagedMeta};
use crate::screening::Screening;
use crate::store::CustomerStore;
use crate::timestamp::TimestampFormat;
use crate::view::{self, FullCustomer, Visibility};

#[derive(Serialize)]
struct ReviewData<'a> {
    customer_details: FullCustomer<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity_details: Option<&'a Screening>,
}

pub(super) fn list(store: &CustomerStore, query: &str) -> Result<OperationResult, ApiError> {
    let query = Query::parse(query).map_err(ApiError::Fields)?;
    let page = query.page(store);
    let rows: Vec<_> = page.customers.iter().map(|customer| view::summary(customer)).collect();
    Ok(read_result(ApiResponse::from_page(&rows, PagedMeta::new(&query, page.total_items, MAX_PAGE_SIZE))))
}

pub(super) fn get(store: &CustomerStore, id: Uuid) -> Result<OperationResult, ApiError> {
    let customer = find(store, id)?;
    Ok(read_result(customer_response(StatusCode::OK, customer, Visibility::Masked, TimestampFormat::Read)))
}

/// Open point 4 of `docs/upstream.md`: the status without the permission is not documented; 403 is assumed. The check
/// comes before the look-up, so a caller without the permission learns nothing about ids.
pub(super) fn unmask(store: &CustomerStore, input: &OperationInput<'_>) -> Result<OperationResult, ApiError> {
    if !input.may_unmask {
        return Err(ApiError::Forbidden);
    }
    let customer = find(store, input.id)?;
    Ok(read_result(customer_response(StatusCode::OK, customer, Visibility::Unmasked, TimestampFormat::Read)))
}

/// Seen: a review can be read in every status.
pub(super) fn review(store: &CustomerStore, id: Uuid) -> Result<OperationResult, ApiError> {
    let customer = find(store, id)?;
    let data = ReviewData {
        customer_details: view::full_customer(customer, Visibility::Masked, TimestampFormat::Read),
        identity_details: customer.screening.as_deref(),
    };
    Ok(read_result(ApiResponse::from_object(StatusCode::OK, &data)))
}
