//! Ask: the only place that knows the REST Customers API.
//!
//! One function an endpoint in [`client`], strict in what it sends and lenient in what it reads. What comes back is
//! either a clean type of the model or an [`Error`] that says which of the wire's failures it was. Every call goes through
//! the [`stack`]: deadline, retries, bounded concurrency, breaker, time-out. Nothing here caches, and nothing here tells a
//! caller of the gateway anything.

pub mod call;
pub mod client;
pub mod error;
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
