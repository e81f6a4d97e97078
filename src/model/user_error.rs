//! What a caller can mend: the errors in a mutation's payload.

use async_graphql::{Enum, SimpleObject};
use strum::IntoStaticStr;

/// Something about the input, or the state of the customer, that the caller can mend. Nothing was changed, but for what
/// `CONFLICT` says.
#[derive(SimpleObject, Clone, PartialEq, Eq, Debug)]
pub struct UserError {
    /// What kind of trouble it is; for programs.
    pub code: UserErrorCode,
    /// What is wrong and what to do; for people. Holds no personal data.
    pub message: String,
    /// Where in the arguments, such as `["input", "address", "zip"]`; list positions are numbers as text.
    /// null where it is about the whole.
    pub path: Option<Vec<String>>,
}

/// What kind of trouble an input makes.
#[derive(Enum, IntoStaticStr, Clone, Copy, PartialEq, Eq, Debug)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum UserErrorCode {
    /// Not of the right form, or out of range.
    Invalid,
    /// Missing, where the rest of the input or the customer's state needs it.
    Required,
    /// Another customer has it already (the e-mail).
    Taken,
    /// There is no such customer.
    NotFound,
    /// The customer is not waiting for a decision.
    NotInReview,
    /// The customer changed since `expectedUpdatedAt`; or, without a path, while the update was being sent, so that it was not
    /// sent again and may have been made all the same. Read the customer again and decide anew.
    Conflict,
    /// This idempotency key belongs to a different request: take a new one.
    IdempotencyKeyReused,
    /// Refused by a rule of the upstream's, or since an update would drop members of the record that the gateway does not
    /// know; the message says which.
    Refused,
}

/// How many of them are told at once.
pub const MAX_USER_ERRORS: usize = 100;

impl UserErrorCode {
    /// Its name in the schema.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

impl UserError {
    /// An error at a place of the input: `at` are the names below `input`, in the schema's spelling.
    pub fn at<S: Into<String>>(
        code: UserErrorCode,
        at: impl IntoIterator<Item = S>,
        message: impl Into<String>,
    ) -> Self {
        let path = std::iter::once("input".to_owned()).chain(at.into_iter().map(Into::into)).collect();
        Self { code, message: message.into(), path: Some(path) }
    }

    /// An error about the whole.
    pub fn without_path(code: UserErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), path: None }
    }
}
