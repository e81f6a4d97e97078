//! Digests: keyed ones, which distinguish values without revealing them, and SHA-256.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The SHA-256 of bytes, as 64 hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// A digest for logs: its first half, which suffices to distinguish a few million values.
pub fn abbreviated(digest: u128) -> String {
    format!("{:016x}", digest >> 64)
}

/// Computes digests under a secret: a random one of this process, or one of the settings. Clones share the secret.
#[derive(Clone)]
pub struct KeyedDigest {
    secret: Arc<ArcSwap<[u8; 32]>>,
    /// How many digests this and its clones have made.
    #[cfg(test)]
    count: Arc<std::sync::atomic::AtomicUsize>,
}

impl fmt::Debug for KeyedDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyedDigest")
    }
}

impl Default for KeyedDigest {
    fn default() -> Self {
        Self::new()
    }
}

impl KeyedDigest {
    /// Digests under a new random secret.
    pub fn new() -> Self {
        Self {
            secret: Arc::new(ArcSwap::from_pointee(new_secret())),
            #[cfg(test)]
            count: Arc::default(),
        }
    }

    /// Digests under a secret of the settings, which are the same on all instances and after a restart. An empty secret
    /// means a new random one.
    pub fn with_secret(secret: &SecretString) -> Self {
        let digests = Self::new();
        digests.replace_secret(secret);
        digests
    }

    /// Replaces the secret of this and all its clones. An empty secret means a new random one.
    pub fn replace_secret(&self, secret: &SecretString) {
        let secret = match secret.expose_secret() {
            "" => new_secret(),
            secret => Sha256::digest(secret).into(),
        };
        self.secret.store(Arc::new(secret));
    }

    /// A digest of texts. The boundaries between the texts are part of it.
    pub fn digest<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> u128 {
        #[cfg(test)]
        self.count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut hash = Sha256::new_with_prefix(**self.secret.load());
        for text in texts {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        }
        let digest: [u8; 32] = hash.finalize().into();
        let (half, _) = digest.split_at(16);
        half.iter().fold(0, |sum, byte| sum << 8 | u128::from(*byte))
    }
}

#[cfg(test)]
impl KeyedDigest {
    pub(crate) fn count(&self) -> usize {
        self.count.load(std::sync::atomic::Ordering::Relaxed)
    }
}

/// A secret that nobody else has.
fn new_secret() -> [u8; 32] {
    let mut secret = [0; 32];
    let (left, right) = secret.split_at_mut(16);
    left.copy_from_slice(Uuid::new_v4().as_bytes());
    right.copy_from_slice(Uuid::new_v4().as_bytes());
    secret
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_of_the_settings_outlives_the_process() {
        let (one, other) = (SecretString::from("one"), SecretString::from("other"));
        assert_eq!(KeyedDigest::with_secret(&one).digest(["a"]), KeyedDigest::with_secret(&one).digest(["a"]));
        assert_ne!(KeyedDigest::with_secret(&one).digest(["a"]), KeyedDigest::with_secret(&other).digest(["a"]));
        assert_ne!(
            KeyedDigest::with_secret(&"".into()).digest(["a"]),
            KeyedDigest::with_secret(&"".into()).digest(["a"])
        );
    }

    #[test]
    fn another_secret_is_taken_over_by_all_clones() {
        let digests = KeyedDigest::with_secret(&"one".into());
        let clone = digests.clone();
        digests.replace_secret(&"other".into());
        assert_eq!(clone.digest(["a"]), KeyedDigest::with_secret(&"other".into()).digest(["a"]));
    }

    #[test]
    fn texts_are_kept_apart() {
        let digests = KeyedDigest::new();
        assert_ne!(digests.digest(["ab", "c"]), digests.digest(["a", "bc"]));
        assert_ne!(digests.digest(["a"]), KeyedDigest::new().digest(["a"]), "another process has another secret");
    }

    #[test]
    fn a_hash_is_the_one_that_everybody_else_computes() {
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
