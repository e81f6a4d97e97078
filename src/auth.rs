//! Who asks: turns what a request shows of its caller into a [`Principal`], or refuses it.

pub mod permission;
pub mod principal;

use std::fmt;

use http::{HeaderMap, header};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::{Code, Failure};

pub use permission::Permission;
pub use principal::{Credential, Principal};

/// How callers are told apart; `auth.mode` in the settings.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Nobody is asked who they are, and everybody may do all: for the sandbox, whose people are made up.
    Sandbox,
    /// The caller's own upstream key is sent on: the upstream decides what it may do.
    Passthrough,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sandbox => "sandbox",
            Self::Passthrough => "passthrough",
        })
    }
}

/// Tells who a request comes from.
#[derive(Debug)]
pub struct Authenticator {
    mode: Mode,
    gateway_key: SecretString,
    gateway_account: Option<Uuid>,
}

impl Authenticator {
    /// By the mode; the gateway's own key and account serve the callers that bring none.
    pub fn new(mode: Mode, gateway_key: SecretString, gateway_account: Option<Uuid>) -> Self {
        Self { mode, gateway_key, gateway_account }
    }

    /// The caller of a request.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` where a credential is needed and none is there that could be one.
    pub fn principal(&self, headers: &HeaderMap) -> Result<Principal, Failure> {
        match self.mode {
            Mode::Sandbox => Ok(Principal {
                subject: None,
                account: self.gateway_account,
                permissions: Permission::ALL.to_vec(),
                credential: Credential::Gateways(self.gateway_key.clone()),
            }),
            Mode::Passthrough => {
                let missing = "Send your key of the Customers API as `Authorization: Bearer …`.";
                let key = bearer(headers).ok_or_else(|| Failure::new(Code::Unauthenticated, missing))?;
                Ok(Principal {
                    subject: None,
                    account: account(headers)?,
                    permissions: Permission::ALL.to_vec(),
                    credential: Credential::Callers(key),
                })
            }
        }
    }
}

/// The token of a bearer credential; none where there is no such header, or an empty one.
fn bearer(headers: &HeaderMap) -> Option<SecretString> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| SecretString::from(token))
}

/// The account that the caller names. With its own key it may name any: the upstream says whether it is allowed to.
fn account(headers: &HeaderMap) -> Result<Option<Uuid>, Failure> {
    let Some(value) = headers.get("straddle-account-id") else { return Ok(None) };
    let account = value.to_str().ok().and_then(|text| Uuid::try_parse(text.trim()).ok());
    account.map(Some).ok_or_else(|| Failure::new(Code::BadRequest, "The header `Straddle-Account-Id` is not a UUID."))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use secrecy::ExposeSecret;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (header::HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn a_callers_key_is_sent_on_and_a_caller_without_one_is_refused() {
        let passthrough = Authenticator::new(Mode::Passthrough, "ours".into(), None);
        let principal = passthrough.principal(&headers(&[("authorization", "bearer theirs")])).expect("a key");
        assert!(matches!(principal.credential, Credential::Callers(key) if key.expose_secret() == "theirs"));
        for wrong in [&[][..], &[("authorization", "Bearer ")], &[("authorization", "Basic abc")]] {
            let refused = passthrough.principal(&headers(wrong)).expect_err("no key");
            assert_eq!(refused.code, Code::Unauthenticated);
        }
    }

    #[test]
    fn a_sandbox_caller_is_served_with_the_gateways_key_whatever_it_sends() {
        let sandbox = Authenticator::new(Mode::Sandbox, "ours".into(), None);
        let principal = sandbox.principal(&headers(&[("authorization", "Bearer theirs")])).expect("anybody");
        assert!(matches!(principal.credential, Credential::Gateways(key) if key.expose_secret() == "ours"));
    }
}
