//! Calls the REST Customers API. No other folder knows its wire format.
//!
//! [`client`] has one function for each endpoint. It is strict in what it sends and lenient in what it reads. It
//! returns a type of the model, or an [`Error`] with the kind of failure. Every call goes through [`call::stack`]:
//! retries, concurrency limit, throttle, deadline, circuit breaker, timeout. This folder caches nothing and writes no
//! error text for callers of the gateway.

pub(crate) mod call;
pub(crate) mod client;
mod error;
pub mod wire;

pub use crate::outbound::ConnectFailure;
pub use call::context::CallContext;
pub use call::deadline::Deadline;
pub use call::recheck::Recheck;
pub use client::{Client, CustomerRecord, Decoded};
pub use error::{Error, ErrorKind, Rejection, RejectionItem};
pub use wire::body::{NewCustomer, ProfileBody, Replacement};
pub use wire::query::{ArrayEncoding, PageQuery};
pub use wire::unknown_members::{FullReplacement, UnknownMembers};
