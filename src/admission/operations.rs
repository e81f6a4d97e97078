//! How many operations run at once: past the bound the answer is no, at once, instead of slow for all; fair by caller.

use std::sync::Arc;
use std::time::Duration;

use metrics::counter;

use super::ClientKey;
use crate::error::{ErrorCode, PublicError};
use crate::fair_limit::{FairLimit, Permit};
use crate::telemetry::names::{OPERATIONS_IN_FLIGHT, OPERATIONS_REJECTED};

/// Operations end within a second, or the gateway is in trouble and has to be left alone that long.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The operations that run.
#[derive(Debug)]
pub struct OperationLimit(Arc<FairLimit>);

impl OperationLimit {
    /// Nobody there.
    pub fn new(max: usize) -> Self {
        Self(Arc::new(FairLimit::new(max, OPERATIONS_IN_FLIGHT)))
    }

    /// A place for a caller's operation, until it is dropped.
    ///
    /// # Errors
    /// `OVERLOADED` where there is none.
    pub fn acquire(&self, payer: ClientKey) -> Result<Permit, PublicError> {
        FairLimit::acquire(&self.0, payer.digest).map_err(|rejected| {
            counter!(OPERATIONS_REJECTED, "reason" => rejected.name()).increment(1);
            overloaded()
        })
    }
}

/// What somebody is told for whom there is no room.
pub fn overloaded() -> PublicError {
    let failure = PublicError::new(ErrorCode::Overloaded, "The gateway is at its limit. Try again shortly.");
    PublicError { retry_after: Some(RETRY_AFTER), ..failure }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overloaded_has_retry_after() {
        let crowd = OperationLimit::new(1);
        let _only = crowd.acquire(ClientKey::verified(1)).expect("the only place");
        let refused = crowd.acquire(ClientKey::verified(2)).expect_err("full");
        assert_eq!((refused.code, refused.retry_after_seconds()), (ErrorCode::Overloaded, Some(1)));
    }
}
