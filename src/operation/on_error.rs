//! The request parameter `onError`: how far an error propagates in the response, as proposed for the specification
//! (graphql-spec pull requests 1163 and 1236).

use serde::Deserialize;

/// How far the error of a field propagates.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum OnError {
    /// The field is null if its type is nullable; otherwise the nearest nullable field above it is null. A failed
    /// non-null root field makes `data` null. This is the rule of the specification.
    #[default]
    Propagate,
    /// The field is null, whatever its type. The rest of the response is complete.
    Null,
    /// `data` is null, and no further mutation of the operation starts.
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
