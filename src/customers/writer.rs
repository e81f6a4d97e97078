//! Writing: check → wait for one's turn → send → forget what was kept.
//!
//! A write runs in a task of its own: once sent it is carried through, also where the caller hangs up or its deadline
//! passes. It is sent once, with an idempotency key: the caller's, or one made for it.

use std::sync::Arc;

use serde::Serialize;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::merge::{self, Known};
use super::refusal::{Write, mend};
use super::validation;
use super::{Error, Session, SessionContext};
use crate::model::input::{
    CreateCustomerInput, DecideCustomerReviewInput, DeleteCustomerInput, RefreshCustomerReviewInput,
    UnmaskCustomerInput, UpdateCustomerInput,
};
use crate::model::{Customer, CustomerId, Date, UnmaskedCustomer, UserError, UserErrorCode};
use crate::privacy::Personal;
use crate::upstream::{self, Kind, NewCustomer};

/// What a write gives: its result, or what the caller has to mend.
pub type Written<T> = Result<T, Vec<UserError>>;

impl Session {
    /// Creates a customer.
    ///
    /// # Errors
    /// Where there is no usable answer; what the caller can mend is in [`Written`].
    pub async fn create(&self, input: CreateCustomerInput) -> Result<Written<Arc<Customer>>, Error> {
        let complaints = validation::of_new(&input, today());
        if !complaints.is_empty() {
            return Ok(Err(complaints));
        }
        let (key, callers) = key(input.idempotency_key.as_ref());
        let body = NewCustomer::from(input);
        self.write(None, Write::Create, callers, move |context| async move {
            let sent = context.services.upstream.create(&context.caller, &body, &key).await;
            sent.map(Arc::new).map_err(|error| Unwritten::Refused(error, values_of(&body)))
        })
        .await
    }

    /// Changes what is given and keeps what is not: the upstream knows only how to replace a customer as a whole.
    ///
    /// # Errors
    /// Where there is no usable answer; what the caller can mend is in [`Written`].
    pub async fn update(&self, input: UpdateCustomerInput) -> Result<Written<Arc<Customer>>, Error> {
        let Ok(id) = input.id.parse::<CustomerId>() else {
            return Ok(Err(vec![Write::Update.not_found()]));
        };
        let complaints = validation::of_update(&input, today());
        if !complaints.is_empty() {
            return Ok(Err(complaints));
        }
        let (key, callers) = key(input.idempotency_key.as_ref());
        self.write(Some(id), Write::Update, callers, move |context| async move {
            let known = context.known(id).await?;
            if let Some(expected) = input.expected_updated_at
                && merge::has_changed_since(known.updated_at(), expected)
            {
                let message = "The customer has changed since: read it again and decide anew.";
                let conflict = UserError::at(UserErrorCode::Conflict, ["expectedUpdatedAt"], message);
                return Err(Unwritten::Unfit(vec![conflict]));
            }
            let body = merge::replacement(known, input).map_err(Unwritten::Unfit)?;
            context.still_in_time()?;
            let sent = context.services.upstream.replace(&context.caller, id, &body, &key).await;
            sent.map(Arc::new).map_err(|error| Unwritten::Refused(error, values_of(&body)))
        })
        .await
    }

    /// Erases a customer.
    ///
    /// # Errors
    /// Where there is no usable answer; what the caller can mend is in [`Written`].
    pub async fn delete(&self, input: DeleteCustomerInput) -> Result<Written<CustomerId>, Error> {
        let (id, key, callers) = match target(&input.id, input.idempotency_key.as_ref(), Write::Delete) {
            Ok(target) => target,
            Err(complaints) => return Ok(Err(complaints)),
        };
        self.write(Some(id), Write::Delete, callers, move |context| async move {
            let sent = context.services.upstream.delete(&context.caller, id, &key).await;
            sent.map(|_| id).map_err(Unwritten::from)
        })
        .await
    }

    /// Settles a customer that waits in review.
    ///
    /// # Errors
    /// Where there is no usable answer; what the caller can mend is in [`Written`].
    pub async fn decide(&self, input: DecideCustomerReviewInput) -> Result<Written<Arc<Customer>>, Error> {
        let (id, key, callers) = match target(&input.customer_id, input.idempotency_key.as_ref(), Write::Decide) {
            Ok(target) => target,
            Err(complaints) => return Ok(Err(complaints)),
        };
        self.write(Some(id), Write::Decide, callers, move |context| async move {
            let sent = context.services.upstream.decide(&context.caller, id, input.decision, &key).await;
            sent.map(Arc::new).map_err(Unwritten::from)
        })
        .await
    }

    /// Runs a customer's screening again.
    ///
    /// # Errors
    /// Where there is no usable answer; what the caller can mend is in [`Written`].
    pub async fn refresh(&self, input: RefreshCustomerReviewInput) -> Result<Written<Arc<Customer>>, Error> {
        let (id, key, callers) = match target(&input.customer_id, input.idempotency_key.as_ref(), Write::Refresh) {
            Ok(target) => target,
            Err(complaints) => return Ok(Err(complaints)),
        };
        self.write(Some(id), Write::Refresh, callers, move |context| async move {
            let sent = context.services.upstream.refresh(&context.caller, id, &key).await;
            sent.map(Arc::new).map_err(Unwritten::from)
        })
        .await
    }

    /// Shows a customer in clear. It changes nothing and is kept nowhere.
    ///
    /// # Errors
    /// Where there is no usable answer; what the caller can mend is in [`Written`].
    pub async fn unmask(&self, input: UnmaskCustomerInput) -> Result<Written<UnmaskedCustomer>, Error> {
        let Ok(id) = input.id.parse::<CustomerId>() else {
            return Ok(Err(vec![Write::Unmask.not_found()]));
        };
        let read = self.context.services.upstream.unmasked(&self.context.caller, id);
        match timeout_at(self.context.deadline, read).await {
            Err(_elapsed) => Err(Error::Deadline),
            Ok(Ok(customer)) => Ok(Ok(customer)),
            Ok(Err(error)) => mend(error, Write::Unmask, &[], false).map(Err),
        }
    }

