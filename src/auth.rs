//! Authentication: creates a [`Principal`] from the headers of a request, or rejects the request.

mod allowed_origins;
pub mod jwt;
mod permission;
mod principal;

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tracing::debug;
use uuid::Uuid;

use crate::error::{ErrorCode, PublicError};
use crate::telemetry::names;

pub use allowed_origins::AllowedOrigins;
pub use permission::Permission;
pub use principal::{Credential, Principal};

const ACCOUNT: HeaderName = HeaderName::from_static("straddle-account-id");

/// How callers are authenticated: `auth.mode` in the settings.
#[derive(Clone, Copy, PartialEq, Eq, Debug, strum::Display, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum AuthMode {
    /// Nobody is authenticated, and every caller may do everything. Only for the sandbox, whose customers are made up.
    Sandbox,
    /// The gateway forwards the caller's own API key, and the upstream decides what it may do.
    Passthrough,
    /// Callers send a token of the company's identity provider. The gateway calls the upstream with its own key.
    Jwt,
}

/// A mode with the parts that it needs.
#[derive(Debug)]
pub enum AuthMethod {
    Sandbox,
    Passthrough,
    Jwt(jwt::Verifier),
}

/// Authenticates callers.
#[derive(Debug)]
pub struct Authenticator {
    method: AuthMethod,
    /// It can be replaced while the process runs. No code waits while it holds the lock.
    gateway_key: RwLock<SecretString>,
    gateway_account: Option<Uuid>,
}

impl Authenticator {
    /// Creates an authenticator. The gateway's own key and account serve callers without a key of their own.
    pub fn new(access: AuthMethod, gateway_key: SecretString, gateway_account: Option<Uuid>) -> Self {
        Self { method: access, gateway_key: RwLock::new(gateway_key), gateway_account }
    }

    /// Replaces the gateway's key. Calls that are running keep the previous key.
    pub fn replace_gateway_key(&self, key: SecretString) {
        *self.gateway_key.write().unwrap_or_else(PoisonError::into_inner) = key;
    }

    /// Replaces the shared secret of token verification. Returns `false` if tokens are not verified by a shared
    /// secret.
    pub fn replace_jwt_secret(&self, secret: &SecretString) -> bool {
        matches!(&self.method, AuthMethod::Jwt(verifier) if verifier.replace_secret(secret))
    }

    fn gateway_credential(&self) -> Credential {
        Credential::Gateway(self.gateway_key.read().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// The age of the identity provider's keys. `None` if there is no provider.
    pub fn key_age(&self) -> Option<Duration> {
        match &self.method {
            AuthMethod::Jwt(verifier) => verifier.key_age(),
            AuthMethod::Sandbox | AuthMethod::Passthrough => None,
        }
    }

    /// The caller of a request. Waits for the identity provider's keys if necessary, until the deadline at most.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` if the request needs a credential and has no valid one. `FORBIDDEN` or `BAD_REQUEST` for an
    /// account that the caller may not, or did not, choose.
    pub async fn principal(&self, headers: &HeaderMap, deadline: Instant) -> Result<Principal, PublicError> {
        match &self.method {
            AuthMethod::Sandbox => Ok(Principal {
                subject: None,
                account: self.gateway_account,
                permissions: Permission::ALL.to_vec(),
                may_introspect: false,
                may_request_upstream_report: false,
                credential: self.gateway_credential(),
            }),
            AuthMethod::Passthrough => {
                let missing = "Send your key of the Customers API as `Authorization: Bearer …`.";
                let key = match bearer(headers, MAX_KEY_BYTES) {
                    Ok(key) => key,
                    Err(MissingToken::Missing) => return Err(PublicError::new(ErrorCode::Unauthenticated, missing)),
                    Err(MissingToken::TooLong) => {
                        return Err(PublicError::new(ErrorCode::Unauthenticated, KEY_TOO_LONG));
                    }
                };
                Ok(Principal {
                    subject: None,
                    account: account(headers)?,
                    permissions: Permission::ALL.to_vec(),
                    may_introspect: false,
                    may_request_upstream_report: false,
                    credential: Credential::Caller(key),
                })
            }
            AuthMethod::Jwt(verifier) => {
                let verified = match bearer(headers, jwt::MAX_TOKEN_BYTES) {
                    Ok(token) => verifier.verify(token.expose_secret(), deadline).await,
                    Err(MissingToken::Missing) => Err(jwt::TokenError::Missing),
                    Err(MissingToken::TooLong) => Err(jwt::TokenError::TooLong),
                };
                let verified = verified.map_err(|refusal| token_rejected(refusal, verifier))?;
                let (names, claims) = (verifier.claim_names(), verified.claims());
                let subject = jwt::claims::subject(names, claims)?.to_owned();
                Ok(Principal {
                    subject: Some(subject),
                    account: jwt::claims::account(names, claims, account(headers)?, self.gateway_account)?,
                    permissions: jwt::claims::permissions(names, claims),
                    may_introspect: jwt::claims::may_introspect(names, claims),
                    may_request_upstream_report: jwt::claims::may_request_upstream_report(names, claims),
                    credential: self.gateway_credential(),
                })
            }
        }
    }
}

/// The error for the caller. It is the same for every invalid token, so that it does not help to forge one.
fn token_rejected(refusal: jwt::TokenError, verifier: &jwt::Verifier) -> PublicError {
    metrics::counter!(names::TOKENS_REJECTED, "reason" => refusal.name()).increment(1);
    // At `debug`, because a client can send any number of invalid tokens.
    debug!(reason = %refusal, "a bearer token was rejected");
    match refusal {
        jwt::TokenError::NoKeys => {
            let message = "Tokens cannot be verified yet, because the identity provider does not respond. Try again.";
            let failure =
                PublicError::new(ErrorCode::UpstreamUnavailable, message).with_status(StatusCode::SERVICE_UNAVAILABLE);
            PublicError { retry_after: Some(verifier.min_refresh_interval()), ..failure }
        }
        _ => {
            let message = "Send a valid access token as `Authorization: Bearer …`. Your request has none, or the token has \
                expired, or it is not for this gateway. Get a new one from your identity provider.";
            PublicError::new(ErrorCode::Unauthenticated, message)
        }
    }
}

/// The maximum length of a key of the Customers API, in bytes. Keys are forwarded, and the upstream's server would
/// answer a longer header by closing the connection. Access tokens are not forwarded and have a limit of their own
/// ([`jwt::MAX_TOKEN_BYTES`]).
const MAX_KEY_BYTES: usize = 8 * 1024;

const KEY_TOO_LONG: &str = "The key in `Authorization` is longer than 8 KiB. No key of the Customers API is that long.";

/// Why a request has no usable token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum MissingToken {
    /// There is no such header, or it contains no token.
    Missing,
    TooLong,
}

/// The token of a bearer credential of at most `longest` bytes.
fn bearer(headers: &HeaderMap, longest: usize) -> Result<SecretString, MissingToken> {
    let value = single_header(headers, &header::AUTHORIZATION).and_then(|value| value.ok()?.to_str().ok());
    let token = value.and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        let token = token.trim();
        (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
    });
    match token {
        None => Err(MissingToken::Missing),
        Some(token) if token.len() > longest => Err(MissingToken::TooLong),
        Some(token) => Ok(SecretString::from(token)),
    }
}

