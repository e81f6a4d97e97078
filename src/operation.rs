//! May it run: what stands between a request's text and the schema, the same for every transport.
//!
//! [`Executor::prepare`] takes the steps in order: trusted document → scan → parse (kept) → bounds →
//! conflicts → choose the operation → coerce variables → mend what the engine would get wrong. [`Executor::run`] runs what came out of it and sees to it that every error
//! has its code and says nothing that it should not.

pub mod bounds;
pub mod conflicts;
pub mod crowd;
pub mod documents;
pub mod executor;
pub mod outcome;
pub mod rate_limit;
pub mod rewrite;
pub mod scan;
pub mod trusted;
pub mod types;
pub mod unmask_limit;
pub mod variables;

pub use executor::{Executor, Operation, Prepared};
pub use outcome::Outcome;
