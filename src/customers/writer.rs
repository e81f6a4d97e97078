//! Writing: check → wait for one's turn → send → forget what was kept → record.
//!
//! A write runs in a task of its own: once sent it is carried through and recorded, also where the caller hangs up or its
//! deadline passes; what was not sent by then never is. It is carried out once: what is sent again has the same bytes and
//! the same idempotency key, the caller's or one made for it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;

use secrecy::ExposeSecret;
use serde::Serialize;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;
use uuid::Uuid;

use super::act::Told;
use super::idempotency::{Key, Sent};
use super::merge::Known;
use super::refusal::{Write, key_reused, mend, superseded};
use super::validation;
use super::{Act, Error, Session, SessionContext};
use crate::model::input::{
    CreateCustomerInput, DecideCustomerReviewInput, DeleteCustomerInput, RefreshCustomerReviewInput,
    UnmaskCustomerInput,
};
use crate::model::lenient::UnreadableField;
use crate::model::{Customer, CustomerId, Date, UnmaskedCustomer, UserError};
use crate::privacy::Personal;
use crate::upstream::{self, Caller, Kind, NewCustomer, Patience, Record, UnknownMembers};

/// The shortest text that can be a real credential.
const SHORTEST_SECRET: usize = 16;

/// What a write gives: its result, or what the caller has to mend.
pub type Written<T> = Result<T, Vec<UserError>>;

impl Session {
    /// Creates a customer.
    ///
    /// # Errors
    /// Where there is no usable answer; what the caller can mend is in [`Written`].
    pub async fn create(&self, input: CreateCustomerInput) -> Result<Written<Arc<Customer>>, Error> {
        let act = Act::from(&input);
        let complaints = validation::of_new(&input, today());
        if !complaints.is_empty() {
            return self.refused(&act, complaints).await;
        }
        let key = self.key(input.idempotency_key.as_ref());
        let sent = Sent::from(&input);
        let body = NewCustomer::from(input);
        self.write(act, key.clone(), move |context, caller| async move {
            let created = context.services.upstream.create(&caller, &body, &key.text).await;
            let created = created.map_err(|error| Unwritten::of(error, values_of(&body)))?;
            answer_to(&key, &sent, created)
        })
        .await
    }

    /// Erases a customer.
    ///
    /// # Errors
    /// Where there is no usable answer; what the caller can mend is in [`Written`].
    pub async fn delete(&self, input: DeleteCustomerInput) -> Result<Written<CustomerId>, Error> {
        let act = Act::from(&input);
        let required = self.context.services.required_reasons.delete;
        let complaints = validation::of_reason(input.reason.as_ref(), required);
        let (id, key) = match self.target(&act, input.idempotency_key.as_ref(), complaints) {
            Ok(target) => target,
            Err(complaints) => return self.refused(&act, complaints).await,
        };
        let written = self.write(act, key.clone(), move |context, caller| async move {
            let sent = context.services.upstream.delete(&caller, id, &key.text).await;
            sent.map(|as_it_was| as_it_was.map(Arc::new)).map_err(Unwritten::from)
        });
        written.await.map(|written| written.map(|_as_it_was| id))
    }

    /// Settles a customer that waits in review.
    ///
    /// # Errors
    /// Where there is no usable answer; what the caller can mend is in [`Written`].
    pub async fn decide(&self, input: DecideCustomerReviewInput) -> Result<Written<Arc<Customer>>, Error> {
        let act = Act::from(&input);
        let required = self.context.services.required_reasons.decide;
        let complaints = validation::of_reason(input.reason.as_ref(), required);
        let (id, key) = match self.target(&act, input.idempotency_key.as_ref(), complaints) {
            Ok(target) => target,
            Err(complaints) => return self.refused(&act, complaints).await,
        };
        self.write(act, key.clone(), move |context, caller| async move {
            let sent = context.services.upstream.decide(&caller, id, input.decision, &key.text).await;
            sent.map(Arc::new).map_err(Unwritten::from)
        })
        .await
    }

    /// Runs a customer's screening again.
    ///
    /// # Errors
    /// Where there is no usable answer; what the caller can mend is in [`Written`].
    pub async fn refresh(&self, input: RefreshCustomerReviewInput) -> Result<Written<Arc<Customer>>, Error> {
        let act = Act::from(&input);
        let (id, key) = match self.target(&act, input.idempotency_key.as_ref(), Vec::new()) {
            Ok(target) => target,
            Err(complaints) => return self.refused(&act, complaints).await,
        };
        self.write(act, key.clone(), move |context, caller| async move {
            let sent = context.services.upstream.refresh(&caller, id, &key.text).await;
            sent.map(Arc::new).map_err(Unwritten::from)
        })
        .await
    }

