//! Keys of the cache. They hold no personal data: what could be some is in them as a digest under a secret that is
//! made anew with each start, so that a key tells nothing to whoever sees it.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use crate::privacy::digest::KeyedDigest;

/// An upstream credential with an account: what one scope may see says nothing about another.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scope(u128);

impl Scope {
    /// The scope of a credential and an account.
    pub fn new(digest: &KeyedDigest, credential: &SecretString, account: Option<Uuid>) -> Self {
        let account = account.map(|account| account.to_string()).unwrap_or_default();
        Self(digest.digest([credential.expose_secret(), account.as_str()]))
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
        let digests = KeyedDigest::new();
        let (a, b) = (SecretString::from("key-a"), SecretString::from("key-b"));
        let account = Some(Uuid::from_u128(7));
        assert_eq!(Scope::new(&digests, &a, None), Scope::new(&digests, &a, None));
        assert_ne!(Scope::new(&digests, &a, None), Scope::new(&digests, &b, None));
        assert_ne!(Scope::new(&digests, &a, None), Scope::new(&digests, &a, account));
    }
}
