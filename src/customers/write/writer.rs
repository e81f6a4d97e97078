//! A write: check the input → lock the customer → send → invalidate cache entries → write the audit record.
//!
//! A write runs in its own task. Once it is sent, it runs to its end and is recorded, also if the caller disconnects or
//! the deadline passes. A write that is not sent by the deadline is never sent. A retry sends the same bytes and the
//! same idempotency key, so a write takes effect once. The key is the caller's, or a new one.

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

/// The result of a write, or the errors that the caller can fix.
pub type WriteResult<T> = Result<T, Vec<UserError>>;

impl Session {
    /// Creates a customer.
    ///
    /// # Errors
    /// If the upstream gives no usable response. Errors that the caller can fix are in [`WriteResult`].
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
    /// If the upstream gives no usable response. Errors that the caller can fix are in [`WriteResult`].
    pub async fn delete(&self, input: DeleteCustomerInput) -> Result<WriteResult<CustomerId>, Error> {
        let written = self.write_to_customer(&input, |context, caller, id, key| async move {
            let deleted = context.services.upstream.delete(&caller, id, &key.sent).await?;
            Ok(deleted.map(Arc::new))
        });
        Ok(written.await?.map(|(id, _)| id))
    }

    /// Decides about a customer whose status is `REVIEW`.
    ///
    /// # Errors
    /// If the upstream gives no usable response. Errors that the caller can fix are in [`WriteResult`].
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
    /// If the upstream gives no usable response. Errors that the caller can fix are in [`WriteResult`].
    pub async fn refresh(&self, input: RefreshCustomerReviewInput) -> Result<WriteResult<Arc<Customer>>, Error> {
        let written = self.write_to_customer(&input, |context, caller, id, key| async move {
            context.services.upstream.refresh(&caller, id, &key.sent).await.map(Arc::new)
        });
        Ok(written.await?.map(|(_, customer)| customer))
    }

    /// Returns an unmasked customer after its audit record is written. The customer is never cached. `fields` are the
    /// names of the requested fields.
    ///
    /// # Errors
    /// If the upstream gives no usable response, or if the audit record cannot be written. Errors that the caller can
    /// fix are in [`WriteResult`].
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

    /// The idempotency key of a write: the caller's key in the caller's namespace, or a new key.
    pub(super) fn idempotency_key(&self, given: Option<&Personal<String>>) -> IdempotencyKey {
        IdempotencyKey::new(given, self.context.key_namespace.as_ref())
    }

    /// The error of a mutation that requires a reason and has none.
    fn missing_reason<I: MutationInput>(&self, input: &I) -> Vec<UserError> {
        validation::reason(input.reason(), self.context.services.required_reasons.includes(I::MUTATION))
    }

    /// Runs a write that makes one call about one customer. It checks the id, the reason and the key.
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

    /// Records and returns the errors of an input. Nothing was sent.
    pub(super) async fn reject<T>(
        &self,
        act: &AuditEvent,
        complaints: Vec<UserError>,
    ) -> Result<WriteResult<T>, Error> {
        self.context.record_rejected(act, &complaints).await;
        Ok(Err(complaints))
    }