    /// Shows a customer in clear, once that is recorded. It changes nothing and is kept nowhere. `fields` are the names
    /// of those that are asked for.
    ///
    /// # Errors
    /// Where there is no usable answer, or no record of it; what the caller can mend is in [`Written`].
    pub async fn unmask(
        &self,
        input: UnmaskCustomerInput,
        fields: Vec<String>,
    ) -> Result<Written<UnmaskedCustomer>, Error> {
        let act = Act::from(&input).asking(fields);
        let required = self.context.services.required_reasons.unmask;
        let complaints = validation::of_reason(input.reason.as_ref(), required);
        let id = match act.customer {
            Some(id) if complaints.is_empty() => id,
            Some(_) => return self.refused(&act, complaints).await,
            None => {
                let complaints = std::iter::once(Write::Unmask.not_found()).chain(complaints).collect();
                return self.refused(&act, complaints).await;
            }
        };
        let read = self.context.services.upstream.unmasked(&self.context.caller, id);
        let (outcome, upstream_id) = match timeout_at(self.context.deadline, read).await {
            Err(_elapsed) => (Err(Error::Deadline), None),
            Ok(Ok(customer)) => (Ok(Ok(customer)), None),
            Ok(Err(error)) => {
                let upstream_id = error.api_request_id;
                let known: Vec<String> = self.context.secrets().collect();
                (mend(error, Write::Unmask, &known, false).map(Err), upstream_id)
            }
        };
        self.context.record_unmask(&act, &outcome, upstream_id).await?;
        outcome
    }

    /// The idempotency key of a write: the caller's, kept apart from those of others, or a new one.
    pub(super) fn key(&self, given: Option<&Personal<String>>) -> Key {
        Key::of(given, self.context.key_space.as_ref())
    }

    /// Whom a write is about and with which key; or all that is wrong with it, with these `complaints`.
    fn target(
        &self,
        act: &Act,
        given_key: Option<&Personal<String>>,
        complaints: Vec<UserError>,
    ) -> Result<(CustomerId, Key), Vec<UserError>> {
        let complaints = [complaints, validation::of_key(given_key)].concat();
        match act.customer {
            Some(id) if complaints.is_empty() => Ok((id, self.key(given_key))),
            Some(_) => Err(complaints),
            None => Err(std::iter::once(act.write.not_found()).chain(complaints).collect()),
        }
    }

    /// Refuses what the caller has to mend first; nothing was sent.
    pub(super) async fn refused<T>(&self, act: &Act, complaints: Vec<UserError>) -> Result<Written<T>, Error> {
        self.context.record_refused(act, &complaints).await;
        Ok(Err(complaints))
    }

    /// Carries a write out in its own task, in its turn, forgets what was kept of what it touched, and records it.
    pub(super) async fn write<T, W>(
        &self,
        act: Act,
        key: Key,
        work: impl FnOnce(Arc<SessionContext>, Caller) -> W + Send + 'static,
    ) -> Result<Written<T>, Error>
    where
        T: Told + Send + Sync + 'static,
        W: Future<Output = Result<T, Unwritten>> + Send,
    {
        let context = Arc::clone(&self.context);
        // Also where the caller has left: who comes and goes must not make more writes wait than operations may run.
        let place = Arc::clone(&self.place);
        let patience = Patience::until(context.deadline);
        let caller = context.caller.with(patience.clone());
        let customer = act.customer;
        let task = async move {
            let _place = place;
            let patience = caller.patience.clone();
            let carried_out = AssertUnwindSafe(carry_out(&context, act.customer, caller, work)).catch_unwind();
            let carried_out = context.services.cut.run_until_cancelled(carried_out).await;
            let (mut upstream_id, mut is_unknown) = (None, false);
            let outcome = match carried_out {
                Some(Ok(outcome)) => {
                    upstream_id = self::upstream_id(outcome.as_ref().err());
                    is_unknown = matches!(&outcome, Err(unwritten) if unwritten.may_have_been_written());
                    context.told(outcome, act.write, &key)
                }
                None if patience.give_up() => Err(Error::Deadline),
                // What panics or is cut may have been sent, so it is recorded as well.
                None | Some(Err(_)) => {
                    context.unsettle(act.customer);
                    Err(Error::LostInWrite)
                }
            };
            context.record_write(&act, &outcome, upstream_id, is_unknown).await;
            outcome
        };
        let task = self.context.services.writes.spawn(task.instrument(self.context.span.clone()));
        match timeout_at(self.context.deadline, task).await {
            Err(_elapsed) if patience.give_up() => Err(Error::Deadline),
            unanswered @ (Err(_) | Ok(Err(_))) => {
                // Who is told that it may have been made looks whether it was, and must not find what was kept before.
                self.context.unsettle(customer);
                self.loaders.forget();
                Err(if unanswered.is_err() { Error::DeadlineInWrite } else { Error::LostInWrite })
            }
            Ok(Ok(outcome)) => {
                self.loaders.forget();
                outcome
            }
        }
    }
}

