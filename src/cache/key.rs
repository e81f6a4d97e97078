//! Keys of the cache. They hold no personal data: what could be some is in them as a digest under a secret that is
//! made anew with each start, so that a key tells nothing to whoever sees it.

use std::fmt;

use uuid::Uuid;

/// An upstream credential with an account: what one scope may see says nothing about another.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scope {
    credential: u128,
    account: Option<Uuid>,
}

impl Scope {
    /// The scope of a credential, as its digest under the process's secret, and of an account.
    pub fn new(credential: u128, account: Option<Uuid>) -> Self {
        Self { credential, account }
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scope")
    }
}

/// Where an entry lies.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Key {
    pub scope: Scope,
    /// A customer's id, or the digest of a query.
    pub subject: u128,
    pub generation: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_differ_by_credential_and_by_account() {
        let (a, b) = (1, 2);
        let account = Some(Uuid::from_u128(7));
        assert_eq!(Scope::new(a, None), Scope::new(a, None));
        assert_ne!(Scope::new(a, None), Scope::new(b, None));
        assert_ne!(Scope::new(a, None), Scope::new(a, account));
    }
}
