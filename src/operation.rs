//! May it run: what stands between a request's text and the schema, the same for every transport.
//!
//! [`Executor::prepare`] takes the steps in order: trusted document → text → valid document ([`document`], kept) → choose
//! the operation → coerce the variables → collect the fields ([`collect`], kept) → put the variables in ([`lower`]) → cost
//! and limits. [`Executor::run`] runs what comes of it, and sees to it that every error has its code and says nothing that
//! it should not.

pub mod cost;
pub mod document;
pub mod executor;
pub mod lower;
pub mod on_error;
pub mod response;
pub mod variables;

pub use document::errors::RequestError;
pub use executor::{Executor, GraphqlRequest, OperationLabel, PreparedOperation};
pub use on_error::OnError;
pub use response::GraphqlResponse;
