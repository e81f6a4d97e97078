//! The id of a request: the response header `Request-Id`, the errors, the log, and the calls to the upstream contain it.

use uuid::Uuid;

/// The id of a request. The gateway always makes a new one: an id that the caller chose could contain any text, and the
/// id goes into logs.
#[derive(Clone, Debug)]
pub struct RequestId(String);

impl RequestId {
    /// A new, unique id.
    pub fn new() -> Self {
        Self(Uuid::now_v7().to_string())
    }

    /// The text in headers, errors and logs: a UUID of version 7.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
