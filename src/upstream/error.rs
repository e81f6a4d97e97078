//! The errors of upstream calls. Kinds differ where the gateway or its caller must react differently.
//!
//! A rejection has the upstream's own sentences. They can contain personal data, so they are [`Personal`]: only the
//! code that redacts them reads them.

use std::time::Duration;

use uuid::Uuid;

use crate::outbound::ConnectFailure;
use crate::privacy::Personal;

/// A call without a usable response.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{kind}")]
pub struct Error {
    pub kind: ErrorKind,
    /// The upstream's id of the failed call (`meta.api_request_id`), if the body has one.
    pub api_request_id: Option<Uuid>,
    /// Whether the API itself responded: a 400, 404 or 422 in the API's envelope. A load balancer or a proxy returns
    /// such statuses, too, and knows nothing about an earlier attempt.
    pub is_from_api: bool,
}

/// The kinds of failure (`docs/upstream.md`, section 6).
#[derive(Clone, Debug, thiserror::Error)]
pub enum ErrorKind {
    /// 401: the credential is missing or wrong. The real API sends no body with it.
    #[error("the upstream does not accept the credential")]
    Unauthenticated,
    /// 403: the credential lacks the permission, or has it not for this account.
    #[error("the upstream does not permit the call with this credential")]
    Forbidden,
    /// 404 for a customer.
    #[error("the upstream has no such customer")]
    NotFound,
    /// 400 or 422: the input is invalid.
    #[error("the upstream rejected the request")]
    Rejected(Rejection),
    /// 409: the idempotency key belongs to another request.
    #[error("the upstream reports a conflict")]
    Conflict(Rejection),
    /// 409: the first request with this idempotency key still runs.
    #[error("the first request with this idempotency key still runs")]
    InProgress,
    /// 429.
    #[error("the rate limit of the upstream is reached")]
    RateLimited { retry_after: Option<Duration> },
    /// The key is throttled after a 429. Nothing was sent.
    #[error("the upstream has throttled this key")]
    Throttled { retry_after: Duration },
    /// 5xx.
    #[error("the upstream failed with status {status}")]
    Failed { status: u16, retry_after: Option<Duration> },
    /// There was no connection. Nothing was sent.
    #[error("the upstream cannot be reached: {0}")]
    Unreachable(ConnectFailure),
    /// The connection was lost after the request was sent.
    #[error("the connection to the upstream was lost")]
    ConnectionLost,
    /// No complete response within the timeout of the attempt.
    #[error("the upstream did not respond in time")]
    TimedOut,
    /// No permit of the concurrency limit: the queue was full, or the wait was too long. Nothing was sent.
    #[error("too many upstream calls are in flight")]
    QueueFull,
    /// The deadline passed before the call was sent.
    #[error("the deadline passed before the call was sent")]
    DeadlineExceeded,
    /// The circuit breaker is open. Nothing was sent.
    #[error("the circuit breaker is open, because the upstream fails")]
    BreakerOpen { retry_after: Duration },
    /// The customer was changed before the write could be sent again. `was_sent`: whether an earlier attempt was sent.
    #[error("the customer was changed before the write was sent again")]
    Superseded { was_sent: bool },
    /// The recheck of a throttled write failed with this error. The write was never sent.
    #[error("the customer could not be read before the write was sent: {0}")]
    Unchecked(Box<Error>),
    /// A 2xx response that is not JSON or not of the documented form.
    #[error("the upstream's response is invalid: {0}")]
    MalformedSuccess(&'static str),
    /// Any other invalid response: too large, a redirect, a web page with a 4xx.
    #[error("the upstream's response is invalid: {0}")]
    Invalid(&'static str),
}

/// The content of a rejection.
#[derive(Clone, Debug, Default)]
pub struct Rejection {
    /// One sentence about the request. Rejections by business rules have only this.
    pub detail: Option<Personal<String>>,
    /// The invalid fields.
    pub items: Vec<RejectionItem>,
}

/// An invalid field.
#[derive(Clone, Debug)]
pub struct RejectionItem {
    /// The path of the field in the upstream's spelling: `Device.IpAddress` on 400, `device.ip_address` on 422.
    pub reference: Option<String>,
    /// What is wrong with the field.
    pub detail: Personal<String>,
}

impl Error {
    /// An error of a response without a body, or without a response.
    pub fn without_body(kind: ErrorKind) -> Self {
        Self { kind, api_request_id: None, is_from_api: false }
    }

    /// Whether a write may have taken effect although no response confirms it.
    pub fn is_outcome_unknown(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::InProgress
                | ErrorKind::ConnectionLost
                | ErrorKind::TimedOut
                | ErrorKind::Failed { .. }
                | ErrorKind::Superseded { was_sent: true }
                | ErrorKind::MalformedSuccess(_)
                | ErrorKind::Invalid(_)
        )
    }
}

impl ErrorKind {
    /// The name of the kind in metrics and logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Rejected(_) => "rejected",
            Self::Conflict(_) => "conflict",
            Self::InProgress => "in_progress",
            Self::RateLimited { .. } => "rate_limited",
            Self::Throttled { .. } => "throttled",
            Self::Failed { .. } => "server_error",
            Self::Unreachable(_) => "unreachable",
            Self::ConnectionLost => "connection_lost",
            Self::TimedOut => "timed_out",
            Self::QueueFull => "queue_full",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::BreakerOpen { .. } => "breaker_open",
            Self::Superseded { .. } => "superseded",
            Self::Unchecked(look) => look.kind.name(),
            Self::MalformedSuccess(_) | Self::Invalid(_) => "invalid_response",
        }
    }

    /// Whether the upstream fails or cannot be reached. Rejections and rate limits are not failures.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::ConnectionLost | Self::TimedOut | Self::Failed { .. })
    }

    /// Whether it is a failure for the circuit breaker: an upstream that fails, or a 2xx response that is no success,
    /// such as a maintenance page. A 4xx never is, not even a web page: any caller can cause one.
    pub fn counts_for_breaker(&self) -> bool {
        self.is_unavailable() || matches!(self, Self::MalformedSuccess(_))
    }

    /// Whether nothing reached the upstream.
    pub fn is_not_sent(&self) -> bool {
        self.is_not_attempted() || matches!(self, Self::Unreachable(_) | Self::Superseded { was_sent: false })
    }

    /// Whether there was no attempt, not even to connect.
    pub fn is_not_attempted(&self) -> bool {
        matches!(
            self,
            Self::QueueFull
                | Self::DeadlineExceeded
                | Self::BreakerOpen { .. }
                | Self::Throttled { .. }
                | Self::Unchecked(_)
        )
    }

    /// The time after which a retry can succeed, if it is known.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } | Self::Failed { retry_after, .. } => *retry_after,
            Self::BreakerOpen { retry_after } | Self::Throttled { retry_after } => Some(*retry_after),
            Self::Unchecked(look) => look.kind.retry_after(),
            _ => None,
        }
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self::without_body(kind)
    }
}
