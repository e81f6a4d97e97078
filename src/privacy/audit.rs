//! Audit records: one for each mutation, written before the response is sent.
//!
//! A record contains the actor, the mutation, the customer's id, the reason and the outcome, and no values of the
//! customer. Records form a chain (see [`chain`]), so that a changed or removed line can be detected. A dedicated
//! thread writes them (see [`sink`]). The caller of [`AuditLog::write`] waits until the line is written, or until a
//! timeout. If the record is missing, an unmasked customer is not shown. The result of a write is returned, and the log
//! reports the missing record.

pub mod chain;
pub mod record;
pub mod sink;
pub mod verify;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::error;

pub use record::{Actor, Outcome, Record};
pub use sink::{Destination, DestinationError};

use sink::WriteRequest;

use crate::setting;
use crate::telemetry::names;

/// How records are written; see `[audit]` in `config/default.toml`.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Settings {
    /// Whether a line counts as written only once it is on the disk.
    pub fsync: bool,
    /// How many records may wait to be written.
    #[serde(deserialize_with = "setting::positive")]
    pub queue_size: usize,
    /// How long one may take to be written.
    #[serde(deserialize_with = "setting::positive_duration")]
    pub timeout: Duration,
}

/// Sends records to the thread that writes them.
#[derive(Debug)]
pub struct AuditLog {
    /// `None` if no records are written.
    requests: Option<mpsc::Sender<WriteRequest>>,
    timeout: Duration,
    missing_records: AtomicU64,
}

/// Why a record is not known to be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RecordingError {
    #[error("it was not written in time")]
    TooSlow,
    #[error("it could not be written")]
    Failed,
}

impl AuditLog {
    /// Writes no records: for the sandbox, whose customers are made up.
    pub fn off() -> Self {
        Self { requests: None, timeout: Duration::ZERO, missing_records: AtomicU64::new(0) }
    }

    /// Opens the destination and continues its chain.
    ///
    /// # Errors
    /// Where the destination cannot be written, is another gateway's, or ends in something that is no record.
    pub fn open(destination: &Destination, settings: Settings) -> Result<Self, DestinationError> {
        let orders = sink::start(destination, settings.fsync, settings.queue_size)?;
        Ok(Self { requests: orders, timeout: settings.timeout, missing_records: AtomicU64::new(0) })
    }

    /// Checks whether the destination could be opened, without creating, locking or reading a file.
    ///
    /// # Errors
    /// Why it could not be opened.
    pub fn check(destination: &Destination) -> Result<(), DestinationError> {
        sink::check(destination)
    }

    /// Writes a record. Returns when it is written, or at the earlier of `deadline` and the timeout of the settings.
    ///
    /// # Errors
    /// If the record is not known to be written. This method logs and counts the error.
    pub async fn write(&self, record: Record, deadline: Option<Instant>) -> Result<(), RecordingError> {
        let Some(orders) = &self.requests else { return Ok(()) };
        let (action, request_id) = (record.action, record.request_id.clone());
        let latest = Instant::now() + self.timeout;
        let until = deadline.map_or(latest, |deadline| deadline.min(latest));
        let (written, told) = oneshot::channel();
        let exchange = async {
            orders
                .send(WriteRequest { record: Some(record), done: written })
                .await
                .map_err(|_| RecordingError::Failed)?;
            told.await.map_err(|_| RecordingError::Failed)?.map_err(|_| RecordingError::Failed)
        };
        let outcome = timeout_at(until, exchange).await.unwrap_or(Err(RecordingError::TooSlow));
        let counted = match outcome {
            Ok(()) => "ok",
            Err(RecordingError::TooSlow) => "timed_out",
            Err(RecordingError::Failed) => "failed",
        };
        metrics::counter!(names::AUDIT_RECORDS, "outcome" => counted).increment(1);
        if let Err(problem) = outcome {
            let missing_records = self.missing_records.fetch_add(1, Ordering::Relaxed) + 1;
            error!(action, request_id, error = %problem, missing_records, "an audit record is missing");
        }
        outcome
    }

    /// Waits until all earlier records are written, at most for this time.
    pub async fn flush(&self, most: Duration) {
        let Some(orders) = &self.requests else { return };
        let (written, told) = oneshot::channel();
        let passed = async {
            if orders.send(WriteRequest { record: None, done: written }).await.is_ok() {
                // If the writer has ended, no record is left to write.
                let _gone = told.await;
            }
        };
        if timeout(most, passed).await.is_err() {
            error!("audit records were still waiting to be written when the process ended");
        }
    }

    /// The number of missing records since the start.
    pub fn missing_records(&self) -> u64 {
        self.missing_records.load(Ordering::Relaxed)
    }
}
