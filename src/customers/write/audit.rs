//! What is recorded of a write or an unmasking, and when: before its answer is released, also where the caller has hung
//! up, also where it was refused.

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

/// How long past the deadline a record is waited for where nobody was shown. Most take a few milliseconds.
const AUDIT_GRACE: Duration = Duration::from_millis(50);

/// What somebody is about to do, as far as it is recorded.
#[derive(Clone, Debug)]
pub struct AuditEvent {
    pub mutation: Mutation,
    /// About whom; `None` for somebody new, and where what was given can be nobody's id.
    pub customer: Option<CustomerId>,
    reason: Option<Personal<String>>,
    fields: Vec<String>,
    decision: Option<ReviewDecision>,
    applied_change: Arc<OnceLock<AppliedChange>>,
}

/// What a write turned out to change, once the customer was read for it.
#[derive(Clone, Debug)]
pub struct AppliedChange {
    pub fields: Vec<&'static str>,
    pub status: Option<StatusChange>,
}

impl AuditEvent {
    /// What a caller asks for by an input.
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

    /// As [`Self::new`], with the fields that an update gives.
    pub fn of_update(input: &UpdateCustomerInput) -> Self {
        Self::new(input).with_fields(given_fields(input).into_iter().map(str::to_owned).collect())
    }

    /// Where it is noted what the write changes. Its record tells that in place of what was asked for.
    pub fn applied_change(&self) -> Arc<OnceLock<AppliedChange>> {
        Arc::clone(&self.applied_change)
    }

    /// What is recorded as done: a change of status that decides about a customer is a decision, however it is made.
    fn recorded_mutation(&self) -> Mutation {
        let status = self.applied_change.get().and_then(|found| found.status);
        if status.is_some_and(StatusChange::is_decision) { Mutation::Decide } else { self.mutation }
    }

    /// The status before and after. A decision is made about customers in review alone.
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

    /// Which fields are asked for, by their names in the schema.
    #[must_use]
    pub fn with_fields(self, fields: Vec<String>) -> Self {
        Self { fields, ..self }
    }
}

impl Session {
    /// Records what the caller has no permission for.
    pub async fn record_denied(&self, act: &AuditEvent) {
        let ending = Outcome::Failed(ErrorCode::Forbidden.name().to_owned());
        let record = self.context.record(act, ending, act.customer, &[]);
        // Nothing was done or shown: the answer says no all the same.
        let deadline = Some(self.context.deadline);
        let _missing_is_logged = self.context.services.audit.write(record, deadline).await;
    }
}

impl SessionContext {
    /// Records what was refused before anything was sent.
    pub async fn record_rejected(&self, act: &AuditEvent, complaints: &[UserError]) {
        let record = self.record(act, Outcome::Rejected(codes(complaints)), act.customer, &[]);
        let _missing_is_logged = self.services.audit.write(record, Some(self.deadline)).await;
    }

    /// Records how a write ended; `is_unknown` says that an attempt of it may have been carried out. Where recording fails
    /// the write is done all the same: the log says what is missing.
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
            // The caller is told to look again; what was sent may have been carried out all the same.
            Outcome::Rejected(codes) if is_unknown => Outcome::OutcomeUnknown(codes.join(" ")),
            ending => ending,
        };
        let record = self.record(act, ending, customer, &known).with_upstream_id(upstream_id);
        let _missing_is_logged = self.services.audit.write(record, None).await;
    }

    /// Records how an unmasking ended. Where the customer is about to be shown, it has to be written by the deadline.
    ///
    /// # Errors
    /// Where the customer must not be shown, since that is not recorded.
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
            // Nobody was shown, so a record that is slow does not hold the answer past its deadline: it is written all
            // the same, and going down waits for it.
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

/// The codes, each once.
fn codes(complaints: &[UserError]) -> Vec<String> {
    let mut codes: Vec<&str> = complaints.iter().map(|complaint| complaint.code.name()).collect();
    codes.sort_unstable();
    codes.dedup();
    codes.into_iter().map(str::to_owned).collect()
}

/// The customer that an act was about, as it was told.
pub trait AuditedCustomer {
    /// Its id, where the act itself does not say it.
    fn id(&self) -> Option<CustomerId>;

    /// What must not stand in a reason.
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

/// What the upstream may leave out, as it does where it answers an erasure without a body.
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
