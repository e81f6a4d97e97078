//! What keeps personal data where it belongs: types that never print, texts that are cut before they leave, fields that
//! are marked in the schema, and a record of who saw or changed whom.

pub mod audit;
pub mod digest;
pub mod personal;
pub mod pii;
pub mod redact;
pub mod sentences;

pub use personal::Personal;
