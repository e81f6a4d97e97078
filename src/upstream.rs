//! Ask: the only place that knows the REST Customers API.
//!
//! One function an endpoint in [`client`], strict in what it sends and lenient in what it reads. What comes back is
//! either a clean type of the model or an [`Error`] that says which of the wire's failures it was. Every call goes through
//! the [`stack`]: deadline, retries, bounded concurrency, breaker, time-out. Nothing here caches, and nothing here tells a
//! caller of the gateway anything.

pub mod body;
pub mod breaker;
pub mod client;
pub mod coding;
pub mod envelope;
pub mod error;
pub mod exchange;
pub mod metrics;
pub mod observe;
pub mod patience;
pub mod pauses;
pub mod places;
pub mod query;
pub mod received;
pub mod recheck;
pub mod retry;
pub mod stack;
pub mod unknown;
pub mod wire;

pub use crate::outbound::ConnectFailure;
pub use body::{NewCustomer, ProfileBody, Replacement};
pub use client::{Answer, Caller, Client, Record};
pub use error::{Error, Kind, Refusal, RefusalItem};
pub use patience::Patience;
pub use query::{ArrayEncoding, PageQuery};
pub use recheck::Recheck;
pub use unknown::{UnknownMembers, WholeReplacement};
