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

use crate::customers::write::audit::AuditedCustomer;
use crate::customers::write::idempotency::{IdempotencyKey, SubmittedCustomer};
use crate::customers::write::merge::CurrentCustomer;
use crate::customers::write::user_errors::{from_rejection, key_reused, not_found, superseded};
use crate::customers::write::validation;
use crate::customers::{AuditEvent, Error, Session, SessionContext};
use crate::model::input::{
    CreateCustomerInput, DecideCustomerReviewInput, DeleteCustomerInput, RefreshCustomerReviewInput,
    UnmaskCustomerInput,
};
use crate::model::lenient::UnreadableField;
use crate::model::{Customer, CustomerId, Date, Mutation, MutationInput, UnmaskedCustomer, UserError};
use crate::privacy::Personal;
use crate::upstream::{self, CallContext, CustomerRecord, Deadline, ErrorKind, NewCustomer, UnknownMembers};

/// The shortest text that can be a real credential.
const MIN_CREDENTIAL_CHARS: usize = 16;

/// What a write gives: its result, or what the caller has to mend.
pub type WriteResult<T> = Result<T, Vec<UserError>>;

impl Session {
    /// Creates a customer.
    ///
    /// # Errors
    /// Where there is no usable answer; what the caller can mend is in [`WriteResult`].
    pub async fn create(&self, input: CreateCustomerInput) -> Result<WriteResult<Arc<Customer>>, Error> {
        let act = AuditEvent::new(&input);
        let complaints = validation::new_customer(&input, today());
        if !complaints.is_empty() {
            return self.reject(&act, complaints).await;
        }
        let key = self.idempotency_key(input.idempotency_key.as_ref());
        let sent = SubmittedCustomer::from(&input);
        let body = NewCustomer::from(input);
        self.run_write(act, key.clone(), move |context, caller| async move {
            let created = context.services.upstream.create(&caller, &body, &key.sent).await;
            let created = created.map_err(|error| WriteError::upstream(error, personal_values(&body)))?;
            check_replay(&key, &sent, created)
        })
        .await
    }

    /// Erases a customer and returns its id.
    ///
    /// # Errors
    /// Where there is no usable answer; what the caller can mend is in [`WriteResult`].
    pub async fn delete(&self, input: DeleteCustomerInput) -> Result<WriteResult<CustomerId>, Error> {
        let written = self.write_to_customer(&input, |context, caller, id, key| async move {
            let deleted = context.services.upstream.delete(&caller, id, &key.sent).await?;
            Ok(deleted.map(Arc::new))
        });
        Ok(written.await?.map(|(id, _)| id))
    }

    /// Settles a customer that waits in review.
    ///
    /// # Errors
    /// Where there is no usable answer; what the caller can mend is in [`WriteResult`].
    pub async fn decide(&self, input: DecideCustomerReviewInput) -> Result<WriteResult<Arc<Customer>>, Error> {
        let decision = input.decision;
        let written = self.write_to_customer(&input, move |context, caller, id, key| async move {
            context.services.upstream.decide(&caller, id, decision, &key.sent).await.map(Arc::new)
        });
        Ok(written.await?.map(|(_, customer)| customer))
    }

    /// Runs a customer's screening again.
    ///
    /// # Errors
    /// Where there is no usable answer; what the caller can mend is in [`WriteResult`].
    pub async fn refresh(&self, input: RefreshCustomerReviewInput) -> Result<WriteResult<Arc<Customer>>, Error> {
        let written = self.write_to_customer(&input, |context, caller, id, key| async move {
            context.services.upstream.refresh(&caller, id, &key.sent).await.map(Arc::new)
        });
        Ok(written.await?.map(|(_, customer)| customer))
    }

    /// Shows a customer in clear, once that is recorded. It changes nothing and is kept nowhere. `fields` are the names
    /// of those that are asked for.
    ///
    /// # Errors
    /// Where there is no usable answer, or no record of it; what the caller can mend is in [`WriteResult`].
    pub async fn unmask(
        &self,
        input: UnmaskCustomerInput,
        fields: Vec<String>,
    ) -> Result<WriteResult<UnmaskedCustomer>, Error> {
        let act = AuditEvent::new(&input).with_fields(fields);
        let id = match target_of(&act, self.missing_reason(&input)) {
            Ok(id) => id,
            Err(complaints) => return self.reject(&act, complaints).await,
        };
        let read = self.context.services.upstream.unmasked(&self.context.caller, id);
        let (outcome, upstream_id) = match timeout_at(self.context.deadline, read).await {
            Err(_elapsed) => (Err(Error::DeadlineExceeded), None),
            Ok(Ok(customer)) => (Ok(Ok(customer)), None),
            Ok(Err(error)) => {
                let upstream_id = error.api_request_id;
                let known: Vec<String> = self.context.credentials().collect();
                (from_rejection(error, Mutation::Unmask, &known, false).map(Err), upstream_id)
            }
        };
        self.context.record_unmask(&act, &outcome, upstream_id).await?;
        outcome
    }

