//! Maps errors of the layers below to public errors, and public errors to the engine's.

use std::time::Duration;

use async_graphql::{Context, ErrorExtensionValues, Value};

use crate::auth::{Credential, Permission, Principal};
use crate::customers;
use crate::error::{ErrorCode, PublicError};
use crate::model::lenient::UnreadableField;
use crate::upstream::ErrorKind;

/// A resolver's result.
pub type ResolverResult<T> = Result<T, PublicError>;

/// For a person, who sees it in a frontend. `docs/errors.md` says what a program does about it.
const CHECK_BEFORE_RETRY: &str = "The change may have been made. Check before you try again.";

impl From<PublicError> for async_graphql::Error {
    fn from(failure: PublicError) -> Self {
        let mut error = Self::new(failure.message.clone());
        error.extensions = Some(extensions(&failure));
        error
    }
}

/// The `extensions` of an error, except for the request's id, which the response adds.
pub fn extensions(failure: &PublicError) -> ErrorExtensionValues {
    let mut values = ErrorExtensionValues::default();
    values.set("code", failure.code.name());
    values.set("retryable", failure.is_retryable());
    if failure.is_outcome_unknown {
        values.set("outcome", "UNKNOWN");
    }
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

/// Maps an error of the layers below to the public error for this request's caller.
pub fn to_public_error(ctx: &Context<'_>, error: customers::Error) -> PublicError {
    let callers_key =
        ctx.data_opt::<Principal>().is_some_and(|principal| matches!(principal.credential, Credential::Caller(_)));
    public_error(&error, callers_key)
}

/// The error for a field whose value from the upstream cannot be read.
pub fn unreadable_field(UnreadableField(field): UnreadableField) -> PublicError {
    let message = format!("The Customers API sent `{field}` in a form that is not understood.");
    PublicError::new(ErrorCode::UpstreamInvalidResponse, message)
}

fn public_error(error: &customers::Error, callers_key: bool) -> PublicError {
    use customers::Error;
    let code = error.code(callers_key);
    let (what, advice) = match error {
        Error::Upstream(error) | Error::OutcomeUnknown(error) => wording(&error.kind, callers_key),
        Error::DeadlineExceeded | Error::DeadlineExceededInWrite => {
            ("The Customers API did not answer in time.", "Try again.")
        }
        Error::InvalidInput(message) => (message.as_str(), ""),
        Error::DecisionForbidden => (
            "This change of the status is a decision about the customer:",
            "it needs the permission REVIEWS_DECIDE, which you do not have.",
        ),
        Error::TaskLost | Error::TaskLostInWrite => ("Something went wrong in the gateway.", ""),
        Error::AuditFailed => {
            ("The gateway cannot write the audit record at the moment, so it does not show the customer.", "")
        }
    };
    let outcome_is_unknown = error.leaves_outcome_unknown();
    let advice = if outcome_is_unknown { CHECK_BEFORE_RETRY } else { advice };
    let message = [what, advice].join(" ").trim_end().to_owned();
    let failure = PublicError { is_outcome_unknown: outcome_is_unknown, ..PublicError::new(code, message) };
    match error {
        Error::Upstream(error) | Error::OutcomeUnknown(error) => PublicError {
            retry_after: match error.kind {
                // A permit is free as soon as one call ends.
                ErrorKind::QueueFull => Some(Duration::from_secs(1)),
                _ => error.kind.retry_after(),
            },
            upstream_request_id: error.api_request_id.map(|id| id.to_string()),
            ..failure
        },
        Error::DecisionForbidden => PublicError { permission: Some(Permission::ReviewsDecide.name()), ..failure },
        _ => failure,
    }
}

/// What happened, and what to do about it.
fn wording(kind: &ErrorKind, callers_key: bool) -> (&'static str, &'static str) {
    match kind {
        ErrorKind::Unauthenticated if callers_key => {
            ("The Customers API does not accept your key:", "send a valid one as `Authorization: Bearer …`.")
        }
        // The caller cannot correct the gateway's key. The log says what is wrong.
        ErrorKind::Unauthenticated
        | ErrorKind::Unreachable(_)
        | ErrorKind::ConnectionLost
        | ErrorKind::BreakerOpen { .. } => ("The Customers API cannot be reached at the moment.", "Try again later."),
        ErrorKind::Forbidden => ("The Customers API does not allow this to your account.", ""),
        ErrorKind::NotFound => ("The Customers API does not know the requested object.", ""),
        ErrorKind::Rejected(_) | ErrorKind::Conflict(_) => {
            ("The Customers API rejected the request:", "check the arguments' values.")
        }
        ErrorKind::InProgress => ("The Customers API is still processing this request.", ""),
        ErrorKind::RateLimited { .. } | ErrorKind::Throttled { .. } => {
            ("The Customers API limits the rate of calls.", "Wait, then try again.")
        }
        ErrorKind::Failed { .. } => ("The Customers API failed.", "Try again later."),
        ErrorKind::Superseded { .. } => {
            ("Another request changed the customer in the meantime.", "Read it again, then decide again.")
        }
        ErrorKind::TimedOut | ErrorKind::DeadlineExceeded => {
            ("The Customers API did not answer in time.", "Try again.")
        }
        ErrorKind::Unchecked(look) => wording(&look.kind, callers_key),
        ErrorKind::QueueFull => ("Too many calls to the Customers API are running.", "Try again shortly."),
        ErrorKind::MalformedSuccess(_) | ErrorKind::Invalid(_) => {
            ("The response of the Customers API was not valid.", "")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rstest::rstest;

    use super::*;
    use crate::upstream::{self, ConnectFailure, Rejection};

    #[rstest]
    #[case(ErrorKind::Unauthenticated, ErrorCode::UpstreamUnavailable)]
    #[case(ErrorKind::Forbidden, ErrorCode::Forbidden)]
    #[case(ErrorKind::Rejected(Rejection::default()), ErrorCode::BadUserInput)]
    #[case(ErrorKind::RateLimited { retry_after: None }, ErrorCode::UpstreamRateLimited)]
    #[case(ErrorKind::Throttled { retry_after: Duration::ZERO }, ErrorCode::UpstreamRateLimited)]
    #[case(ErrorKind::InProgress, ErrorCode::UpstreamTimeout)]
    #[case(ErrorKind::Failed { status: 500, retry_after: None }, ErrorCode::UpstreamError)]
    #[case(ErrorKind::Unreachable(ConnectFailure::ConnectionRefused), ErrorCode::UpstreamUnavailable)]
    #[case(ErrorKind::ConnectionLost, ErrorCode::UpstreamUnavailable)]
    #[case(ErrorKind::TimedOut, ErrorCode::UpstreamTimeout)]
    #[case(ErrorKind::QueueFull, ErrorCode::Overloaded)]
    #[case(ErrorKind::DeadlineExceeded, ErrorCode::UpstreamTimeout)]
    #[case(ErrorKind::BreakerOpen { retry_after: Duration::ZERO }, ErrorCode::UpstreamUnavailable)]
    #[case(ErrorKind::Invalid("x"), ErrorCode::UpstreamInvalidResponse)]
    fn each_kind_of_upstream_failure_has_its_code(#[case] kind: ErrorKind, #[case] code: ErrorCode) {
        assert_eq!(public_error(&upstream::Error::without_body(kind).into(), false).code, code);
    }

    #[test]
    fn only_a_callers_own_key_is_the_callers_to_mend() {
        let refused = upstream::Error::without_body(ErrorKind::Unauthenticated);
        assert_eq!(public_error(&refused.into(), true).code, ErrorCode::Unauthenticated);
    }

    #[test]
    fn a_write_of_unknown_outcome_is_not_told_as_one_to_repeat() {
        let error = Arc::new(upstream::Error::without_body(ErrorKind::TimedOut));
        let told = public_error(&customers::Error::OutcomeUnknown(error), false);
        assert_eq!(
            told.message,
            "The Customers API did not answer in time. The change may have been made. Check before you try again."
        );
        assert!(!told.is_retryable());
        assert_eq!(extensions(&told).get("outcome"), Some(&"UNKNOWN".into()));
    }

    #[rstest]
    #[case(customers::Error::DeadlineExceededInWrite, true)]
    #[case(customers::Error::TaskLostInWrite, true)]
    #[case(customers::Error::DeadlineExceeded, false)]
    #[case(customers::Error::TaskLost, false)]
    #[case(upstream::Error::without_body(ErrorKind::TimedOut).into(), false)]
    fn an_unknown_outcome_is_told_where_it_is_one_alone(#[case] error: customers::Error, #[case] unknown: bool) {
        let told = public_error(&error, false);
        let outcome = extensions(&told).get("outcome").cloned();
        assert_eq!((outcome.is_some(), told.message.contains("may have been made")), (unknown, unknown));
    }
}
