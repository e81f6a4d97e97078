//! On whose behalf the upstream is called.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use secrecy::SecretString;
use uuid::Uuid;

use super::deadline::Deadline;
use crate::telemetry::busy_time::BusyTime;

/// For whom a call is made.
#[derive(Clone, Debug)]
pub struct CallContext {
    pub credential: SecretString,
    /// The digest of `credential` under the process's secret, for the cache scope.
    pub credential_digest: u128,
    /// `Straddle-Account-Id`, where the caller acts for one.
    pub account: Option<Uuid>,
    /// Who asks, as a digest. With the gateway's own key several callers have one credential.
    pub client_key: u128,
    /// The id of the gateway's request that needs the call.
    pub correlation_id: String,
    /// Counts the calls that go out for this request, however many attempts each takes.
    pub calls: Arc<AtomicU64>,
    /// For how long this request has waited for calls.
    pub busy_time: Arc<BusyTime>,
    /// How long it waits for a call.
    pub deadline: Deadline,
}

impl CallContext {
    /// The same with another deadline.
    #[must_use]
    pub fn with_deadline(&self, deadline: Deadline) -> Self {
        Self { deadline, ..self.clone() }
    }
}
