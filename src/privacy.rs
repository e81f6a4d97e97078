//! What keeps personal data where it belongs: types that never print, and texts that are cut before they leave.

pub mod personal;
pub mod redact;

pub use personal::Personal;