    /// Carries a write out in its own task, in its turn, and forgets what was kept of what it touched.
    async fn write<T, W>(
        &self,
        id: Option<CustomerId>,
        write: Write,
        callers_key: bool,
        work: impl FnOnce(Arc<SessionContext>) -> W + Send + 'static,
    ) -> Result<Written<T>, Error>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, Unwritten>> + Send,
    {
        let context = Arc::clone(&self.context);
        let task = self.context.services.writes.spawn(async move {
            let _turn = match id {
                Some(id) => Some(context.services.turns.wait_for(context.scope, id).await),
                None => None,
            };
            context.still_in_time()?;
            let outcome = work(Arc::clone(&context)).await;
            if !matches!(outcome, Err(Unwritten::Unfit(_) | Unwritten::Unread(_) | Unwritten::TooLate)) {
                // Also where it failed: a write without an answer may have been carried out.
                context.services.cache.forget_pages(context.scope);
                if let Some(id) = id {
                    context.services.cache.forget_customer(context.scope, id);
                }
            }
            outcome
        });
        let outcome = match timeout_at(self.context.deadline, task).await {
            Err(_elapsed) => return Err(Error::DeadlineInWrite),
            Ok(Err(_lost)) => return Err(Error::Lost),
            Ok(Ok(outcome)) => outcome,
        };
        self.loaders.forget();
        match outcome {
            Ok(result) => Ok(Ok(result)),
            Err(Unwritten::Unfit(complaints)) => Ok(Err(complaints)),
            Err(Unwritten::Unread(error)) if matches!(error.kind, Kind::NotFound) => Ok(Err(vec![write.not_found()])),
            Err(Unwritten::Unread(error)) => Err(error.into()),
            Err(Unwritten::TooLate) => Err(Error::Deadline),
            Err(Unwritten::Refused(error, sent)) => mend(error, write, &sent, callers_key).map(Err),
        }
    }
}

/// Why a write was not carried out, or has no answer.
enum Unwritten {
    /// It does not fit the customer as it is; nothing was sent.
    Unfit(Vec<UserError>),
    /// The customer could not be read; nothing was sent.
    Unread(upstream::Error),
    /// The deadline passed while it waited; nothing was sent.
    TooLate,
    /// It was sent, with these values.
    Refused(upstream::Error, Vec<String>),
}

impl From<upstream::Error> for Unwritten {
    fn from(error: upstream::Error) -> Self {
        Self::Refused(error, Vec::new())
    }
}

impl SessionContext {
    /// The customer before an update, in clear where the upstream allows it.
    async fn known(&self, id: CustomerId) -> Result<Known, Unwritten> {
        let upstream = &self.services.upstream;
        match upstream.unmasked(&self.caller, id).await {
            Ok(customer) => Ok(Known::Clear(Box::new(customer))),
            // How an account without the permission is answered is not documented (wire document, section 9), so every
            // refusal is taken for one; a customer that is not there is not there in the masked read either.
            Err(error) if matches!(error.kind, Kind::Forbidden | Kind::NotFound | Kind::Refused(_)) => {
                let masked = upstream.customer(&self.caller, id).await.map_err(Unwritten::Unread)?;
                Ok(Known::Masked(Box::new(masked.value)))
            }
            Err(error) => Err(Unwritten::Unread(error)),
        }
    }

    /// Nothing is sent for a caller that has been told that time is up.
    fn still_in_time(&self) -> Result<(), Unwritten> {
        if Instant::now() < self.deadline { Ok(()) } else { Err(Unwritten::TooLate) }
    }
}

/// Whom a write is about, with which key and whether that is the caller's; or all that is wrong with it.
fn target(
    id: &str,
    given_key: Option<&Personal<String>>,
    write: Write,
) -> Result<(CustomerId, String, bool), Vec<UserError>> {
    let complaints = validation::of_key(given_key);
    match id.parse() {
        Ok(id) if complaints.is_empty() => {
            let (key, callers) = key(given_key);
            Ok((id, key, callers))
        }
        Ok(_) => Err(complaints),
        Err(_) => Err(std::iter::once(write.not_found()).chain(complaints).collect()),
    }
}

/// The caller's idempotency key or a new one, and whether it is the caller's.
fn key(given: Option<&Personal<String>>) -> (String, bool) {
    match given {
        Some(key) => (key.reveal().clone(), true),
        None => (Uuid::new_v4().to_string(), false),
    }
}

fn today() -> Date {
    Date(chrono::Utc::now().date_naive())
}

/// Every text of a body that could be a person's: what must not come back in a message. Words of enums stay, since
/// rules are about them.
fn values_of(body: &impl Serialize) -> Vec<String> {
    fn collect(value: serde_json::Value, values: &mut Vec<String>) {
        match value {
            serde_json::Value::String(text) => values.push(text),
            serde_json::Value::Array(items) => items.into_iter().for_each(|item| collect(item, values)),
            serde_json::Value::Object(fields) => fields
                .into_iter()
                .filter(|(name, _)| !matches!(name.as_str(), "type" | "status" | "config"))
                .for_each(|(_, field)| collect(field, values)),
            _ => {}
        }
    }
    let mut values = Vec::new();
    if let Ok(body) = serde_json::to_value(body) {
        collect(body, &mut values);
    }
    // Longest first: a name inside an e-mail must not break the e-mail up before it is found.
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    values
}
