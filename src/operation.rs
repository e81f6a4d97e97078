//! May it run: what stands between a request's text and the schema, the same for every transport.
//!
//! [`Executor::prepare`] takes the steps in order: trusted document → (scan → parse → bounds → conflicts: kept) → choose
//! the operation → coerce variables → count values and calls → mend what the engine would get wrong. [`Executor::run`]
//! validates what has not passed validation before, runs it, and sees to it that every error has its code and says nothing
//! that it should not.

pub mod body_budget;
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
pub mod typename;
pub mod types;
pub mod unmask_limit;
pub mod validated;
pub mod values;
pub mod variables;

pub use executor::{Executor, Label, Operation, Prepared};
pub use outcome::Outcome;
