//! Keys of the cache. They contain no personal data. A credential and a query are represented by digests under a
//! secret that each process creates at startup, so a key reveals nothing about them.

use std::fmt;

use uuid::Uuid;

/// An upstream credential with an account. Scopes never share entries, because the upstream may show each of them
/// other data.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scope {
    credential: u128,
    account: Option<Uuid>,
}

impl Scope {
    /// The scope of a credential and an account. The credential is its digest under the process's secret.
    pub fn new(credential: u128, account: Option<Uuid>) -> Self {
        Self { credential, account }
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scope")
    }
}

/// The key of a cache entry.
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
