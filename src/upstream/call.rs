//! How the upstream is called: one HTTP request with deadline, retries, concurrency limit, circuit breaker and timeout.

pub mod breaker;
pub mod concurrency;
pub mod context;
pub mod deadline;
pub mod decoding;
pub mod metrics;
pub mod observe;
pub mod recheck;
pub mod retry;
pub mod stack;
pub mod throttle;
pub mod transport;