/// The account that the request names. With its own key a caller may name any account, because the upstream checks it.
fn account(headers: &HeaderMap) -> Result<Option<Uuid>, PublicError> {
    let Some(value) = single_header(headers, &ACCOUNT) else { return Ok(None) };
    let account = value.ok().and_then(|value| value.to_str().ok()).and_then(|text| Uuid::try_parse(text.trim()).ok());
    account
        .map(Some)
        .ok_or_else(|| PublicError::new(ErrorCode::BadRequest, "The header `Straddle-Account-Id` is not a UUID."))
}

/// The only value of a header. A duplicate is an error: a proxy in front of the gateway may have used the other value.
fn single_header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Result<&'a HeaderValue, DuplicateHeader>> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    Some(if values.next().is_some() { Err(DuplicateHeader) } else { Ok(value) })
}

/// A header that may occur once occurs twice.
struct DuplicateHeader;

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    async fn ask(access: AuthMethod, pairs: &[(&'static str, &'static str)]) -> Result<Principal, PublicError> {
        Authenticator::new(access, "ours".into(), None).principal(&headers(pairs), Instant::now()).await
    }

    #[tokio::test]
    async fn a_callers_key_is_sent_on_and_a_caller_without_one_is_refused() {
        let principal = ask(AuthMethod::Passthrough, &[("authorization", "bearer theirs")]).await.expect("a key");
        assert!(matches!(principal.credential, Credential::Caller(key) if key.expose_secret() == "theirs"));
        for wrong in [&[][..], &[("authorization", "Bearer ")], &[("authorization", "Basic abc")]] {
            let refused = ask(AuthMethod::Passthrough, wrong).await.expect_err("no key");
            assert_eq!(refused.code, ErrorCode::Unauthenticated);
        }
    }

    #[tokio::test]
    async fn a_sandbox_caller_is_served_with_the_gateways_key_whatever_it_sends() {
        let principal = ask(AuthMethod::Sandbox, &[("authorization", "Bearer theirs")]).await.expect("anybody");
        assert!(matches!(principal.credential, Credential::Gateway(key) if key.expose_secret() == "ours"));
    }

    #[tokio::test]
    async fn a_header_that_comes_twice_is_not_chosen_from() {
        let (first, second) = (HeaderValue::from_static("Bearer a"), HeaderValue::from_static("Bearer b"));
        let mut twice = HeaderMap::new();
        twice.append(header::AUTHORIZATION, first);
        twice.append(header::AUTHORIZATION, second);
        assert_eq!(bearer(&twice, MAX_KEY_BYTES).err(), Some(MissingToken::Missing));
        let id = HeaderValue::from_static("0a000000-0000-4000-8000-00000000000a");
        let mut twice = HeaderMap::new();
        twice.append(ACCOUNT, id.clone());
        assert!(account(&twice).is_ok_and(|account| account.is_some()));
        twice.append(ACCOUNT, id);
        assert_eq!(account(&twice).expect_err("two").code, ErrorCode::BadRequest);
    }
}
