//! The authenticated caller of a request.

use secrecy::SecretString;
use uuid::Uuid;

use super::Permission;

/// The caller's name, permissions and upstream credential.
#[derive(Clone, Debug)]
pub struct Principal {
    /// The subject of the caller's token. `None` for an anonymous caller.
    pub subject: Option<String>,
    /// The upstream account that the caller acts for.
    pub account: Option<Uuid>,
    pub permissions: Vec<Permission>,
    /// Whether the caller may introspect the schema although the settings disable introspection. When an operation
    /// runs: whether the caller may introspect at all.
    pub may_introspect: bool,
    /// Whether responses may report upstream calls to the caller although the settings disable the report.
    pub may_request_upstream_report: bool,
    pub credential: Credential,
}

/// The upstream credential and its owner. Only the owner can correct a credential that the upstream rejects.
#[derive(Clone, Debug)]
pub enum Credential {
    /// The gateway's own key.
    Gateway(SecretString),
    /// The caller's own key, which the gateway forwards.
    Caller(SecretString),
}

impl Credential {
    /// The key.
    pub fn key(&self) -> &SecretString {
        match self {
            Self::Gateway(key) | Self::Caller(key) => key,
        }
    }
}
