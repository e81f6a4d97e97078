//! Writing customers: what is checked, merged, sent, and recorded.

pub mod audit;
pub mod changed_fields;
pub mod idempotency;
pub mod locks;
pub mod merge;
pub mod unchanged_fields;
pub mod updatable_fields;
pub mod update;
pub mod user_errors;
pub mod validation;
pub mod writer;