/// Does the work of a write in its turn, and forgets what was kept of what it touched.
async fn carry_out<T, W>(
    context: &Arc<SessionContext>,
    id: Option<CustomerId>,
    caller: Caller,
    work: impl FnOnce(Arc<SessionContext>, Caller) -> W,
) -> Result<T, Unwritten>
where
    W: Future<Output = Result<T, Unwritten>>,
{
    let _turn = match id {
        Some(id) => {
            let turn = timeout_at(context.deadline, context.services.turns.wait_for(context.scope, id)).await;
            Some(turn.map_err(|_elapsed| Unwritten::TooLate)?)
        }
        None => None,
    };
    context.still_in_time()?;
    let outcome = work(Arc::clone(context), caller).await;
    match &outcome {
        // It may have been carried out, or may be any moment.
        Err(Unwritten::Refused(error, _)) if error.outcome_is_unknown() => context.unsettle(id),
        Err(Unwritten::Refused(error, _)) if error.kind.is_unsent() => {}
        Err(Unwritten::Unfit(_) | Unwritten::Forbidden | Unwritten::Unread(_) | Unwritten::TooLate) => {}
        Ok(_) | Err(Unwritten::Refused(..) | Unwritten::AnotherAnswer) => context.forget(id),
    }
    outcome
}

/// The upstream's id of the call that failed, where it gave one.
fn upstream_id(unwritten: Option<&Unwritten>) -> Option<Uuid> {
    match unwritten? {
        Unwritten::Unread(error) | Unwritten::Refused(error, _) => error.api_request_id,
        Unwritten::Unfit(_) | Unwritten::Forbidden | Unwritten::TooLate | Unwritten::AnotherAnswer => None,
    }
}

/// Why a write was not carried out, or has no answer.
pub(super) enum Unwritten {
    /// It does not fit the customer as it is; nothing was sent.
    Unfit(Vec<UserError>),
    /// It is a decision, which the caller may not make; nothing was sent.
    Forbidden,
    /// The customer could not be read; nothing was sent.
    Unread(upstream::Error),
    /// The deadline passed while it waited; nothing was sent.
    TooLate,
    /// It was on its way, with these values.
    Refused(upstream::Error, Vec<String>),
    /// What came back is the answer to another request with this idempotency key, about somebody else.
    AnotherAnswer,
}

impl From<upstream::Error> for Unwritten {
    fn from(error: upstream::Error) -> Self {
        Self::of(error, Vec::new())
    }
}

impl Unwritten {
    /// Of a write with these values.
    pub(super) fn of(error: upstream::Error, values: Vec<String>) -> Self {
        match error.kind {
            Kind::TooLate => Self::TooLate,
            Kind::Unchecked(look) => Self::Unread(*look),
            kind => Self::Refused(upstream::Error { kind, ..error }, values),
        }
    }

    /// Whether an attempt was sent of which nobody knows what became of it.
    fn may_have_been_written(&self) -> bool {
        // Of an answer about somebody else, nobody knows to which request it is one.
        matches!(self, Self::AnotherAnswer) || matches!(self, Self::Refused(error, _) if error.outcome_is_unknown())
    }
}

/// An answer to what was sent with a key. The answer to another request with it, about somebody else, is shown to nobody. A
/// key that was made for this request has no other.
pub(super) fn answer_to(key: &Key, sent: &Sent, customer: Customer) -> Result<Arc<Customer>, Unwritten> {
    match sent.is(&customer) {
        _ if !key.is_callers() => Ok(Arc::new(customer)),
        Some(true) => Ok(Arc::new(customer)),
        Some(false) => Err(Unwritten::AnotherAnswer),
        // Whose it is cannot be said, so it is shown to nobody. The write may have been carried out: a new key would do it
        // twice.
        None => Err(upstream::Error::from(Kind::NoAnswer("a customer with a field that cannot be read")).into()),
    }
}

