//! What can go wrong with a call to the Customers API, told apart by what can be done about it.
//!
//! A refusal carries the upstream's own sentences, which can hold personal data: they are [`Personal`], so that only
//! the code that cuts them gets at them.

use std::time::Duration;

use uuid::Uuid;

use crate::outbound::ConnectFailure;
use crate::privacy::Personal;

/// A call that gave no usable answer.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{kind}")]
pub struct Error {
    pub kind: ErrorKind,
    /// The upstream's id of the failed call (`meta.api_request_id`), where its body had one.
    pub api_request_id: Option<Uuid>,
    /// Whether the API itself said so about this very request: a 400, 404 or 422 in the API's frame. What stands in front
    /// of it (a balancer, a proxy) has such statuses too, and knows nothing about an attempt before.
    pub is_from_api: bool,
}

/// The kinds of failure (`docs/upstream.md`, section 6).
#[derive(Clone, Debug, thiserror::Error)]
pub enum ErrorKind {
    /// 401: the credential is missing or wrong. The real API sends no body with it.
    #[error("the upstream does not know the credential")]
    Unauthenticated,
    /// 403: the credential may not do this, or not for this account.
    #[error("the upstream forbids it to this credential")]
    Forbidden,
    /// 404 for a customer.
    #[error("the upstream knows no such customer")]
    NotFound,
    /// 400 or 422: the request was understood and refused.
    #[error("the upstream refused the request")]
    Rejected(Rejection),
    /// 409: the idempotency key belongs to another request.
    #[error("the upstream reports a conflict")]
    Conflict(Rejection),
    /// 409: the first request with this idempotency key still runs.
    #[error("the upstream is still at work on the first request with this key")]
    InProgress,
    /// 429.
    #[error("the upstream limits the rate")]
    RateLimited { retry_after: Option<Duration> },
    /// The upstream has asked for a pause with this key, which is not over: nothing was sent.
    #[error("the upstream has asked for a pause with this key")]
    Throttled { retry_after: Duration },
    /// 5xx.
    #[error("the upstream failed with status {status}")]
    Failed { status: u16, retry_after: Option<Duration> },
    /// No connection could be made: nothing was sent.
    #[error("the upstream cannot be reached: {0}")]
    Unreachable(ConnectFailure),
    /// The connection broke after the request was on its way.
    #[error("the connection to the upstream broke")]
    ConnectionLost,
    /// No whole answer within the attempt's time.
    #[error("the upstream did not answer in time")]
    TimedOut,
    /// No place among the calls in flight within the time to wait for one: nothing was sent.
    #[error("too many calls to the upstream are in flight")]
    QueueFull,
    /// The deadline passed before it could be sent: nothing was.
    #[error("the deadline passed before it was sent")]
    DeadlineExceeded,
    /// The breaker is open, since the upstream has been failing: nothing was sent.
    #[error("the upstream has been failing and is left alone for a moment")]
    BreakerOpen { retry_after: Duration },
    /// Somebody else changed the customer while this write waited to be sent again, so it was not. `was_sent` says whether an
    /// attempt before was.
    #[error("the customer was changed before the write was sent again")]
    Superseded { was_sent: bool },
    /// The look at the customer before a write that was held back had no answer, for this reason: the write was never sent.
    #[error("the customer could not be read before the write was sent: {0}")]
    Unchecked(Box<Error>),
    /// A success that is none: under 2xx not JSON, or not the documented shape.
    #[error("the upstream's answer was not understood: {0}")]
    MalformedSuccess(&'static str),
    /// Any other answer that is none: too large, a redirect, a web page in place of a refusal.
    #[error("the upstream's answer was not understood: {0}")]
    Invalid(&'static str),
}

/// What the upstream says about a refusal.
#[derive(Clone, Debug, Default)]
pub struct Rejection {
    /// One sentence about the whole; business rules have it alone.
    pub detail: Option<Personal<String>>,
    /// What is wrong, place by place.
    pub items: Vec<RejectionItem>,
}

/// One complaint of a refusal.
#[derive(Clone, Debug)]
pub struct RejectionItem {
    /// The place in the upstream's spelling: `Device.IpAddress` on 400, `device.ip_address` on 422.
    pub reference: Option<String>,
    /// What is wrong there.
    pub detail: Personal<String>,
}

impl Error {
    /// An error that came without a body.
    pub fn without_body(kind: ErrorKind) -> Self {
        Self { kind, api_request_id: None, is_from_api: false }
    }

    /// Whether the upstream may have carried out the request although no answer says so.
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
    /// Its name in metrics.
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

    /// Whether the upstream is in trouble, as against what it says about a request, a key or a rate.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::ConnectionLost | Self::TimedOut | Self::Failed { .. })
    }

    /// Whether a breaker counts it: trouble, and a success that is none, such as a page that says it is down for work. A
    /// 4xx never is, not even as a web page, since whoever asks can bring it about.
    pub fn counts_for_breaker(&self) -> bool {
        self.is_unavailable() || matches!(self, Self::MalformedSuccess(_))
    }

    /// Whether nothing was sent.
    pub fn is_not_sent(&self) -> bool {
        self.is_not_attempted() || matches!(self, Self::Unreachable(_) | Self::Superseded { was_sent: false })
    }

    /// Whether there was no attempt at all.
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

    /// The pause that was asked for.
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
