//! Load shedding: limits the concurrent operations, fairly per caller, and rejects the rest at once with `OVERLOADED`.

use std::sync::Arc;
use std::time::Duration;

use metrics::counter;

use super::ClientKey;
use crate::error::{ErrorCode, PublicError};
use crate::fair_limit::{FairLimit, Permit};
use crate::telemetry::names::{OPERATIONS_IN_FLIGHT, OPERATIONS_REJECTED};

/// An operation normally ends within a second. If none does, the gateway is overloaded and needs that pause.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The limit on concurrent operations.
#[derive(Debug)]
pub struct OperationLimit(Arc<FairLimit>);

impl OperationLimit {
    /// Creates a limit of `max` operations. None is running.
    pub fn new(max: usize) -> Self {
        Self(Arc::new(FairLimit::new(max, OPERATIONS_IN_FLIGHT)))
    }

    /// Acquires a permit for a caller's operation. It is released when it is dropped.
    ///
    /// # Errors
    /// `OVERLOADED` if no permit is free, or the caller holds its share.
    pub fn acquire(&self, client: ClientKey) -> Result<Permit, PublicError> {
        FairLimit::acquire(&self.0, client.digest).map_err(|rejected| {
            counter!(OPERATIONS_REJECTED, "reason" => rejected.name()).increment(1);
            overloaded()
        })
    }
}

/// The error for a request that finds no capacity.
pub fn overloaded() -> PublicError {
    let failure = PublicError::new(ErrorCode::Overloaded, "The gateway is at its limit. Try again shortly.");
    PublicError { retry_after: Some(RETRY_AFTER), ..failure }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overloaded_has_retry_after() {
        let limit = OperationLimit::new(1);
        let _only = limit.acquire(ClientKey::verified(1)).expect("the only permit");
        let refused = limit.acquire(ClientKey::verified(2)).expect_err("full");
        assert_eq!((refused.code, refused.retry_after_seconds()), (ErrorCode::Overloaded, Some(1)));
    }
}
