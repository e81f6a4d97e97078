//! Protection of personal data: types that never print their values, redaction of texts, the directive `@pii` in the
//! schema, and audit records.

pub mod audit;
pub mod digest;
pub mod personal;
pub mod pii;
pub mod redact;
pub mod sentences;

pub use personal::Personal;
