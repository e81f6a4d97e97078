//! The caller, as it may see itself.

use async_graphql::{ID, SimpleObject};

use crate::auth::{Permission, Principal};

/// The caller and its permissions. A frontend can use it to hide actions that would be rejected.
#[derive(SimpleObject, Clone, Debug)]
pub struct Viewer {
    /// The token's subject. null for an anonymous caller of the sandbox.
    pub subject: Option<String>,
    /// The upstream account that the caller acts for. null if it names none.
    pub account_id: Option<ID>,
    /// The caller's permissions. An operation without its permission fails with `FORBIDDEN`.
    pub permissions: Vec<Permission>,
}

impl From<&Principal> for Viewer {
    fn from(principal: &Principal) -> Self {
        Self {
            subject: principal.subject.clone(),
            account_id: principal.account.map(|account| ID(account.to_string())),
            permissions: principal.permissions.clone(),
        }
    }
}
