//! Who calls: the bearer token and the account, which together name a world.
//!
//! Any token is taken as a key, but there must be one: no or an empty one is a 401. Tokens are kept as
//! digests only. A token that contains `no-unmask` stands for an account on which the vendor has not
//! switched unmasking on.

use http::{HeaderMap, header};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::response::{ApiError, FieldProblem};

/// The digest of a bearer token.
pub(crate) type TokenDigest = [u8; 32];

/// The header that names an account.
const ACCOUNT: &str = "straddle-account-id";

/// What a token must contain for unmasking to be refused.
const NO_UNMASK: &str = "no-unmask";

/// Which world a call is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Tenant {
    /// Whose key.
    pub(crate) token: TokenDigest,
    /// On whose behalf.
    pub(crate) account: Option<Uuid>,
}

/// A caller with a key.
#[derive(Clone, Copy)]
pub(crate) struct Caller {
    /// The world.
    pub(crate) tenant: Tenant,
    /// Whether it may see clear values.
    pub(crate) may_unmask: bool,
}

/// The digest under which a token is kept.
pub(crate) fn digest(token: &str) -> TokenDigest {
    Sha256::digest(token.as_bytes()).into()
}

/// The caller of an API call.
pub(crate) fn caller(headers: &HeaderMap) -> Result<Caller, ApiError> {
    let token = bearer(headers).ok_or(ApiError::Unauthenticated)?;
    let account = account(headers).map_err(|()| {
        ApiError::Malformed(vec![FieldProblem::without_path("The Straddle-Account-Id header must be a UUID.")])
    })?;
    Ok(Caller { tenant: Tenant { token: digest(token), account }, may_unmask: !token.contains(NO_UNMASK) })
}

/// The bearer token, where there is one that is not empty.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// The account, where one is named; an error where it is no UUID.
pub(crate) fn account(headers: &HeaderMap) -> Result<Option<Uuid>, ()> {
    let Some(value) = headers.get(ACCOUNT) else {
        return Ok(None);
    };
    let id = value.to_str().ok().and_then(|text| Uuid::parse_str(text.trim()).ok());
    id.map(Some).ok_or(())
}
