//! The caller, as it may see itself.

use async_graphql::{ID, SimpleObject};

use crate::auth::{Permission, Principal};

/// The caller and its permissions. A frontend can use it to hide actions that would be rejected.
#[derive(SimpleObject, Clone, Debug)]
pub struct Viewer {
    /// The token's subject. null without a token of an identity provider: in the sandbox without a token, and with
    /// `auth.mode = "passthrough"`.
    pub subject: Option<String>,
    /// The upstream account that the caller acts for. null if it names none.
    pub account_id: Option<ID>,
    /// The caller's permissions. A field without its permission fails with `FORBIDDEN`. With
    /// `auth.mode = "passthrough"` every permission is listed, and the Customers API decides.
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
