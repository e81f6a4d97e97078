//! Updating: the upstream replaces a customer as a whole, so the gateway reads it, merges, and sends the whole.

use std::sync::Arc;

use tracing::warn;

use crate::customers::write::audit::AppliedChange;
use crate::customers::write::changed_fields::{Missing, StatusChange, changed_fields, missing, status_change};
use crate::customers::write::idempotency::{IdempotencyKey, SubmittedCustomer};
use crate::customers::write::merge::{self, CurrentCustomer, Sendable};
use crate::customers::write::unchanged_fields::UnchangedFields;
use crate::customers::write::validation;
use crate::customers::write::writer::{WriteError, WriteResult, check_replay, personal_values, target_of, today};
use crate::customers::{AuditEvent, Error, Session, SessionContext};
use crate::model::input::UpdateCustomerInput;
use crate::model::{Customer, CustomerId, UserError, UserErrorCode};
use crate::upstream::wire::unknown_members::{FullReplacement, UnknownMembers, UnknownMembersPolicy};
use crate::upstream::{CallContext, ErrorKind, Recheck};

impl Session {
    /// Changes what is given and keeps what is not. `may_decide` says whether the caller may decide about customers, which
    /// some changes of the status need.
    ///
    /// # Errors
    /// Where there is no usable answer; what the caller can mend is in [`WriteResult`].
    pub async fn update(
        &self,
        input: UpdateCustomerInput,
        may_decide: bool,
    ) -> Result<WriteResult<Arc<Customer>>, Error> {
        let act = AuditEvent::of_update(&input);
        let id = match target_of(&act, validation::update(&input, today())) {
            Ok(id) => id,
            Err(complaints) => return self.reject(&act, complaints).await,
        };
        let key = self.idempotency_key(input.idempotency_key.as_ref());
        let found = act.applied_change();
        self.run_write(act, key.clone(), move |context, caller| async move {
            let (known, unknown) = context.current_record(&caller, id).await?;
            let CurrentCustomer { updated_at, masked, fields: base } = known;
            let missing = missing(&input, &base);
            let expected = input.expected_updated_at;
            let has_changed = expected.is_some_and(|expected| merge::has_changed_since(updated_at, expected));
            let mut fields = changed_fields(&input, &base);
            if has_changed && missing.fields.is_empty() {
                // It is a repetition, and the upstream has stored what it asks for in a form of its own.
                fields.clear();
            }
            let (changes_nothing, status) = (fields.is_empty(), status_change(&input, &base));
            // It is set here alone.
            let _first = found.set(AppliedChange { fields, status });
            if changes_nothing {
                return context.unchanged_result(&caller, id, masked).await;
            }
            if has_changed {
                return Err(WriteError::Invalid(vec![changed_since(&missing)]));
            }
            if status.is_some_and(StatusChange::is_decision) {
                context.check_decision(&input, may_decide)?;
            }
            let unknown = context.carried_members(unknown, &input, &base, masked.is_some())?;
            let untouched = UnchangedFields::new(&input, &base);
            let known = merge::replacement(base, input.clone()).map_err(WriteError::Invalid)?;
            context.check_deadline()?;
            let replaced =
                context.replace(&caller, id, &input, &key, &FullReplacement { known, unknown }, untouched).await;
            match replaced {
                // The key was used for another replacement: of an update with the same key, before somebody else changed the
                // customer. Its values are there.
                Err(WriteError::Upstream(error, _))
                    if matches!(error.kind, ErrorKind::Conflict(_))
                        && key.is_from_caller()
                        && missing.fields.is_empty() =>
                {
                    context.unchanged_result(&caller, id, masked).await
                }
                replaced => replaced,
            }
        })
        .await
    }
}

