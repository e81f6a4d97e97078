//! Why a reading or writing has no result. What a caller can mend in its input is no error here but a `UserError`.

use std::sync::Arc;

use crate::error::ErrorCode;
use crate::upstream::{self, ErrorKind};

/// No result, and why.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The upstream gave no usable answer.
    #[error(transparent)]
    Upstream(Arc<upstream::Error>),
    /// The upstream gave no usable answer to a write: it may have been carried out.
    #[error("{0}; the write may have been carried out")]
    OutcomeUnknown(Arc<upstream::Error>),
    /// The request's deadline passed. Nothing was changed by it.
    #[error("the deadline passed")]
    DeadlineExceeded,
    /// The request's deadline passed while a write was under way: it goes on.
    #[error("the deadline passed while a write was under way")]
    DeadlineExceededInWrite,
    /// An argument is wrong; the text says how, without its value.
    #[error("{0}")]
    InvalidInput(String),
    /// The update changes the status in a way that is a decision, and its caller may not decide. Nothing was sent.
    #[error("the change of status is a decision, which the caller may not make")]
    DecisionForbidden,
    /// A task was lost: it panicked, or the process is going down.
    #[error("a task was lost")]
    TaskLost,
    /// The task of a write was lost: it may have been carried out.
    #[error("the task of a write was lost")]
    TaskLostInWrite,
    /// It could not be recorded who was about to see what, so it is not shown.
    #[error("the audit record could not be written")]
    AuditFailed,
}

impl Error {
    /// The code that callers and records know it by. `callers_key` says whether the upstream was asked with the
    /// caller's own key: only the caller can do something about that one.
    pub fn code(&self, callers_key: bool) -> ErrorCode {
        match self {
            Self::Upstream(error) | Self::OutcomeUnknown(error) => upstream_code(&error.kind, callers_key),
            Self::DeadlineExceeded | Self::DeadlineExceededInWrite => ErrorCode::UpstreamTimeout,
            Self::InvalidInput(_) => ErrorCode::BadUserInput,
            Self::DecisionForbidden => ErrorCode::Forbidden,
            Self::TaskLost | Self::TaskLostInWrite | Self::AuditFailed => ErrorCode::InternalServerError,
        }
    }

    /// Whether this ended a write of which nobody knows now whether it was carried out.
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
