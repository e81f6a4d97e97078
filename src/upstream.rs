//! Ask: the only place that knows the REST Customers API.
//!
//! One function an endpoint in [`client`], strict in what it sends and lenient in what it reads. What comes back is
//! either a clean type of the model or an [`Error`] that says which of the wire's failures it was. Every call goes through
//! the [`stack`]: deadline, retries, bounded concurrency, breaker, time-out. Nothing here caches, and nothing here tells a
//! caller of the gateway anything.

pub mod body;
pub mod breaker;
pub mod client;
pub mod concurrency;
pub mod deadline;
pub mod decoding;
pub mod envelope;
pub mod error;
pub mod metrics;
pub mod observe;
pub mod query;
pub mod recheck;
pub mod record;
pub mod retry;
pub mod stack;
pub mod throttle;
pub mod transport;
pub mod unknown_members;
pub mod wire;

pub use crate::outbound::ConnectFailure;
pub use body::{NewCustomer, ProfileBody, Replacement};
pub use client::{CallContext, Client, CustomerRecord, Decoded};
pub use deadline::Deadline;
pub use error::{Error, ErrorKind, Rejection, RejectionItem};
pub use query::{ArrayEncoding, PageQuery};
pub use recheck::Recheck;
pub use unknown_members::{FullReplacement, UnknownMembers};
