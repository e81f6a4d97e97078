//! The edge: speaks HTTP and knows no customers.
//!
//! GraphQL over HTTP is our own handler ([`graphql`]): the engine's passes 46 of the 61 audits of the specification,
//! runs mutations by GET, reads any content type and has no bound on bodies.

pub mod body;
pub mod compression;
pub mod content_coding;
pub mod cross_origin;
pub mod graphql;
pub mod head_limits;
pub mod metrics;
pub mod negotiation;
pub mod parameters;
pub mod playground;
pub mod probes;
pub mod request_id;
pub mod request_log;
pub mod request_span;
pub mod request_timeout;
pub mod response;
pub mod router;
pub mod server_timing;

pub use router::{admin, public};
