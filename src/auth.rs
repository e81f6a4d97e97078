//! Who asks: turns what a request shows of its caller into a [`Principal`], or refuses it.

pub mod allowed_origins;
pub mod jwt;
pub mod permission;
pub mod principal;

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

/// How callers are told apart; `auth.mode` in the settings.
#[derive(Clone, Copy, PartialEq, Eq, Debug, strum::Display, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum AuthMode {
    /// Nobody is asked who they are, and everybody may do all: for the sandbox, whose people are made up.
    Sandbox,
    /// The caller's own upstream key is sent on: the upstream decides what it may do.
    Passthrough,
    /// Callers bring a token of the company's identity provider; the upstream is asked with the gateway's key.
    Jwt,
}

/// A mode with what it needs.
#[derive(Debug)]
pub enum AuthMethod {
    Sandbox,
    Passthrough,
    Jwt(jwt::Verifier),
}

/// Tells who a request comes from.
#[derive(Debug)]
pub struct Authenticator {
    method: AuthMethod,
    /// It is replaced while the process runs. Nothing waits while it is locked.
    gateway_key: RwLock<SecretString>,
    gateway_account: Option<Uuid>,
}

impl Authenticator {
    /// By the mode; the gateway's own key and account serve the callers that bring none.
    pub fn new(access: AuthMethod, gateway_key: SecretString, gateway_account: Option<Uuid>) -> Self {
        Self { method: access, gateway_key: RwLock::new(gateway_key), gateway_account }
    }

    /// From now on the upstream is asked with another key. Calls that are under way keep theirs.
    pub fn replace_gateway_key(&self, key: SecretString) {
        *self.gateway_key.write().unwrap_or_else(PoisonError::into_inner) = key;
    }

    /// From now on tokens are checked by another shared secret, where they are by one. Whether they are.
    pub fn replace_jwt_secret(&self, secret: &SecretString) -> bool {
        matches!(&self.method, AuthMethod::Jwt(verifier) if verifier.replace_secret(secret))
    }

    fn gateway_credential(&self) -> Credential {
        Credential::Gateway(self.gateway_key.read().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// How old the identity provider's keys are, where there is one.
    pub fn key_age(&self) -> Option<Duration> {
        match &self.method {
            AuthMethod::Jwt(verifier) => verifier.key_age(),
            AuthMethod::Sandbox | AuthMethod::Passthrough => None,
        }
    }

    /// The caller of a request. It may wait for the identity provider's keys, until the deadline at most.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` where a credential is needed and none is there that is good; `FORBIDDEN` and `BAD_REQUEST`
    /// for an account that the caller may not, or did not, choose.
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

/// What the caller is told: the same for every token that is not good, so that nobody learns from it how to make one.
fn token_rejected(refusal: jwt::TokenError, verifier: &jwt::Verifier) -> PublicError {
    metrics::counter!(names::TOKENS_REJECTED, "reason" => refusal.name()).increment(1);
    // At `debug`: anybody can send bad tokens, as many as they like.
    debug!(reason = %refusal, "a bearer token was refused");
    match refusal {
        jwt::TokenError::NoKeys => {
            let message = "Tokens cannot be checked yet, since the identity provider does not answer. Try again.";
            let failure =
                PublicError::new(ErrorCode::UpstreamUnavailable, message).with_status(StatusCode::SERVICE_UNAVAILABLE);
            PublicError { retry_after: Some(verifier.min_refresh_interval()), ..failure }
        }
        _ => {
            let message = "Send a good access token as `Authorization: Bearer …`. There is none, or it has expired, or it \
                is not one for this gateway: get a new one from your identity provider.";
            PublicError::new(ErrorCode::Unauthenticated, message)
        }
    }
}

/// The longest key of the Customers API, in bytes. It is passed on, and what is too long for the upstream's server would
/// look like a broken connection. Access tokens are not passed on, and have a limit of their own ([`jwt::MAX_TOKEN_BYTES`]).
const MAX_KEY_BYTES: usize = 8 * 1024;

const KEY_TOO_LONG: &str = "The key in `Authorization` is longer than 8 KiB, which is none of the Customers API's.";

/// Why a request shows no token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum MissingToken {
    /// There is no such header, or it holds none.
    Missing,
    TooLong,
}

/// The token of a bearer credential, of so many bytes at most.
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

/// The account that the caller names. With its own key it may name any: the upstream says whether it is allowed to.
fn account(headers: &HeaderMap) -> Result<Option<Uuid>, PublicError> {
    let Some(value) = single_header(headers, &ACCOUNT) else { return Ok(None) };
    let account = value.ok().and_then(|value| value.to_str().ok()).and_then(|text| Uuid::try_parse(text.trim()).ok());
    account
        .map(Some)
        .ok_or_else(|| PublicError::new(ErrorCode::BadRequest, "The header `Straddle-Account-Id` is not a UUID."))
}

/// A header's only value. One that comes twice is an error: what stands before us may go by the other.
fn single_header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Result<&'a HeaderValue, DuplicateHeader>> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    Some(if values.next().is_some() { Err(DuplicateHeader) } else { Ok(value) })
}

/// A header that a request may have once came again.
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
