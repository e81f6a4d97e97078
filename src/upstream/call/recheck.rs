//! Checks before a retry of a write whether the write still fits the current record.
//!
//! A write replaces the record that was read before it. Between two attempts another client can change the same
//! customer, and the retry would undo that change. The upstream has no conditional write, so this check is a read: a
//! change between the check and the retry is not detected.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::upstream::call::transport::Request;
use crate::upstream::error::{Error, ErrorKind};

/// Returns whether a write may be sent again.
pub type Recheck = Arc<dyn Fn() -> BoxFuture<'static, Result<bool, Error>> + Send + Sync>;

/// Runs a write's [`Recheck`], except before its first attempt.
///
/// # Errors
/// Why the write must not be sent.
pub async fn check(request: &Request) -> Result<(), Error> {
    let Some(recheck) = request.recheck.as_ref().filter(|_| request.is_retry) else { return Ok(()) };
    let was_sent = request.retry_reason.is_some();
    match recheck().await {
        Ok(true) => Ok(()),
        Ok(false) => Err(ErrorKind::Superseded { was_sent }.into()),
        Err(error) if !was_sent => Err(ErrorKind::Unchecked(Box::new(error)).into()),
        // The error is about the check, and not about the write.
        Err(error) => Err(Error { is_from_api: false, ..error }),
    }
}
