//! How the upstream is called: one HTTP request with deadline, retries, concurrency limit, circuit breaker and timeout.

pub(crate) mod breaker;
pub(crate) mod concurrency;
pub(crate) mod context;
pub(crate) mod deadline;
mod decoding;
pub(crate) mod metrics;
pub(crate) mod observe;
pub(crate) mod recheck;
pub(crate) mod retry;
pub(crate) mod stack;
mod throttle;
pub(crate) mod transport;
