//! Updates. The upstream only replaces whole customers, so the gateway reads the customer, merges the changes and sends
//! the whole customer.

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
    /// Changes the given fields and keeps all others. `may_decide`: the caller has the permission for decisions, which
    /// some changes of the status need.
    ///
    /// # Errors
    /// If the upstream gives no usable response. Errors that the caller can fix are in [`WriteResult`].
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
                // The customer holds all given values in the upstream's own form, so this is a repeated update.
                fields.clear();
            }
            let (changes_nothing, status) = (fields.is_empty(), status_change(&input, &base));
            // Nothing else sets it.
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
                // An earlier update with the same key sent another replacement, before another caller changed the
                // customer. The customer has the given values.
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
    /// Sends the whole customer. A retry sends it again only if no other caller has changed the other fields meanwhile.
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
                        // The customer does not exist, so the write cannot undo a change. The upstream's response to it
                        // tells the outcome.
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
            // If the customer has the given values, the update took effect, and another caller changed the customer
            // later.
            if missing(input, &known.fields).fields.is_empty() {
                return self.unchanged_result(caller, id, known.masked).await;
            }
        }
        Err(WriteError::upstream(error, personal_values(body)))
    }

    /// The unknown members of the record that the update sends back: all except those inside an object that the update
    /// replaces. An error if the update would drop another one. Members of a masked record are never sent back.
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
        warn!(
            members = names,
            "an update was rejected: it would drop members of the record that this version does not know"
        );
        let what_to_do = match policy {
            UnknownMembersPolicy::Refuse => "The gateway's operator can have them kept by `upstream.unknown_members`.",
            UnknownMembersPolicy::Carry => "The upstream does not show their values in clear.",
        };
        let message = format!(
            "The customer's record has members that the gateway does not know ({names}), and this update would drop them. Nothing was sent. {what_to_do}"
        );
        Err(WriteError::Invalid(vec![UserError::without_path(UserErrorCode::Refused, message)]))
    }

    /// The result of an update that changes nothing: the customer already has all given values, as after an update
    /// whose response was lost. If the record was read masked, the result is that record.
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

    /// Checks the permission and the reason of an update that decides about a customer, as `decideCustomerReview` does.
    fn check_decision(&self, input: &UpdateCustomerInput, may_decide: bool) -> Result<(), WriteError> {
        if !may_decide {
            return Err(WriteError::Forbidden);
        }
        let missing = validation::reason(input.reason.as_ref(), self.services.required_reasons.decide);
        if missing.is_empty() { Ok(()) } else { Err(WriteError::Invalid(missing)) }
    }
}

/// The user error of an update whose `expectedUpdatedAt` is older than the customer, if the customer is not known to
/// have all given values.
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