impl SessionContext {
    /// Sends the whole customer. It is sent again only while what the update leaves as it is has not been changed.
    async fn replace(
        self: &Arc<Self>,
        caller: &CallContext,
        id: CustomerId,
        input: &UpdateCustomerInput,
        key: &IdempotencyKey,
        body: &FullReplacement,
        untouched: UnchangedFields,
    ) -> Result<Arc<Customer>, WriteError> {
        let untouched = Arc::new(untouched);
        let recheck: Recheck = Arc::new({
            let (context, caller) = (Arc::clone(self), caller.clone());
            move || {
                let (context, caller, untouched) = (Arc::clone(&context), caller.clone(), Arc::clone(&untouched));
                Box::pin(async move {
                    match context.services.upstream.customer(&caller, id).await {
                        Ok(now) => Ok(untouched.still_hold(&now.value)),
                        // There is nothing that could be undone, and the upstream says what became of the write.
                        Err(error) if matches!(error.kind, ErrorKind::NotFound) => Ok(true),
                        Err(error) => Err(error),
                    }
                })
            }
        });
        let error = match self.services.upstream.replace(caller, id, body, &key.sent, recheck).await {
            Ok(customer) => return check_replay(key, &SubmittedCustomer::from(&body.known), customer),
            Err(error) => error,
        };
        if matches!(error.kind, ErrorKind::Superseded { was_sent: true })
            && let Ok((known, _)) = self.current_record(caller, id).await
        {
            // It was carried out, and somebody changed the customer after it.
            if missing(input, &known.fields).fields.is_empty() {
                return self.unchanged_result(caller, id, known.masked).await;
            }
        }
        Err(WriteError::upstream(error, personal_values(body)))
    }

    /// The members of the record that this version does not know, as the update sends them back: all but those inside an
    /// object that the update replaces. A refusal where it would drop any other. They are never taken of a masked record.
    fn carried_members(
        &self,
        unknown: UnknownMembers,
        input: &UpdateCustomerInput,
        base: &Sendable,
        is_masked: bool,
    ) -> Result<UnknownMembers, WriteError> {
        let policy = self.services.unknown_members_policy;
        let unknown = match policy {
            UnknownMembersPolicy::Carry => {
                let replaced = merge::replaced_objects(input, base);
                replaced.into_iter().fold(unknown, |unknown, path| unknown.without(path))
            }
            UnknownMembersPolicy::Refuse => unknown,
        };
        if unknown.is_empty() || (policy == UnknownMembersPolicy::Carry && !is_masked && !unknown.has_mask()) {
            return Ok(unknown);
        }
        let names = unknown.names();
        warn!(members = names, "an update was refused, since it would drop members that this version does not know");
        let what_to_do = match policy {
            UnknownMembersPolicy::Refuse => "The gateway's operator can have them kept by `upstream.unknown_members`.",
            UnknownMembersPolicy::Carry => "The upstream does not show their values in clear.",
        };
        let message = format!(
            "The customer's record has members that the gateway does not know ({names}), and this update would drop them. Nothing was sent. {what_to_do}"
        );
        Err(WriteError::Invalid(vec![UserError::without_path(UserErrorCode::Refused, message)]))
    }

    /// The answer to an update that changes nothing: the customer already has all that is asked for, as after an update
    /// whose answer was lost. It is the record that was read, where that was masked.
    async fn unchanged_result(
        &self,
        caller: &CallContext,
        id: CustomerId,
        masked: Option<Arc<Customer>>,
    ) -> Result<Arc<Customer>, WriteError> {
        match masked {
            Some(customer) => Ok(customer),
            None => {
                let read = self.services.upstream.customer(caller, id).await;
                read.map(|answer| Arc::new(answer.value)).map_err(WriteError::ReadFailed)
            }
        }
    }

    /// Lets an update decide about a customer, as `decideCustomerReview` does.
    fn check_decision(&self, input: &UpdateCustomerInput, may_decide: bool) -> Result<(), WriteError> {
        if !may_decide {
            return Err(WriteError::Forbidden);
        }
        let missing = validation::reason(input.reason.as_ref(), self.services.required_reasons.decide);
        if missing.is_empty() { Ok(()) } else { Err(WriteError::Invalid(missing)) }
    }
}

/// The customer has changed since its caller has read it, and is not known to hold what the update asks for.
fn changed_since(missing: &Missing) -> UserError {
    let message = match missing.are_hidden {
        true => format!(
            "The customer has changed since, and the upstream does not show whether it holds what was asked for ({}). To repeat an update whose answer was lost, send it with the same `idempotencyKey` and without `expectedUpdatedAt`. Else read the customer again and decide anew.",
            missing.fields.join(", ")
        ),
        false => "The customer has changed since: read it again and decide anew.".to_owned(),
    };
    UserError::at(UserErrorCode::Conflict, ["expectedUpdatedAt"], message)
}
