//! The five writes, and the screening that a background create leaves for later.

use std::sync::Arc;

use http::StatusCode;
use uuid::Uuid;

use super::{Change, Effect, News, find, written};
use crate::answer::{Problem, Refusal};
use crate::customer::Customer;
use crate::members::{self, Members};
use crate::rules;
use crate::screening::{Screening, screen};
use crate::shape::{self, Draft};
use crate::timestamp::{self, Moment};
use crate::words::{Kind, Outcome, ProcessingMethod, Status};
use crate::world::{MOST_CUSTOMERS, World};

/// With `inline` the answer has the settled status (seen). What `background` and `skip` do is reported by nobody:
/// assumed is `pending` first and the rest later, and `pending` for good without any screening.
pub(super) fn create(world: &mut World, body: &[u8]) -> Result<Effect, Refusal> {
    let shape::Creation { draft, kind, configuration } = shape::creation(body).map_err(Refusal::Malformed)?;
    check(world, &draft, kind, None)?;
    if world.len() >= MOST_CUSTOMERS {
        return Err(Refusal::Rule(format!("The sandbox holds at most {MOST_CUSTOMERS} customers.")));
    }
    let now = timestamp::now();
    let mut customer = Customer {
        id: Uuid::now_v7(),
        name: draft.name,
        kind,
        email: draft.email,
        phone: draft.phone,
        status: Status::Pending,
        external_id: draft.external_id,
        address: draft.address,
        profile: draft.profile,
        ip_address: draft.ip_address,
        metadata: draft.metadata,
        configuration,
        created_at: now,
        updated_at: now,
        screening: None,
        more: Members::new(),
    };
    if configuration.processing_method == ProcessingMethod::Inline {
        screened(&mut customer, now);
    }
    Ok(written(StatusCode::CREATED, world.put(customer), News::Created))
}

/// Ends the screening of a customer that was created with `background`; nothing where it is gone or settled by now.
pub fn settle(world: &mut World, id: Uuid) -> Option<Change> {
    let mut customer = world.get(id).filter(|customer| customer.status == Status::Pending)?.as_ref().clone();
    customer.updated_at = timestamp::after(customer.updated_at);
    let now = customer.updated_at;
    screened(&mut customer, now);
    Some(Change { customer: world.put(customer), news: News::Changed })
}

/// A whole PUT. Open point 1, stricter reading: what is left out is cleared, as an explicit `null` is; and of
/// the statuses only the words of the contract's unused enum (verified, inactive, rejected) can be set anew.
pub(super) fn update(world: &mut World, id: Uuid, body: &[u8]) -> Result<Effect, Refusal> {
    let more = world.get(id).map(|customer| customer.more.clone()).unwrap_or_default();
    let (body, more) = members::split(body, &more);
    let shape::Replacement { draft, status } = shape::replacement(&body).map_err(Refusal::Malformed)?;
    let before = Arc::clone(find(world, id)?);
    let mut problems = rules::problems(&draft, before.kind);
    if status != before.status && matches!(status, Status::Pending | Status::Review) {
        let sentence = "Can be set to verified, inactive or rejected only, or stay as it is.";
        problems.push(Problem::at("status", sentence));
    }
    refuse(problems)?;
    unique(world, &draft.email, Some(id))?;
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
        more,
        updated_at: timestamp::after(before.updated_at),
        ..before.as_ref().clone()
    };
    // The vendor's guide: more than two fields changed, metadata not counted, brings a new score. It counts
    // over 24 hours; here over one PUT. The status that the caller just set is left alone.
    if before.screening.is_some() && fields_changed(&before, &after) > 2 {
        let now = after.updated_at;
        after.screening = Some(Arc::new(findings(&after, now)));
    }
    Ok(written(StatusCode::OK, world.put(after), News::Changed))
}

/// Open point 2: the answer shows the customer as it was; afterwards it is not found, a second delete included.
pub(super) fn delete(world: &mut World, id: Uuid) -> Result<Effect, Refusal> {
    let customer = world.remove(id).ok_or(Refusal::NotFound)?;
    Ok(written(StatusCode::OK, customer, News::Deleted))
}

/// Seen: only a customer in review can be decided, and the refusal names the status. The screening's own
/// decision stays what it was.
pub(super) fn decide(world: &mut World, id: Uuid, body: &[u8]) -> Result<Effect, Refusal> {
    let status = shape::decision(body).map_err(Refusal::Malformed)?;
    let before = find(world, id)?;
    if before.status != Status::Review {
        let word = before.status.word();
        return Err(Refusal::Rule(format!("Customer status is {word}. Only customers in review can be decided.")));
    }
    let after = Customer { status, updated_at: timestamp::after(before.updated_at), ..before.as_ref().clone() };
    Ok(written(StatusCode::OK, world.put(after), News::Changed))
}

/// Open point 3: 200, and the status stays; not while a screening is still to come. The customer's own
/// `updated_at` moves, since events are ordered by it and a refreshed review is an event.
pub(super) fn refresh(world: &mut World, id: Uuid) -> Result<Effect, Refusal> {
    let before = find(world, id)?;
    if before.status == Status::Pending {
        return Err(Refusal::Rule("Customer status is pending. Its first screening has not ended.".into()));
    }
    let mut after = Customer { updated_at: timestamp::after(before.updated_at), ..before.as_ref().clone() };
    let now = after.updated_at;
    after.screening = Some(Arc::new(findings(&after, now)));
    Ok(written(StatusCode::OK, world.put(after), News::Changed))
}

/// Fields first, all of them; then the rule of unique e-mails, which is said in one sentence.
fn check(world: &World, draft: &Draft, kind: Kind, own: Option<Uuid>) -> Result<(), Refusal> {
    refuse(rules::problems(draft, kind))?;
    unique(world, &draft.email, own)
}

fn refuse(problems: Vec<Problem>) -> Result<(), Refusal> {
    if problems.is_empty() { Ok(()) } else { Err(Refusal::Fields(problems)) }
}

/// Seen: the sentence names the address, so that it holds personal data.
fn unique(world: &World, email: &str, own: Option<Uuid>) -> Result<(), Refusal> {
    match world.owner_of(email) {
        Some(owner) if own != Some(owner) => {
            Err(Refusal::Rule(format!("A customer with the email {email} already exists. Emails must be unique.")))
        }
        _ => Ok(()),
    }
}

fn outcome(customer: &Customer) -> Outcome {
    customer.configuration.sandbox_outcome.unwrap_or(Outcome::Standard)
}

fn findings(customer: &Customer, now: Moment) -> Screening {
    screen(customer.id, customer.kind, outcome(customer), Uuid::now_v7(), now)
}

/// Seen: the word asked for becomes the status; `standard` gives `review` for an invented person.
fn screened(customer: &mut Customer, now: Moment) {
    customer.status = match outcome(customer) {
        Outcome::Verified => Status::Verified,
        Outcome::Rejected => Status::Rejected,
        Outcome::Review | Outcome::Standard => Status::Review,
    };
    customer.screening = Some(Arc::new(findings(customer, now)));
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
