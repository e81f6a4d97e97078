//! Everything that is tested from outside, over HTTP, one module a feature.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets what it did not expect should stop where it is"
)]

mod layout;
mod process;
mod support;

mod access;
mod advisories;
mod answers;
mod audit;
mod binary;
mod browser;
mod caching;
mod canary;
mod classification;
mod connections;
mod documents;
mod errors;
mod federation;
mod http;
mod language;
mod limits;
mod merging;
mod on_error;
mod outputs;
mod paging;
mod partial_failure;
mod playground;
mod rate_limit;
mod reading;
mod real_upstream;
mod resilience;
mod schema;
mod syntax;
mod telemetry;
mod validation;
mod wire;
mod writing;
