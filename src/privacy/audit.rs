//! Who saw or changed whom: one record for each act, written before its answer is released.
//!
//! A record says who, what, about whom, why and how it ended, and never a value of the customer's. Records form a chain
//! (see [`chain`]), so that a change or a cut shows. One thread of its own writes them (see [`sink`]); whoever makes a
//! record waits for the word that its line is written, within a bound, and decides what it means where it is not: what
//! is to be shown is not shown then, what was done already is told, and the log says that a record is missing.

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

pub use record::{Action, Actor, Outcome, Record};
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

/// The way to the audit file.
#[derive(Debug)]
pub struct AuditLog {
    /// `None` where no records are kept.
    requests: Option<mpsc::Sender<WriteRequest>>,
    timeout: Duration,
    missing_records: AtomicU64,
}

/// A record is not known to be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RecordingError {
    #[error("it was not written in time")]
    TooSlow,
    #[error("it could not be written")]
    Failed,
}

impl AuditLog {
    /// No records at all: for the sandbox, whose people are made up.
    pub fn off() -> Self {
        Self { requests: None, timeout: Duration::ZERO, missing_records: AtomicU64::new(0) }
    }

    /// Opens the destination and goes on with the chain that is there.
    ///
    /// # Errors
    /// Where the destination cannot be written, is another gateway's, or ends in something that is no record.
    pub fn open(destination: &Destination, settings: Settings) -> Result<Self, DestinationError> {
        let orders = sink::start(destination, settings.fsync, settings.queue_size)?;
        Ok(Self { requests: orders, timeout: settings.timeout, missing_records: AtomicU64::new(0) })
    }

    /// Whether it looks as if it could be opened, without making, locking or reading anything.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn check(destination: &Destination) -> Result<(), DestinationError> {
        sink::check(destination)
    }

    /// Writes a record, and comes back when it is written: by `deadline`, and within the setting's time, at the latest.
    ///
    /// # Errors
    /// Where it is not known to be written. That is logged and counted here.
    pub async fn write(&self, record: Record, deadline: Option<Instant>) -> Result<(), RecordingError> {
        let Some(orders) = &self.requests else { return Ok(()) };
        let (action, request_id) = (record.action.name(), record.request_id.clone());
        let patience = Instant::now() + self.timeout;
        let until = deadline.map_or(patience, |deadline| deadline.min(patience));
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
            Ok(()) => "written",
            Err(RecordingError::TooSlow) => "too_slow",
            Err(RecordingError::Failed) => "failed",
        };
        metrics::counter!(names::AUDIT_RECORDS, "outcome" => counted).increment(1);
        if let Err(problem) = outcome {
            let missing_total = self.missing_records.fetch_add(1, Ordering::Relaxed) + 1;
            error!(action, request_id, %problem, missing_total, "an audit record is missing");
        }
        outcome
    }

    /// Waits until all that was to be written before is written, for so long at most.
    pub async fn flush(&self, most: Duration) {
        let Some(orders) = &self.requests else { return };
        let (written, told) = oneshot::channel();
        let passed = async {
            if orders.send(WriteRequest { record: None, done: written }).await.is_ok() {
                // A writer that is gone has nothing left to write.
                let _gone = told.await;
            }
        };
        if timeout(most, passed).await.is_err() {
            error!("audit records were still waiting to be written when the process ended");
        }
    }

    /// How many records are not known to be written since the start.
    pub fn missing_records(&self) -> u64 {
        self.missing_records.load(Ordering::Relaxed)
    }
}
