//! The edge: speaks HTTP and knows no customers.
//!
//! GraphQL over HTTP is our own handler ([`graphql`]): the engine's passes 46 of the 61 audits of the specification,
//! runs mutations by GET, reads any content type and has no bound on bodies.

pub mod answer;
pub mod body;
pub mod browser;
pub mod compression;
pub mod content_coding;
pub mod graphql;
pub mod head_limits;
pub mod media;
pub mod metrics;
pub mod middleware;
pub mod parameters;
pub mod patience;
pub mod payer;
pub mod playground;
pub mod probes;
pub mod router;
pub mod seen;
pub mod timing;

pub use router::{admin, public};
