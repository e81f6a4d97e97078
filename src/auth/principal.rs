//! The caller of a request, once it is known.

use secrecy::SecretString;
use uuid::Uuid;

use super::Permission;

/// Who asks, what it may do, and with which credential the upstream is asked for it.
#[derive(Clone, Debug)]
pub struct Principal {
    /// The name that the caller's token gives it; none for an anonymous one.
    pub subject: Option<String>,
    /// The upstream account that it acts for.
    pub account: Option<Uuid>,
    pub permissions: Vec<Permission>,
    /// Whether introspection is answered to it also where the settings have it off; once an operation runs, whether it
    /// is answered to it at all.
    pub may_introspect: bool,
    /// Whether its answers may say what was asked of the upstream, also where the settings have that off.
    pub may_request_upstream_report: bool,
    pub credential: Credential,
}

/// The upstream credential, and whose it is: only its owner can do something about one that is refused.
#[derive(Clone, Debug)]
pub enum Credential {
    /// The gateway's own key.
    Gateway(SecretString),
    /// The caller's key, sent on.
    Caller(SecretString),
}

impl Credential {
    /// The key itself.
    pub fn key(&self) -> &SecretString {
        match self {
            Self::Gateway(key) | Self::Caller(key) => key,
        }
    }
}
