//! The caller's identity: the bearer token and the account, which together select a tenant.
//!
//! Any non-empty token is accepted as a key; a missing or empty one is a 401. Tokens are stored as digests only. A
//! token that contains `no-unmask` stands for an account without the vendor's unmasking permission.

use http::{HeaderMap, header};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::response::{ApiError, FieldProblem};

/// The SHA-256 digest of a bearer token.
pub(crate) type TokenDigest = [u8; 32];

/// The header with the account's id.
const ACCOUNT: &str = "straddle-account-id";

/// A token that contains this text may not unmask.
const NO_UNMASK: &str = "no-unmask";

/// The tenant of a call. Each tenant has its own data.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Tenant {
    /// The digest of the bearer token.
    pub(crate) token: TokenDigest,
    /// The account that the caller acts for; `None` for the key's own.
    pub(crate) account: Option<Uuid>,
}

/// An authenticated caller.
#[derive(Clone, Copy)]
pub(crate) struct Caller {
    /// The caller's tenant.
    pub(crate) tenant: Tenant,
    /// Whether the caller may read unmasked customers.
    pub(crate) may_unmask: bool,
}

/// The digest under which a token is stored.
pub(crate) fn digest(token: &str) -> TokenDigest {
    Sha256::digest(token.as_bytes()).into()
}

/// Authenticates an API call.
pub(crate) fn caller(headers: &HeaderMap) -> Result<Caller, ApiError> {
    let token = bearer(headers).ok_or(ApiError::Unauthenticated)?;
    let account = account(headers).map_err(|()| {
        ApiError::Malformed(vec![FieldProblem::without_path("The Straddle-Account-Id header must be a UUID.")])
    })?;
    Ok(Caller { tenant: Tenant { token: digest(token), account }, may_unmask: !token.contains(NO_UNMASK) })
}

/// The bearer token, if there is a non-empty one.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// The account, if the header is present. An `Err` means that it is not a UUID.
pub(crate) fn account(headers: &HeaderMap) -> Result<Option<Uuid>, ()> {
    let Some(value) = headers.get(ACCOUNT) else {
        return Ok(None);
    };
    let id = value.to_str().ok().and_then(|text| Uuid::parse_str(text.trim()).ok());
    id.map(Some).ok_or(())
}
