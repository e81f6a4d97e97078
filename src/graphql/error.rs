//! Errors of the layers below as failures that a caller gets to see, and failures as the engine's errors.

use std::time::Duration;

use async_graphql::{Context, ErrorExtensionValues, Value};

use crate::auth::{Credential, Principal};
use crate::customers;
use crate::error::{Code, Failure};
use crate::upstream::Kind;

/// A resolver's result.
pub type Answer<T> = Result<T, Failure>;

const CHECK_BEFORE_REPEATING: &str = "The change may have been made all the same: read the customer before you try \
    again, or repeat the request with the same `idempotencyKey`.";

impl From<Failure> for async_graphql::Error {
    fn from(failure: Failure) -> Self {
        let mut error = Self::new(failure.message.clone());
        error.extensions = Some(extensions(&failure));
        error
    }
}

/// What stands under `extensions` of an error, but for the request's id, which is put in where the answer is made.
pub fn extensions(failure: &Failure) -> ErrorExtensionValues {
    let mut values = ErrorExtensionValues::default();
    values.set("code", failure.code.name());
    values.set("retryable", failure.retryable());
    if let Some(id) = &failure.upstream_request_id {
        values.set("upstreamRequestId", id.as_str());
    }
    if let Some(seconds) = failure.retry_after_seconds() {
        values.set("retryAfterSeconds", Value::Number(seconds.into()));
    }
    if let Some(permission) = failure.permission {
        values.set("permission", permission);
    }
    values
}

/// An error of the layers below, as this request's caller gets to see it.
pub fn explain(ctx: &Context<'_>, error: customers::Error) -> Failure {
    let callers_key =
        ctx.data_opt::<Principal>().is_some_and(|principal| matches!(principal.credential, Credential::Callers(_)));
    failure(&error, callers_key)
}

fn failure(error: &customers::Error, callers_key: bool) -> Failure {
    use customers::Error;
    let code = error.code(callers_key);
    match error {
        Error::Upstream(error) => upstream_failure(error, code, callers_key),
        Error::OutcomeUnknown(error) => {
            let failure = upstream_failure(error, code, callers_key);
            let message = format!("{} {CHECK_BEFORE_REPEATING}", failure.message);
            Failure { message: message.into(), safe_to_repeat: false, ..failure }
        }
        Error::Deadline => Failure::new(code, "The Customers API did not answer in time. Try again."),
        Error::DeadlineInWrite => {
            let message = format!("The Customers API did not answer in time. {CHECK_BEFORE_REPEATING}");
            Failure { safe_to_repeat: false, ..Failure::new(code, message) }
        }
        Error::BadInput(message) => Failure::new(code, message.clone()),
        Error::Lost => Failure::new(code, "Something went wrong in the gateway."),
        Error::NotRecorded => {
            let message = "The gateway cannot record who sees the customer just now, so it does not show it.";
            Failure::new(code, message)
        }
    }
}

fn upstream_failure(error: &crate::upstream::Error, code: Code, callers_key: bool) -> Failure {
    let message = match &error.kind {
        Kind::Unauthenticated if callers_key => {
            "The Customers API does not accept your key: send a valid one as `Authorization: Bearer …`."
        }
        // The caller can do nothing about the gateway's key; the log says what it is.
        Kind::Unauthenticated | Kind::Unreachable | Kind::Interrupted | Kind::Open { .. } => {
            "The Customers API cannot be reached just now. Try again later."
        }
        Kind::Forbidden => "The Customers API does not allow this to your account.",
        Kind::NotFound => "The Customers API does not know what was asked for.",
        Kind::Refused(_) | Kind::Conflict(_) => "The Customers API refused the request: check the arguments' values.",
        Kind::RateLimited { .. } => "The Customers API limits the rate of calls. Wait, then try again.",
        Kind::Failed { .. } => "The Customers API failed. Try again later.",
        Kind::TimedOut | Kind::TooLate => "The Customers API did not answer in time. Try again.",
        Kind::Busy => "Too many calls to the Customers API are under way. Try again shortly.",
        Kind::Invalid(_) => "The answer of the Customers API was not understood.",
    };
    let retry_after = match error.kind {
        // A place is free as soon as one call ends.
        Kind::Busy => Some(Duration::from_secs(1)),
        _ => error.kind.retry_after(),
    };
    Failure {
        retry_after,
        upstream_request_id: error.api_request_id.map(|id| id.to_string()),
        ..Failure::new(code, message)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rstest::rstest;

    use super::*;
    use crate::upstream::{self, Refusal};

    #[rstest]
    #[case(Kind::Unauthenticated, Code::UpstreamUnavailable)]
    #[case(Kind::Forbidden, Code::Forbidden)]
    #[case(Kind::Refused(Refusal::default()), Code::BadUserInput)]
    #[case(Kind::RateLimited { retry_after: None }, Code::UpstreamRateLimited)]
    #[case(Kind::Failed { status: 500, retry_after: None }, Code::UpstreamError)]
    #[case(Kind::Unreachable, Code::UpstreamUnavailable)]
    #[case(Kind::Interrupted, Code::UpstreamUnavailable)]
    #[case(Kind::TimedOut, Code::UpstreamTimeout)]
    #[case(Kind::Busy, Code::Overloaded)]
    #[case(Kind::TooLate, Code::UpstreamTimeout)]
    #[case(Kind::Open { retry_after: Duration::ZERO }, Code::UpstreamUnavailable)]
    #[case(Kind::Invalid("x"), Code::UpstreamInvalidResponse)]
    fn each_kind_of_upstream_failure_has_its_code(#[case] kind: Kind, #[case] code: Code) {
        assert_eq!(failure(&upstream::Error::bare(kind).into(), false).code, code);
    }

    #[test]
    fn only_a_callers_own_key_is_the_callers_to_mend() {
        let refused = upstream::Error::bare(Kind::Unauthenticated);
        assert_eq!(failure(&refused.into(), true).code, Code::Unauthenticated);
    }

    #[test]
    fn a_write_of_unknown_outcome_is_not_told_as_one_to_repeat() {
        let error = Arc::new(upstream::Error::bare(Kind::TimedOut));
        let told = failure(&customers::Error::OutcomeUnknown(error), false);
        assert!(told.message.contains("idempotencyKey") && !told.retryable());
    }
}
