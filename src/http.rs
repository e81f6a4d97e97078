//! The HTTP edge. It knows no fields of customers.
//!
//! [`graphql`] implements GraphQL over HTTP. The engine's own handler passes 46 of the 61 audits of the specification, runs
//! mutations by GET, reads any content type, and does not limit bodies.

mod body;
mod compression;
mod content_coding;
mod cross_origin;
mod graphql;
pub mod head_limits;
mod metrics;
mod negotiation;
mod parameters;
mod playground;
mod probes;
mod request_id;
mod request_log;
mod request_span;
mod request_timeout;
mod response;
mod router;
mod server_timing;

pub use router::{admin, public};
