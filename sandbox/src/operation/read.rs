//! The four reads.

use http::StatusCode;
use serde::Serialize;
use uuid::Uuid;

use super::{Call, Effect, find, shown, told};
use crate::answer::{Answer, PagedMeta, Refusal};
use crate::listing::{MAX_PAGE_SIZE, Query};
use crate::screening::Screening;
use crate::timestamp::Spelling;
use crate::view::{self, Sight, Whole};
use crate::world::World;

#[derive(Serialize)]
struct ReviewData<'a> {
    customer_details: Whole<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity_details: Option<&'a Screening>,
}

pub(super) fn list(world: &World, query: &str) -> Result<Effect, Refusal> {
    let query = Query::parse(query).map_err(Refusal::Fields)?;
    let page = query.page(world);
    let rows: Vec<_> = page.customers.iter().map(|customer| view::summary(customer)).collect();
    Ok(told(Answer::array(&rows, PagedMeta::new(&query, page.total_items, MAX_PAGE_SIZE))))
}

pub(super) fn get(world: &World, id: Uuid) -> Result<Effect, Refusal> {
    let customer = find(world, id)?;
    Ok(told(shown(StatusCode::OK, customer, Sight::Masked, Spelling::Read)))
}

/// Open point 4 of `docs/upstream.md`: the status without the permission is not documented; 403 is assumed. It comes
/// before the look-up, so that a caller without the permission learns nothing about ids.
pub(super) fn unmask(world: &World, call: &Call<'_>) -> Result<Effect, Refusal> {
    if !call.may_unmask {
        return Err(Refusal::Forbidden);
    }
    let customer = find(world, call.id)?;
    Ok(told(shown(StatusCode::OK, customer, Sight::Clear, Spelling::Read)))
}

/// Seen: it works for every status.
pub(super) fn review(world: &World, id: Uuid) -> Result<Effect, Refusal> {
    let customer = find(world, id)?;
    let data = ReviewData {
        customer_details: view::whole(customer, Sight::Masked, Spelling::Read),
        identity_details: customer.screening.as_deref(),
    };
    Ok(told(Answer::object(StatusCode::OK, &data)))
}
