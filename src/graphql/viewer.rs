//! Who asks, as the caller itself may see it.

use async_graphql::{ID, SimpleObject};

use crate::auth::{Permission, Principal};

/// Who asks, and what it may do: lets a frontend hide what would be refused.
#[derive(SimpleObject, Clone, Debug)]
pub struct Viewer {
    /// The token's subject; null for an anonymous caller of the sandbox.
    pub subject: Option<String>,
    /// The upstream account that the caller acts for, where there is one.
    pub account_id: Option<ID>,
    /// What the caller may do. What is not here is answered with `FORBIDDEN`.
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
