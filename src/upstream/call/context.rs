//! The caller and the request for which the upstream is called.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use secrecy::SecretString;
use uuid::Uuid;

use super::deadline::Deadline;
use crate::telemetry::busy_time::BusyTime;

/// What all upstream calls of a request have in common.
#[derive(Clone, Debug)]
pub struct CallContext {
    pub credential: SecretString,
    /// The digest of `credential` under the process's secret, for the cache scope.
    pub credential_digest: u128,
    /// `Straddle-Account-Id`, if the caller acts for an account.
    pub account: Option<Uuid>,
    /// A digest of the caller. With the gateway's own key, several callers have the same credential.
    pub client_key: u128,
    /// The id of the request to the gateway.
    pub correlation_id: String,
    /// Counts the upstream calls of this request. A call with several attempts counts once.
    pub calls: Arc<AtomicU64>,
    /// The time during which at least one call of this request ran.
    pub busy_time: Arc<BusyTime>,
    /// When the caller stops waiting for a call.
    pub deadline: Deadline,
}

impl CallContext {
    /// A copy with another deadline.
    #[must_use]
    pub fn with_deadline(&self, deadline: Deadline) -> Self {
        Self { deadline, ..self.clone() }
    }
}
