//! Why a reading or writing has no result. What a caller can mend in its input is no error here but a `UserError`.

use std::sync::Arc;

use crate::upstream;

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
    Deadline,
    /// The request's deadline passed while a write was under way: it goes on.
    #[error("the deadline passed while a write was under way")]
    DeadlineInWrite,
    /// An argument is wrong; the text says how, without its value.
    #[error("{0}")]
    BadInput(String),
    /// A task was lost: it panicked, or the process is going down.
    #[error("a task was lost")]
    Lost,
}

impl From<upstream::Error> for Error {
    fn from(error: upstream::Error) -> Self {
        Self::Upstream(Arc::new(error))
    }
}