impl SessionContext {
    /// The customer before an update, in clear where the upstream allows it, and the members of its record that this version
    /// does not know.
    pub(super) async fn known(&self, caller: &Caller, id: CustomerId) -> Result<(Known, UnknownMembers), Unwritten> {
        let upstream = &self.services.upstream;
        match upstream.clear_record(caller, id).await {
            Ok(Record { customer, unknown }) => Ok((Known::Clear(Box::new(customer)), unknown)),
            // How an account without the permission is answered is not documented (`docs/upstream.md`, section 9), so
            // every refusal is taken for one; a customer that is not there is not there in the masked read either.
            Err(error) if matches!(error.kind, Kind::Forbidden | Kind::NotFound | Kind::Refused(_)) => {
                let masked = upstream.masked_record(caller, id).await.map_err(Unwritten::Unread)?;
                let customer = masked.customer.try_into();
                let customer = customer
                    .map_err(|UnreadableField(_)| Kind::NoAnswer("a customer with a field that cannot be read"));
                let customer = customer.map_err(|kind| Unwritten::Unread(kind.into()))?;
                Ok((Known::Masked(Box::new(customer)), masked.unknown))
            }
            Err(error) => Err(Unwritten::Unread(error)),
        }
    }

    /// What the caller is told of a write.
    fn told<T>(&self, outcome: Result<T, Unwritten>, write: Write, key: &Key) -> Result<Written<T>, Error> {
        match outcome {
            Ok(result) => Ok(Ok(result)),
            Err(Unwritten::Unfit(complaints)) => Ok(Err(complaints)),
            Err(Unwritten::Forbidden) => Err(Error::DecisionForbidden),
            Err(Unwritten::Unread(error)) if matches!(error.kind, Kind::NotFound) => Ok(Err(vec![write.not_found()])),
            Err(Unwritten::Unread(error)) => Err(error.into()),
            Err(Unwritten::TooLate) => Err(Error::Deadline),
            Err(Unwritten::AnotherAnswer) => Ok(Err(vec![key_reused()])),
            Err(Unwritten::Refused(error, sent)) => {
                if let Kind::Superseded { was_sent } = error.kind {
                    return Ok(Err(vec![superseded(was_sent)]));
                }
                // An upstream that repeats what it was sent can repeat the headers as well.
                let known: Vec<String> = self.secrets().chain(key.values()).chain(sent).collect();
                mend(error, write, &known, key.is_callers()).map(Err)
            }
        }
    }

    /// The credential, where it is one: the word that is the sandbox's key must not be cut from every sentence.
    fn secrets(&self) -> impl Iterator<Item = String> + use<> {
        let credential = self.caller.credential.expose_secret();
        (credential.len() >= SHORTEST_SECRET).then(|| credential.to_owned()).into_iter()
    }

    /// Forgets what is kept of a customer, and every page of the scope.
    fn forget(&self, id: Option<CustomerId>) {
        self.services.cache.invalidate_pages(self.scope);
        if let Some(id) = id {
            self.services.cache.invalidate_customer(self.scope, id);
        }
    }

    /// The same after a write that may still take effect: who looks whether it has must not find, for long, what was read
    /// a moment before it did.
    fn unsettle(&self, id: Option<CustomerId>) {
        self.forget(id);
        self.services.cache.suspend_caching(self.scope, id, self.services.settling);
    }

    /// Nothing is sent for a caller that has been told that time is up.
    pub(super) fn still_in_time(&self) -> Result<(), Unwritten> {
        if Instant::now() < self.deadline { Ok(()) } else { Err(Unwritten::TooLate) }
    }
}

pub(super) fn today() -> Date {
    Date(chrono::Utc::now().date_naive())
}

/// What of a body is no person's: words of enums stay in a message, since rules are about them. A test holds this to
/// what the schema does not mark with `@pii`.
pub const NOT_PERSONAL: [&str; 3] = ["type", "status", "config"];

/// Every text of a body that could be a person's: what must not come back in a message.
pub(super) fn values_of(body: &impl Serialize) -> Vec<String> {
    fn collect(value: serde_json::Value, values: &mut Vec<String>) {
        match value {
            serde_json::Value::String(text) => values.push(text),
            serde_json::Value::Array(items) => items.into_iter().for_each(|item| collect(item, values)),
            serde_json::Value::Object(fields) => fields.into_iter().for_each(|(_, field)| collect(field, values)),
            _ => {}
        }
    }
    let mut values = Vec::new();
    if let Ok(serde_json::Value::Object(mut body)) = serde_json::to_value(body) {
        // At the top alone: a key of the caller's own pairs can have any name.
        body.retain(|name, _| !NOT_PERSONAL.contains(&name.as_str()));
        collect(body.into(), &mut values);
    }
    // Longest first: a name inside an e-mail must not break the e-mail up before it is found.
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    values
}
