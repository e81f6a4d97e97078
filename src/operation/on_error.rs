//! What an error does to the rest of an answer: the request parameter `onError`, as proposed for the specification
//! (graphql-spec pull requests 1163 and 1236).

use serde::Deserialize;

/// What the error of a field does to the rest of the answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum OnError {
    /// The field is null where its type allows it, otherwise the next field above it that can be: a failed root field
    /// that cannot be null takes the whole answer. The specification's rule.
    #[default]
    Propagate,
    /// The field is null where it stands, whatever its type says, and everything else is there.
    Null,
    /// `data` is null, and no further mutation of the operation is begun.
    Halt,
}

impl OnError {
    /// The mode with this name, as requests and settings write it.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "PROPAGATE" => Some(Self::Propagate),
            "NULL" => Some(Self::Null),
            "HALT" => Some(Self::Halt),
            _ => None,
        }
    }
}