    /// The idempotency key of a write: the caller's, kept apart from those of others, or a new one.
    pub(super) fn idempotency_key(&self, given: Option<&Personal<String>>) -> IdempotencyKey {
        IdempotencyKey::new(given, self.context.key_namespace.as_ref())
    }

    /// What is wrong where a mutation needs a reason and has none.
    fn missing_reason<I: MutationInput>(&self, input: &I) -> Vec<UserError> {
        validation::reason(input.reason(), self.context.services.required_reasons.includes(I::MUTATION))
    }

    /// Carries out a write that makes one call about one customer, with nothing to check but its id, reason and key.
    async fn write_to_customer<I, T, C>(
        &self,
        input: &I,
        call: impl FnOnce(Arc<SessionContext>, CallContext, CustomerId, IdempotencyKey) -> C + Send + 'static,
    ) -> Result<WriteResult<(CustomerId, T)>, Error>
    where
        I: MutationInput,
        T: AuditedCustomer + Send + Sync + 'static,
        C: Future<Output = Result<T, upstream::Error>> + Send,
    {
        let act = AuditEvent::new(input);
        let given_key = input.idempotency_key();
        let complaints = [self.missing_reason(input), validation::idempotency_key_only(given_key)].concat();
        let id = match target_of(&act, complaints) {
            Ok(id) => id,
            Err(complaints) => return self.reject(&act, complaints).await,
        };
        let key = self.idempotency_key(given_key);
        let written = self.run_write(act, key.clone(), move |context, caller| async move {
            call(context, caller, id, key).await.map_err(WriteError::from)
        });
        Ok(written.await?.map(|customer| (id, customer)))
    }

    /// Refuses what the caller has to mend first; nothing was sent.
    pub(super) async fn reject<T>(
        &self,
        act: &AuditEvent,
        complaints: Vec<UserError>,
    ) -> Result<WriteResult<T>, Error> {
        self.context.record_rejected(act, &complaints).await;
        Ok(Err(complaints))
    }

    /// Carries a write out in its own task, in its turn, forgets what was kept of what it touched, and records it.
    pub(super) async fn run_write<T, W>(
        &self,
        act: AuditEvent,
        key: IdempotencyKey,
        work: impl FnOnce(Arc<SessionContext>, CallContext) -> W + Send + 'static,
    ) -> Result<WriteResult<T>, Error>
    where
        T: AuditedCustomer + Send + Sync + 'static,
        W: Future<Output = Result<T, WriteError>> + Send,
    {
        let context = Arc::clone(&self.context);
        // Also where the caller has left: who comes and goes must not make more writes wait than operations may run.
        let place = Arc::clone(&self.permit);
        let patience = Deadline::at(context.deadline);
        let caller = context.caller.with_deadline(patience.clone());
        let customer = act.customer;
        let task = async move {
            let _place = place;
            let patience = caller.deadline.clone();
            let carried_out = AssertUnwindSafe(perform(&context, act.customer, caller, work)).catch_unwind();
            let carried_out = context.services.force_stop.run_until_cancelled(carried_out).await;
            let (mut upstream_id, mut is_unknown) = (None, false);
            let outcome = match carried_out {
                Some(Ok(outcome)) => {
                    upstream_id = crate::customers::write::writer::upstream_id(outcome.as_ref().err());
                    is_unknown = matches!(&outcome, Err(unwritten) if unwritten.is_outcome_unknown());
                    context.to_result(outcome, act.mutation, &key)
                }
                None if patience.abandon() => Err(Error::DeadlineExceeded),
                // What panics or is cut may have been sent, so it is recorded as well.
                None | Some(Err(_)) => {
                    context.suspend_caching(act.customer);
                    Err(Error::TaskLostInWrite)
                }
            };
            context.record_write(&act, &outcome, upstream_id, is_unknown).await;
            outcome
        };
        let task = self.context.services.write_tasks.spawn(task.instrument(self.context.span.clone()));
        match timeout_at(self.context.deadline, task).await {
            Err(_elapsed) if patience.abandon() => Err(Error::DeadlineExceeded),
            unanswered @ (Err(_) | Ok(Err(_))) => {
                // Who is told that it may have been made looks whether it was, and must not find what was kept before.
                self.context.suspend_caching(customer);
                self.loaders.clear();
                Err(if unanswered.is_err() { Error::DeadlineExceededInWrite } else { Error::TaskLostInWrite })
            }
            Ok(Ok(outcome)) => {
                self.loaders.clear();
                outcome
            }
        }
    }
}

