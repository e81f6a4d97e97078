//! The five writes, and the delayed screening of a background create.

use std::sync::Arc;

use http::StatusCode;
use uuid::Uuid;

use super::{Change, EventKind, OperationResult, find, write_result};
use crate::customer::Customer;
use crate::enums::{CustomerStatus, CustomerType, Outcome, ProcessingMethod};
use crate::parse_body::{self, Draft};
use crate::response::{ApiError, FieldProblem};
use crate::screening::{Screening, screen};
use crate::store::{CustomerStore, MAX_CUSTOMERS};
use crate::timestamp::{self, Timestamp};
use crate::unknown_members::{self, UnknownMembers};
use crate::validation;

/// With `inline` the response has the final status (seen). The effects of `background` and `skip` are not documented.
/// Assumed: `background` is `pending` first and screened later; `skip` stays `pending` without a screening.
pub(super) fn create(store: &mut CustomerStore, body: &[u8]) -> Result<OperationResult, ApiError> {
    let parse_body::Creation { draft, kind, configuration } =
        parse_body::creation(body).map_err(ApiError::Malformed)?;
    check(store, &draft, kind, None)?;
    if store.len() >= MAX_CUSTOMERS {
        return Err(ApiError::Rule(format!("The sandbox holds at most {MAX_CUSTOMERS} customers.")));
    }
    let now = timestamp::now();
    let mut customer = Customer {
        id: Uuid::now_v7(),
        name: draft.name,
        kind,
        email: draft.email,
        phone: draft.phone,
        status: CustomerStatus::Pending,
        external_id: draft.external_id,
        address: draft.address,
        profile: draft.profile,
        ip_address: draft.ip_address,
        metadata: draft.metadata,
        configuration,
        created_at: now,
        updated_at: now,
        screening: None,
        unknown_members: UnknownMembers::new(),
    };
    if configuration.processing_method == ProcessingMethod::Inline {
        apply_screening(&mut customer, now);
    }
    Ok(write_result(StatusCode::CREATED, store.upsert(customer), EventKind::Created))
}

/// Screens a customer that was created with `background`; `None` if it is deleted or no longer pending.
pub(crate) fn settle(store: &mut CustomerStore, id: Uuid) -> Option<Change> {
    let mut customer = store.get(id).filter(|customer| customer.status == CustomerStatus::Pending)?.as_ref().clone();
    customer.updated_at = timestamp::after(customer.updated_at);
    let now = customer.updated_at;
    apply_screening(&mut customer, now);
    Some(Change { customer: store.upsert(customer), event: EventKind::Changed })
}

/// Replaces a customer. Open point 1, stricter reading: omitted members are cleared, like explicit `null`. A new status
/// must be in the contract's unused enum (verified, inactive, rejected).
pub(super) fn update(store: &mut CustomerStore, id: Uuid, body: &[u8]) -> Result<OperationResult, ApiError> {
    let existing = store.get(id).map(|customer| customer.unknown_members.clone()).unwrap_or_default();
    let (body, sent) = unknown_members::split(body, &existing);
    let parse_body::Replacement { draft, status } = parse_body::replacement(&body).map_err(ApiError::Malformed)?;
    let before = Arc::clone(find(store, id)?);
    let mut problems = validation::validate(&draft, before.kind);
    if status != before.status && matches!(status, CustomerStatus::Pending | CustomerStatus::Review) {
        let sentence = "Can be set to verified, inactive or rejected only, or stay as it is.";
        problems.push(FieldProblem::at("status", sentence));
    }
    reject(problems)?;
    check_email_unique(store, &draft.email, Some(id))?;
    let mut after = Customer {
        name: draft.name,
        email: draft.email,
        phone: draft.phone,
        status,
        external_id: draft.external_id,
        address: draft.address,
        profile: draft.profile,
        ip_address: draft.ip_address,
        metadata: draft.metadata,
        unknown_members: sent,
        updated_at: timestamp::after(before.updated_at),
        ..before.as_ref().clone()
    };
    // The vendor's guide: a change of more than two fields, without metadata, causes a new screening. The guide counts
    // over 24 hours, the sandbox over one PUT. The new screening does not change the status.
    if before.screening.is_some() && fields_changed(&before, &after) > 2 {
        let now = after.updated_at;
        after.screening = Some(Arc::new(new_screening(&after, now)));
    }
    Ok(write_result(StatusCode::OK, store.upsert(after), EventKind::Changed))
}