    /// Runs a write in its own task under the customer's lock, invalidates the cache entries of the customer and
    /// records the write.
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
        // The write holds the permit after the caller disconnects. Otherwise callers that disconnect could queue more
        // writes than the limit of operations.
        let permit = Arc::clone(&self.permit);
        let deadline = Deadline::at(context.deadline);
        let caller = context.caller.with_deadline(deadline.clone());
        let customer = act.customer;
        let task = async move {
            let _permit = permit;
            let deadline = caller.deadline.clone();
            let carried_out = AssertUnwindSafe(perform(&context, act.customer, caller, work)).catch_unwind();
            let carried_out = context.services.force_stop.run_until_cancelled(carried_out).await;
            let (mut upstream_id, mut is_unknown) = (None, false);
            let outcome = match carried_out {
                Some(Ok(outcome)) => {
                    upstream_id = self::upstream_id(outcome.as_ref().err());
                    is_unknown = matches!(&outcome, Err(unwritten) if unwritten.is_outcome_unknown());
                    context.to_result(outcome, act.mutation, &key)
                }
                None if deadline.abandon() => Err(Error::DeadlineExceeded),
                // A write that panicked or was stopped may have been sent, so it is recorded as well.
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
            Err(_elapsed) if deadline.abandon() => Err(Error::DeadlineExceeded),
            unanswered @ (Err(_) | Ok(Err(_))) => {
                // This caller will check whether the write took effect, and must not find an old cache entry.
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

/// The customer that a mutation is about, or all errors of its input: `complaints`, and an error if the id is not one.
pub(super) fn target_of(act: &AuditEvent, complaints: Vec<UserError>) -> Result<CustomerId, Vec<UserError>> {
    match act.customer {
        Some(id) if complaints.is_empty() => Ok(id),
        Some(_) => Err(complaints),
        None => Err(std::iter::once(not_found(act.mutation)).chain(complaints).collect()),
    }
}

/// Runs the work of a write under the customer's lock, and then invalidates the cache entries that it changes.
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
        // The write may have taken effect, or may do so at any moment.
        Err(WriteError::Upstream(error, _)) if error.is_outcome_unknown() => context.suspend_caching(id),
        Err(WriteError::Upstream(error, _)) if error.kind.is_not_sent() => {}
        Err(
            WriteError::Invalid(_) | WriteError::Forbidden | WriteError::ReadFailed(_) | WriteError::DeadlineExceeded,
        ) => {}
        Ok(_) | Err(WriteError::Upstream(..) | WriteError::ReplayMismatch) => context.invalidate(id),
    }
    outcome
}

/// The upstream's id of the failed call, if the upstream gave one.
fn upstream_id(unwritten: Option<&WriteError>) -> Option<Uuid> {
    match unwritten? {
        WriteError::ReadFailed(error) | WriteError::Upstream(error, _) => error.api_request_id,
        WriteError::Invalid(_) | WriteError::Forbidden | WriteError::DeadlineExceeded | WriteError::ReplayMismatch => {
            None
        }
    }
}

/// Why a write did not take effect, or has no response.
pub(super) enum WriteError {
    /// The write does not fit the current customer. Nothing was sent.
    Invalid(Vec<UserError>),
    /// The write is a decision, and the caller has no permission for decisions. Nothing was sent.
    Forbidden,
    /// The customer could not be read. Nothing was sent.
    ReadFailed(upstream::Error),
    /// The deadline passed while the write waited. Nothing was sent.
    DeadlineExceeded,
    /// The call failed. The texts are the personal values that were sent.
    Upstream(upstream::Error, Vec<String>),
    /// The response belongs to another request with this idempotency key: it contains another customer.
    ReplayMismatch,
}

impl From<upstream::Error> for WriteError {
    fn from(error: upstream::Error) -> Self {
        Self::upstream(error, Vec::new())
    }
}

impl WriteError {
    /// The error of a call that sent these personal values.
    pub(super) fn upstream(error: upstream::Error, values: Vec<String>) -> Self {
        match error.kind {
            ErrorKind::DeadlineExceeded => Self::DeadlineExceeded,
            ErrorKind::Unchecked(look) => Self::ReadFailed(*look),
            kind => Self::Upstream(upstream::Error { kind, ..error }, values),
        }
    }

    /// Whether an attempt was sent whose outcome is unknown.
    fn is_outcome_unknown(&self) -> bool {
        // A response with another customer does not tell the outcome of this request.
        matches!(self, Self::ReplayMismatch) || matches!(self, Self::Upstream(error, _) if error.is_outcome_unknown())
    }
}

/// Checks that the customer in a response is the customer that was sent. The upstream replays the response of an
/// earlier request with the same key. If that response contains another customer, no caller sees it. A key that the
/// gateway made was used for this request only.
pub(super) fn check_replay(
    key: &IdempotencyKey,
    sent: &SubmittedCustomer,
    customer: Customer,
) -> Result<Arc<Customer>, WriteError> {
    match sent.matches(&customer) {
        _ if !key.is_from_caller() => Ok(Arc::new(customer)),
        Some(true) => Ok(Arc::new(customer)),
        Some(false) => Err(WriteError::ReplayMismatch),
        // The response may contain another customer, so no caller sees it. The write may have taken effect, so a retry
        // with a new key could repeat it.
        None => {
            Err(upstream::Error::from(ErrorKind::MalformedSuccess("a customer with a field that cannot be read"))
                .into())
        }
    }
}

impl SessionContext {
    /// The customer before an update, unmasked if the upstream permits it, and the members of its record that this
    /// version does not know.
    pub(super) async fn current_record(
        &self,
        caller: &CallContext,
        id: CustomerId,
    ) -> Result<(CurrentCustomer, UnknownMembers), WriteError> {
        let upstream = &self.services.upstream;
        match upstream.unmasked_record(caller, id).await {
            Ok(CustomerRecord { customer, unknown }) => Ok((customer.into(), unknown)),
            // The response to an account without the permission is not documented (`docs/upstream.md`, section 9), so
            // each rejection counts as one. If the customer does not exist, the masked read does not find it either.
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

    /// The result of a write for the caller.
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
                // An upstream that echoes the body can also echo the headers.
                let known: Vec<String> = self.credentials().chain(key.redacted_values()).chain(sent).collect();
                from_rejection(error, write, &known, key.is_from_caller()).map(Err)
            }
        }
    }

    /// The credential, if it is long enough to be a real one. The sandbox's key is a common word, which must not be cut
    /// out of each sentence.
    fn credentials(&self) -> impl Iterator<Item = String> + use<> {
        let credential = self.caller.credential.expose_secret();
        (credential.len() >= MIN_CREDENTIAL_CHARS).then(|| credential.to_owned()).into_iter()
    }

    /// Invalidates the cache entries of a customer, and all pages of the scope.
    fn invalidate(&self, id: Option<CustomerId>) {
        self.services.cache.invalidate_pages(self.scope);
        if let Some(id) = id {
            self.services.cache.invalidate_customer(self.scope, id);
        }
    }

    /// As [`Self::invalidate`], after a write that may still take effect. For a while, no read of the customer is
    /// cached: a caller that checks whether the write took effect must not find a record from before it.
    fn suspend_caching(&self, id: Option<CustomerId>) {
        self.invalidate(id);
        self.services.cache.suspend_caching(self.scope, id, self.services.unsettled_for);
    }

    /// After the deadline nothing is sent, since the caller already has the error.
    pub(super) fn check_deadline(&self) -> Result<(), WriteError> {
        if Instant::now() < self.deadline { Ok(()) } else { Err(WriteError::DeadlineExceeded) }
    }
}

pub(super) fn today() -> Date {
    Date(chrono::Utc::now().date_naive())
}

/// The members of a body that are not personal. Their values are words of enums, which stay in messages. A test
/// compares this list with the fields that the schema does not mark with `@pii`.
pub const NOT_PERSONAL_MEMBERS: [&str; 3] = ["type", "status", "config"];

/// All texts of a body that can be personal. They must not appear in a message.
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
        // Only at the top level: a key of the metadata can have any name.
        body.retain(|name, _| !NOT_PERSONAL_MEMBERS.contains(&name.as_str()));
        collect(body.into(), &mut values);
    }
    // Longest first: otherwise a name that is part of an e-mail address would be cut first, and the rest would stay.
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    values
}