/// The customer that a mutation is about; or all that is wrong with its input, with these `complaints`.
pub(super) fn target_of(act: &AuditEvent, complaints: Vec<UserError>) -> Result<CustomerId, Vec<UserError>> {
    match act.customer {
        Some(id) if complaints.is_empty() => Ok(id),
        Some(_) => Err(complaints),
        None => Err(std::iter::once(not_found(act.mutation)).chain(complaints).collect()),
    }
}

/// Does the work of a write in its turn, and forgets what was kept of what it touched.
async fn perform<T, W>(
    context: &Arc<SessionContext>,
    id: Option<CustomerId>,
    caller: CallContext,
    work: impl FnOnce(Arc<SessionContext>, CallContext) -> W,
) -> Result<T, WriteError>
where
    W: Future<Output = Result<T, WriteError>>,
{
    let _turn = match id {
        Some(id) => {
            let turn = timeout_at(context.deadline, context.services.customer_locks.lock(context.scope, id)).await;
            Some(turn.map_err(|_elapsed| WriteError::DeadlineExceeded)?)
        }
        None => None,
    };
    context.check_deadline()?;
    let outcome = work(Arc::clone(context), caller).await;
    match &outcome {
        // It may have been carried out, or may be any moment.
        Err(WriteError::Upstream(error, _)) if error.is_outcome_unknown() => context.suspend_caching(id),
        Err(WriteError::Upstream(error, _)) if error.kind.is_not_sent() => {}
        Err(
            WriteError::Invalid(_) | WriteError::Forbidden | WriteError::ReadFailed(_) | WriteError::DeadlineExceeded,
        ) => {}
        Ok(_) | Err(WriteError::Upstream(..) | WriteError::ReplayMismatch) => context.invalidate(id),
    }
    outcome
}

/// The upstream's id of the call that failed, where it gave one.
fn upstream_id(unwritten: Option<&WriteError>) -> Option<Uuid> {
    match unwritten? {
        WriteError::ReadFailed(error) | WriteError::Upstream(error, _) => error.api_request_id,
        WriteError::Invalid(_) | WriteError::Forbidden | WriteError::DeadlineExceeded | WriteError::ReplayMismatch => {
            None
        }
    }
}

/// Why a write was not carried out, or has no answer.
pub(super) enum WriteError {
    /// It does not fit the customer as it is; nothing was sent.
    Invalid(Vec<UserError>),
    /// It is a decision, which the caller may not make; nothing was sent.
    Forbidden,
    /// The customer could not be read; nothing was sent.
    ReadFailed(upstream::Error),
    /// The deadline passed while it waited; nothing was sent.
    DeadlineExceeded,
    /// It was on its way, with these values.
    Upstream(upstream::Error, Vec<String>),
    /// What came back is the answer to another request with this idempotency key, about somebody else.
    ReplayMismatch,
}

impl From<upstream::Error> for WriteError {
    fn from(error: upstream::Error) -> Self {
        Self::upstream(error, Vec::new())
    }
}

impl WriteError {
    /// Of a write with these values.
    pub(super) fn upstream(error: upstream::Error, values: Vec<String>) -> Self {
        match error.kind {
            ErrorKind::DeadlineExceeded => Self::DeadlineExceeded,
            ErrorKind::Unchecked(look) => Self::ReadFailed(*look),
            kind => Self::Upstream(upstream::Error { kind, ..error }, values),
        }
    }

    /// Whether an attempt was sent of which nobody knows what became of it.
    fn is_outcome_unknown(&self) -> bool {
        // Of an answer about somebody else, nobody knows to which request it is one.
        matches!(self, Self::ReplayMismatch) || matches!(self, Self::Upstream(error, _) if error.is_outcome_unknown())
    }
}

/// An answer to what was sent with a key. The answer to another request with it, about somebody else, is shown to nobody. A
/// key that was made for this request has no other.
pub(super) fn check_replay(
    key: &IdempotencyKey,
    sent: &SubmittedCustomer,
    customer: Customer,
) -> Result<Arc<Customer>, WriteError> {
    match sent.matches(&customer) {
        _ if !key.is_from_caller() => Ok(Arc::new(customer)),
        Some(true) => Ok(Arc::new(customer)),
        Some(false) => Err(WriteError::ReplayMismatch),
        // Whose it is cannot be said, so it is shown to nobody. The write may have been carried out: a new key would do it
        // twice.
        None => {
            Err(upstream::Error::from(ErrorKind::MalformedSuccess("a customer with a field that cannot be read"))
                .into())
        }
    }
}

