//! Audit records of writes and unmaskings. A record is written before the response is sent, also if the caller has
//! disconnected, and also if the mutation was rejected.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use crate::customers::write::changed_fields::{StatusChange, given_fields};
use crate::customers::write::writer::WriteResult;
use crate::customers::{Error, Session, SessionContext};
use crate::error::ErrorCode;
use crate::model::input::{Mutation, MutationInput, UpdateCustomerInput};
use crate::model::{
    Customer, CustomerId, CustomerStatus, ReviewDecision, UnmaskedComplianceProfile, UnmaskedCustomer, UserError,
};
use crate::privacy::Personal;
use crate::privacy::audit::{Outcome, Record};

/// How long a request waits past its deadline for the record of a failed unmasking. Most records take a few
/// milliseconds.
const AUDIT_GRACE: Duration = Duration::from_millis(50);

/// A mutation of a caller, with the facts that the audit record contains.
#[derive(Clone, Debug)]
pub struct AuditEvent {
    pub mutation: Mutation,
    /// The customer. `None` for a new customer, and if the given id is not a UUID.
    pub customer: Option<CustomerId>,
    reason: Option<Personal<String>>,
    fields: Vec<String>,
    decision: Option<ReviewDecision>,
    applied_change: Arc<OnceLock<AppliedChange>>,
}

/// The changes of an update, found by comparison with the customer.
#[derive(Clone, Debug)]
pub struct AppliedChange {
    pub fields: Vec<&'static str>,
    pub status: Option<StatusChange>,
}

impl AuditEvent {
    /// The event of a mutation with this input.
    pub fn new<I: MutationInput>(input: &I) -> Self {
        Self {
            mutation: I::MUTATION,
            customer: input.id().and_then(|id| id.parse().ok()),
            reason: input.reason().cloned(),
            fields: Vec::new(),
            decision: input.decision(),
            applied_change: Arc::default(),
        }
    }

    /// As [`Self::new`], with the names of the fields that an update gives.
    pub fn of_update(input: &UpdateCustomerInput) -> Self {
        Self::new(input).with_fields(given_fields(input).into_iter().map(str::to_owned).collect())
    }

    /// The cell for the changes of an update. Once it is set, the record contains these changes instead of the given
    /// fields.
    pub fn applied_change(&self) -> Arc<OnceLock<AppliedChange>> {
        Arc::clone(&self.applied_change)
    }

    /// The mutation in the record. A change of status that decides about a customer is recorded as a decision, also if
    /// an update makes it.
    fn recorded_mutation(&self) -> Mutation {
        let status = self.applied_change.get().and_then(|found| found.status);
        if status.is_some_and(StatusChange::is_decision) { Mutation::Decide } else { self.mutation }
    }

    /// The status before and after. Only customers with the status `REVIEW` can be decided about.
    fn statuses(&self, is_done: bool) -> (Option<CustomerStatus>, Option<CustomerStatus>) {
        let decided = self.decision.map(|decision| match decision {
            ReviewDecision::Verified => CustomerStatus::Verified,
            ReviewDecision::Rejected => CustomerStatus::Rejected,
        });
        match self.applied_change.get().and_then(|found| found.status) {
            Some(StatusChange { old, new }) => (Some(old), Some(new)),
            None => (decided.filter(|_| is_done).map(|_| CustomerStatus::Review), decided),
        }
    }

    /// Sets the names of the requested fields, as in the schema.
    #[must_use]
    pub fn with_fields(self, fields: Vec<String>) -> Self {
        Self { fields, ..self }
    }
}

impl Session {
    /// Records a mutation for which the caller has no permission.
    pub async fn record_denied(&self, act: &AuditEvent) {
        let ending = Outcome::Failed(ErrorCode::Forbidden.name().to_owned());
        let record = self.context.record(act, ending, act.customer, &[]);
        // Nothing was changed or shown, so the caller gets the same error if the record is missing.
        let deadline = Some(self.context.deadline);
        let _missing_is_logged = self.context.services.audit.write(record, deadline).await;
    }
}

impl SessionContext {
    /// Records a mutation that was rejected before anything was sent.
    pub async fn record_rejected(&self, act: &AuditEvent, complaints: &[UserError]) {
        let record = self.record(act, Outcome::Rejected(codes(complaints)), act.customer, &[]);
        let _missing_is_logged = self.services.audit.write(record, Some(self.deadline)).await;
    }

    /// Records the outcome of a write. `is_unknown`: an attempt of it may have taken effect. If the record cannot be
    /// written, the log reports the missing record, and the result stays the same, since the write has taken effect.
    pub async fn record_write(
        &self,
        act: &AuditEvent,
        outcome: &Result<WriteResult<impl AuditedCustomer>, Error>,
        upstream_id: Option<Uuid>,
        is_unknown: bool,
    ) {
        let told = match outcome {
            Ok(Ok(told)) => Some(told),
            _ => None,
        };
        let known = told.map(AuditedCustomer::redacted_values).unwrap_or_default();
        let customer = told.and_then(AuditedCustomer::id).or(act.customer);
        let ending = match self.outcome(outcome) {
            // The caller gets user errors, but the write that was sent may have taken effect.
            Outcome::Rejected(codes) if is_unknown => Outcome::OutcomeUnknown(codes.join(" ")),
            ending => ending,
        };
        let record = self.record(act, ending, customer, &known).with_upstream_id(upstream_id);
        let _missing_is_logged = self.services.audit.write(record, None).await;
    }

