//! The steps between a request's text and the schema. Every transport uses them.
//!
//! [`Executor::prepare`] takes the steps in order: trusted document → text → valid document ([`document`], cached) →
//! select the operation → coerce the variables → collect the fields ([`document::collect`], cached) → insert the
//! variables ([`lower`]) → cost and limits. [`Executor::run`] runs the result. It ensures that every error has a code
//! and contains no value of the caller.

pub mod cost;
pub mod document;
pub mod executor;
pub mod lower;
mod on_error;
pub mod response;
pub mod variables;

pub use document::errors::RequestError;
pub use executor::{Executor, GraphqlRequest, OperationLabel, PreparedOperation};
pub use on_error::OnError;
pub use response::GraphqlResponse;