impl SessionContext {
    /// The customer before an update, in clear where the upstream allows it, and the members of its record that this version
    /// does not know.
    pub(super) async fn current_record(
        &self,
        caller: &CallContext,
        id: CustomerId,
    ) -> Result<(CurrentCustomer, UnknownMembers), WriteError> {
        let upstream = &self.services.upstream;
        match upstream.unmasked_record(caller, id).await {
            Ok(CustomerRecord { customer, unknown }) => Ok((customer.into(), unknown)),
            // How an account without the permission is answered is not documented (`docs/upstream.md`, section 9), so
            // every refusal is taken for one; a customer that is not there is not there in the masked read either.
            Err(error) if matches!(error.kind, ErrorKind::Forbidden | ErrorKind::NotFound | ErrorKind::Rejected(_)) => {
                let masked = upstream.masked_record(caller, id).await.map_err(WriteError::ReadFailed)?;
                let customer = masked.customer.try_into().map_err(|UnreadableField(_)| {
                    let kind = ErrorKind::MalformedSuccess("a customer with a field that cannot be read");
                    WriteError::ReadFailed(kind.into())
                })?;
                Ok((customer, masked.unknown))
            }
            Err(error) => Err(WriteError::ReadFailed(error)),
        }
    }

    /// What the caller is told of a write.
    fn to_result<T>(
        &self,
        outcome: Result<T, WriteError>,
        write: Mutation,
        key: &IdempotencyKey,
    ) -> Result<WriteResult<T>, Error> {
        match outcome {
            Ok(result) => Ok(Ok(result)),
            Err(WriteError::Invalid(complaints)) => Ok(Err(complaints)),
            Err(WriteError::Forbidden) => Err(Error::DecisionForbidden),
            Err(WriteError::ReadFailed(error)) if matches!(error.kind, ErrorKind::NotFound) => {
                Ok(Err(vec![not_found(write)]))
            }
            Err(WriteError::ReadFailed(error)) => Err(error.into()),
            Err(WriteError::DeadlineExceeded) => Err(Error::DeadlineExceeded),
            Err(WriteError::ReplayMismatch) => Ok(Err(vec![key_reused()])),
            Err(WriteError::Upstream(error, sent)) => {
                if let ErrorKind::Superseded { was_sent } = error.kind {
                    return Ok(Err(vec![superseded(was_sent)]));
                }
                // An upstream that repeats what it was sent can repeat the headers as well.
                let known: Vec<String> = self.credentials().chain(key.redacted_values()).chain(sent).collect();
                from_rejection(error, write, &known, key.is_from_caller()).map(Err)
            }
        }
    }

    /// The credential, where it is one: the word that is the sandbox's key must not be cut from every sentence.
    fn credentials(&self) -> impl Iterator<Item = String> + use<> {
        let credential = self.caller.credential.expose_secret();
        (credential.len() >= MIN_CREDENTIAL_CHARS).then(|| credential.to_owned()).into_iter()
    }

    /// Forgets what is kept of a customer, and every page of the scope.
    fn invalidate(&self, id: Option<CustomerId>) {
        self.services.cache.invalidate_pages(self.scope);
        if let Some(id) = id {
            self.services.cache.invalidate_customer(self.scope, id);
        }
    }

    /// The same after a write that may still take effect: who looks whether it has must not find, for long, what was read
    /// a moment before it did.
    fn suspend_caching(&self, id: Option<CustomerId>) {
        self.invalidate(id);
        self.services.cache.suspend_caching(self.scope, id, self.services.unsettled_for);
    }

    /// Nothing is sent for a caller that has been told that time is up.
    pub(super) fn check_deadline(&self) -> Result<(), WriteError> {
        if Instant::now() < self.deadline { Ok(()) } else { Err(WriteError::DeadlineExceeded) }
    }
}

pub(super) fn today() -> Date {
    Date(chrono::Utc::now().date_naive())
}

/// What of a body is no person's: words of enums stay in a message, since rules are about them. A test holds this to
/// what the schema does not mark with `@pii`.
pub const NOT_PERSONAL_MEMBERS: [&str; 3] = ["type", "status", "config"];

/// Every text of a body that could be a person's: what must not come back in a message.
pub(super) fn personal_values(body: &impl Serialize) -> Vec<String> {
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
        body.retain(|name, _| !NOT_PERSONAL_MEMBERS.contains(&name.as_str()));
        collect(body.into(), &mut values);
    }
    // Longest first: a name inside an e-mail must not break the e-mail up before it is found.
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    values
}
