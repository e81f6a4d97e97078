//! Everything that is tested from outside, over HTTP, one module a feature.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets what it did not expect should stop where it is"
)]

mod layout;
mod sandbox;
mod support;

mod binary;
mod caching;
mod edge;
mod errors;
mod language;
mod paging;
mod partial_failure;
mod reading;
mod schema;
mod wire;
mod writing;
