//! Errors of reads and writes. An error in the input that the caller can fix is a `UserError` instead.

use std::sync::Arc;

use crate::error::ErrorCode;
use crate::upstream::{self, ErrorKind};

/// Why a read or a write has no result.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The upstream gave no usable response.
    #[error(transparent)]
    Upstream(Arc<upstream::Error>),
    /// The upstream gave no usable response to a write. The write may have taken effect.
    #[error("{0}; the write may have been carried out")]
    OutcomeUnknown(Arc<upstream::Error>),
    /// The request's deadline passed. The request changed nothing.
    #[error("the deadline passed")]
    DeadlineExceeded,
    /// The request's deadline passed during a write. The write continues.
    #[error("the deadline passed while a write was under way")]
    DeadlineExceededInWrite,
    /// An argument is invalid. The text explains the error without the value.
    #[error("{0}")]
    InvalidInput(String),
    /// The update's change of the status is a decision, and the caller has no permission for decisions. Nothing was
    /// sent.
    #[error("the change of status is a decision, which the caller may not make")]
    DecisionForbidden,
    /// A task was lost: it panicked, or the process shuts down.
    #[error("a task was lost")]
    TaskLost,
    /// The task of a write was lost. The write may have taken effect.
    #[error("the task of a write was lost")]
    TaskLostInWrite,
    /// The audit record of an unmasking could not be written, so the customer is not shown.
    #[error("the audit record could not be written")]
    AuditFailed,
}

impl Error {
    /// The public code, for callers and audit records. `callers_key`: the upstream call used the caller's own key. Only
    /// then can the caller correct the key.
    pub fn code(&self, callers_key: bool) -> ErrorCode {
        match self {
            Self::Upstream(error) | Self::OutcomeUnknown(error) => upstream_code(&error.kind, callers_key),
            Self::DeadlineExceeded | Self::DeadlineExceededInWrite => ErrorCode::UpstreamTimeout,
            Self::InvalidInput(_) => ErrorCode::BadUserInput,
            Self::DecisionForbidden => ErrorCode::Forbidden,
            Self::TaskLost | Self::TaskLostInWrite | Self::AuditFailed => ErrorCode::InternalServerError,
        }
    }

    /// Whether the outcome of a write is unknown after this error.
    pub fn leaves_outcome_unknown(&self) -> bool {
        matches!(self, Self::OutcomeUnknown(_) | Self::DeadlineExceededInWrite | Self::TaskLostInWrite)
    }
}

fn upstream_code(kind: &ErrorKind, callers_key: bool) -> ErrorCode {
    match kind {
        ErrorKind::Unauthenticated if callers_key => ErrorCode::Unauthenticated,
        ErrorKind::Unauthenticated
        | ErrorKind::Unreachable(_)
        | ErrorKind::ConnectionLost
        | ErrorKind::BreakerOpen { .. } => ErrorCode::UpstreamUnavailable,
        ErrorKind::Forbidden => ErrorCode::Forbidden,
        ErrorKind::NotFound | ErrorKind::Failed { .. } | ErrorKind::Superseded { .. } => ErrorCode::UpstreamError,
        ErrorKind::Rejected(_) | ErrorKind::Conflict(_) => ErrorCode::BadUserInput,
        ErrorKind::RateLimited { .. } | ErrorKind::Throttled { .. } => ErrorCode::UpstreamRateLimited,
        ErrorKind::TimedOut | ErrorKind::DeadlineExceeded | ErrorKind::InProgress => ErrorCode::UpstreamTimeout,
        ErrorKind::Unchecked(look) => upstream_code(&look.kind, callers_key),
        ErrorKind::QueueFull => ErrorCode::Overloaded,
        ErrorKind::MalformedSuccess(_) | ErrorKind::Invalid(_) => ErrorCode::UpstreamInvalidResponse,
    }
}

impl From<upstream::Error> for Error {
    fn from(error: upstream::Error) -> Self {
        Self::Upstream(Arc::new(error))
    }
}