    /// Records the outcome of an unmasking. If it succeeded, the record has to be written by the deadline.
    ///
    /// # Errors
    /// If the record could not be written: the customer must not be shown.
    pub async fn record_unmask(
        self: &Arc<Self>,
        act: &AuditEvent,
        outcome: &Result<WriteResult<UnmaskedCustomer>, Error>,
        upstream_id: Option<Uuid>,
    ) -> Result<(), Error> {
        let Ok(Ok(customer)) = outcome else {
            let record = self.record(act, self.outcome(outcome), act.customer, &[]).with_upstream_id(upstream_id);
            let context = Arc::clone(self);
            let written = self.services.write_tasks.spawn(async move {
                let _missing_is_logged = context.services.audit.write(record, None).await;
            });
            // No personal data is shown, so the response does not wait for a slow record past the deadline. The task
            // still writes the record, and shutdown waits for the task.
            let _written_by_then = timeout_at(self.deadline.max(Instant::now() + AUDIT_GRACE), written).await;
            return Ok(());
        };
        let record = self.record(act, Outcome::Succeeded, act.customer, &customer.redacted_values());
        self.services.audit.write(record, Some(self.deadline)).await.map_err(|_missing_is_logged| Error::AuditFailed)
    }

    fn record(&self, act: &AuditEvent, ending: Outcome, customer: Option<CustomerId>, known: &[&str]) -> Record {
        let reason = act.reason.as_ref().map(|reason| reason.reveal().as_str());
        let (old_status, new_status) = act.statuses(matches!(ending, Outcome::Succeeded));
        let fields = match act.applied_change.get() {
            Some(found) => found.fields.iter().map(|field| (*field).to_owned()).collect(),
            None => act.fields.clone(),
        };
        Record::new(
            act.recorded_mutation().info().audit_name,
            self.actor.clone(),
            self.caller.correlation_id.clone(),
            ending,
        )
        .with_customer(customer.map(|id| id.0))
        .with_fields(fields)
        .with_statuses(old_status.map(CustomerStatus::name), new_status.map(CustomerStatus::name))
        .with_reason(reason, known.iter().copied())
    }

    fn outcome<T>(&self, outcome: &Result<WriteResult<T>, Error>) -> Outcome {
        let code = |error: &Error| error.code(self.actor.key.is_some()).name().to_owned();
        match outcome {
            Ok(Ok(_)) => Outcome::Succeeded,
            Ok(Err(complaints)) => Outcome::Rejected(codes(complaints)),
            Err(error) if error.leaves_outcome_unknown() => Outcome::OutcomeUnknown(code(error)),
            Err(error) => Outcome::Failed(code(error)),
        }
    }
}

/// The codes of user errors, each once.
fn codes(complaints: &[UserError]) -> Vec<String> {
    let mut codes: Vec<&str> = complaints.iter().map(|complaint| complaint.code.name()).collect();
    codes.sort_unstable();
    codes.dedup();
    codes.into_iter().map(str::to_owned).collect()
}

/// The customer in the result of a mutation.
pub trait AuditedCustomer {
    /// Its id, for a mutation whose input has none.
    fn id(&self) -> Option<CustomerId>;

    /// The personal values that are cut out of the recorded reason.
    fn redacted_values(&self) -> Vec<&str>;
}

impl AuditedCustomer for Arc<Customer> {
    fn id(&self) -> Option<CustomerId> {
        self.summary.id.ok()
    }

    fn redacted_values(&self) -> Vec<&str> {
        let known = &self.summary;
        let texts = [&known.name, &known.email, &known.phone].map(|text| text.as_ref().ok());
        let external_id = known.external_id.as_ref().ok().and_then(Option::as_ref);
        texts.into_iter().chain([external_id]).flatten().map(|text| text.reveal().as_str()).collect()
    }
}

/// The upstream may respond to a deletion without a customer.
impl<T: AuditedCustomer> AuditedCustomer for Option<T> {
    fn id(&self) -> Option<CustomerId> {
        self.as_ref().and_then(AuditedCustomer::id)
    }

    fn redacted_values(&self) -> Vec<&str> {
        self.as_ref().map(AuditedCustomer::redacted_values).unwrap_or_default()
    }
}

impl AuditedCustomer for UnmaskedCustomer {
    fn id(&self) -> Option<CustomerId> {
        self.customer_id.parse().ok()
    }

    fn redacted_values(&self) -> Vec<&str> {
        let mut texts = vec![&self.name, &self.email, &self.phone];
        texts.extend(&self.external_id);
        texts.extend(self.device.iter().map(|device| &device.ip_address));
        if let Some(address) = &self.address {
            texts.extend([&address.address1, &address.city, &address.zip]);
            texts.extend(&address.address2);
        }
        match &self.compliance_profile {
            Some(UnmaskedComplianceProfile::Individual(person)) => texts.extend(&person.ssn),
            Some(UnmaskedComplianceProfile::Business(company)) => {
                texts.extend([&company.ein, &company.legal_business_name, &company.website].into_iter().flatten());
                texts.extend(company.representatives.iter().flatten().map(|person| &person.name));
            }
            None => {}
        }
        texts.into_iter().map(|text| text.reveal().as_str()).collect()
    }
}