/// Open point 2: the response has the deleted customer. Later calls, including a second delete, get 404.
pub(super) fn delete(store: &mut CustomerStore, id: Uuid) -> Result<OperationResult, ApiError> {
    let customer = store.remove(id).ok_or(ApiError::NotFound)?;
    Ok(write_result(StatusCode::OK, customer, EventKind::Deleted))
}

/// Seen: only a customer in review can be decided, and the error names the status. The screening's decision does not
/// change.
pub(super) fn decide(store: &mut CustomerStore, id: Uuid, body: &[u8]) -> Result<OperationResult, ApiError> {
    let status = parse_body::decision(body).map_err(ApiError::Malformed)?;
    let before = find(store, id)?;
    if before.status != CustomerStatus::Review {
        let word = before.status.as_str();
        return Err(ApiError::Rule(format!("Customer status is {word}. Only customers in review can be decided.")));
    }
    let after = Customer { status, updated_at: timestamp::after(before.updated_at), ..before.as_ref().clone() };
    Ok(write_result(StatusCode::OK, store.upsert(after), EventKind::Changed))
}

/// Open point 3: 200, and the status stays. A pending customer is rejected, because its first screening has not ended.
/// `updated_at` of the customer advances, since a refresh is an event and consumers order events by it.
pub(super) fn refresh(store: &mut CustomerStore, id: Uuid) -> Result<OperationResult, ApiError> {
    let before = find(store, id)?;
    if before.status == CustomerStatus::Pending {
        return Err(ApiError::Rule("Customer status is pending. Its first screening has not ended.".into()));
    }
    let mut after = Customer { updated_at: timestamp::after(before.updated_at), ..before.as_ref().clone() };
    let now = after.updated_at;
    after.screening = Some(Arc::new(new_screening(&after, now)));
    Ok(write_result(StatusCode::OK, store.upsert(after), EventKind::Changed))
}

/// Reports all invalid fields first; the uniqueness of the e-mail is checked only for valid fields.
fn check(store: &CustomerStore, draft: &Draft, kind: CustomerType, own: Option<Uuid>) -> Result<(), ApiError> {
    reject(validation::validate(draft, kind))?;
    check_email_unique(store, &draft.email, own)
}

fn reject(problems: Vec<FieldProblem>) -> Result<(), ApiError> {
    if problems.is_empty() { Ok(()) } else { Err(ApiError::Fields(problems)) }
}

/// Seen: the error contains the e-mail address, which is personal data.
fn check_email_unique(store: &CustomerStore, email: &str, own: Option<Uuid>) -> Result<(), ApiError> {
    match store.id_by_email(email) {
        Some(owner) if own != Some(owner) => {
            Err(ApiError::Rule(format!("A customer with the email {email} already exists. Emails must be unique.")))
        }
        _ => Ok(()),
    }
}

fn requested_outcome(customer: &Customer) -> Outcome {
    customer.configuration.sandbox_outcome.unwrap_or(Outcome::Standard)
}

fn new_screening(customer: &Customer, now: Timestamp) -> Screening {
    screen(customer.id, customer.kind, requested_outcome(customer), Uuid::now_v7(), now)
}

/// Seen: the requested outcome becomes the status; `standard` gives `review` for a made-up person.
fn apply_screening(customer: &mut Customer, now: Timestamp) {
    customer.status = match requested_outcome(customer) {
        Outcome::Verified => CustomerStatus::Verified,
        Outcome::Rejected => CustomerStatus::Rejected,
        Outcome::Review | Outcome::Standard => CustomerStatus::Review,
    };
    customer.screening = Some(Arc::new(new_screening(customer, now)));
}

fn fields_changed(before: &Customer, after: &Customer) -> usize {
    [
        before.name != after.name,
        before.email != after.email,
        before.phone != after.phone,
        before.ip_address != after.ip_address,
        before.address != after.address,
        before.profile != after.profile,
        before.external_id != after.external_id,
        before.status != after.status,
    ]
    .into_iter()
    .filter(|changed| *changed)
    .count()
}
