//! The table of public errors: each code with its HTTP status, and whether a retry can help.
//!
//! A [`PublicError`] is the error that a caller sees: a code, a message that says what to do, and bounded details. It
//! never contains an upstream URL, header or body, a stack, a value of a variable or personal data. Other details are
//! logged where the error occurs.

use std::borrow::Cow;
use std::time::Duration;

use http::StatusCode;
use strum::{IntoStaticStr, VariantArray};

/// An error code, as in `extensions.code`. Frontends depend on it, so a code is never renamed.
#[derive(IntoStaticStr, VariantArray, strum::VariantNames, Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    GraphqlParseFailed,
    BadRequest,
    GraphqlValidationFailed,
    BadUserInput,
    OperationTooLarge,
    PersistedQueryNotFound,
    PersistedQueryNotSupported,
    Unauthenticated,
    Forbidden,
    RateLimited,
    Overloaded,
    UpstreamRateLimited,
    UpstreamUnavailable,
    UpstreamTimeout,
    UpstreamError,
    UpstreamInvalidResponse,
    InternalServerError,
}

/// Who is responsible for a request that was not served completely. The most severe value is the last.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum RequestOutcome {
    /// The request was served.
    #[default]
    Ok,
    /// The caller: the request is invalid, or not allowed.
    Rejected,
    /// The caller: it exceeded a rate limit.
    RateLimited,
    /// The upstream.
    Upstream,
    /// The gateway: it was at a limit.
    Overloaded,
    /// The gateway: a defect.
    InternalError,
}

impl RequestOutcome {
    /// Its name in metrics and the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Rejected => "rejected",
            Self::RateLimited => "rate_limited",
            Self::Upstream => "upstream_error",
            Self::Overloaded => "overloaded",
            Self::InternalError => "internal_error",
        }
    }
}

/// The properties of a code.
struct CodeProperties {
    /// The HTTP status if the whole request fails, with `application/graphql-response+json`.
    status: StatusCode,
    /// Whether the same request can succeed later.
    retryable: bool,
}

impl ErrorCode {
    /// All error codes.
    pub const ALL: &[Self] = Self::VARIANTS;

    const fn properties(self) -> CodeProperties {
        const fn row(status: StatusCode, retryable: bool) -> CodeProperties {
            CodeProperties { status, retryable }
        }
        match self {
            Self::GraphqlParseFailed => row(StatusCode::BAD_REQUEST, false),
            Self::BadRequest => row(StatusCode::BAD_REQUEST, false),
            Self::GraphqlValidationFailed => row(StatusCode::BAD_REQUEST, false),
            Self::BadUserInput => row(StatusCode::BAD_REQUEST, false),
            Self::OperationTooLarge => row(StatusCode::BAD_REQUEST, false),
            Self::PersistedQueryNotFound => row(StatusCode::BAD_REQUEST, false),
            Self::PersistedQueryNotSupported => row(StatusCode::BAD_REQUEST, false),
            Self::Unauthenticated => row(StatusCode::UNAUTHORIZED, false),
            Self::Forbidden => row(StatusCode::FORBIDDEN, false),
            Self::RateLimited => row(StatusCode::TOO_MANY_REQUESTS, true),
            Self::Overloaded => row(StatusCode::SERVICE_UNAVAILABLE, true),
            Self::UpstreamRateLimited => row(StatusCode::OK, true),
            Self::UpstreamUnavailable => row(StatusCode::OK, true),
            Self::UpstreamTimeout => row(StatusCode::OK, true),
            Self::UpstreamError => row(StatusCode::OK, true),
            Self::UpstreamInvalidResponse => row(StatusCode::OK, false),
            Self::InternalServerError => row(StatusCode::INTERNAL_SERVER_ERROR, false),
        }
    }

    /// The code with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.name() == name)
    }

    /// Who is responsible for an error with this code.
    pub fn outcome(self) -> RequestOutcome {
        match self {
            Self::GraphqlParseFailed
            | Self::BadRequest
            | Self::GraphqlValidationFailed
            | Self::BadUserInput
            | Self::OperationTooLarge
            | Self::PersistedQueryNotFound
            | Self::PersistedQueryNotSupported
            | Self::Unauthenticated
            | Self::Forbidden => RequestOutcome::Rejected,
            Self::RateLimited => RequestOutcome::RateLimited,
            Self::Overloaded => RequestOutcome::Overloaded,
            Self::UpstreamRateLimited
            | Self::UpstreamUnavailable
            | Self::UpstreamTimeout
            | Self::UpstreamError
            | Self::UpstreamInvalidResponse => RequestOutcome::Upstream,
            Self::InternalServerError => RequestOutcome::InternalError,
        }
    }

    /// The code in `extensions.code`.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The HTTP status if the whole request fails with this code before anything ran.
    pub fn status(self) -> StatusCode {
        self.properties().status
    }

    /// Whether the same request can succeed later.
    pub fn is_retryable(self) -> bool {
        self.properties().retryable
    }
}

/// An error as a caller sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicError {
    pub code: ErrorCode,
    /// What is wrong and what to do about it. No personal data.
    pub message: Cow<'static, str>,
    /// The upstream's id of the failed call.
    pub upstream_request_id: Option<String>,
    /// How long to wait before a retry.
    pub retry_after: Option<Duration>,
    /// The missing permission, by its name in the schema.
    pub permission: Option<&'static str>,
    /// It ended a write of unknown outcome.
    pub is_outcome_unknown: bool,
    /// A more precise HTTP status than the code's (405, 406, 413, 415).
    pub status: Option<StatusCode>,
}

impl PublicError {
    /// Creates an error without details.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            upstream_request_id: None,
            retry_after: None,
            permission: None,
            is_outcome_unknown: false,
            status: None,
        }
    }

    /// The same with a more precise HTTP status.
    #[must_use]
    pub fn with_status(self, status: StatusCode) -> Self {
        Self { status: Some(status), ..self }
    }

    /// Whether the same request can succeed later and is safe to repeat.
    pub fn is_retryable(&self) -> bool {
        self.code.is_retryable() && !self.is_outcome_unknown
    }

    /// How long to wait in whole seconds, rounded up, so that a caller that waits this long is not too early.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        self.retry_after.map(|pause| pause.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX))
    }

    /// The HTTP status if the whole request fails with this error.
    pub fn http_status(&self) -> StatusCode {
        self.status.unwrap_or_else(|| self.code.status())
    }
}
