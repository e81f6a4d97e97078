//! Verification keys, and the algorithms of each.
//!
//! A key is used only if its `kty`, `crv`, `use`, `key_ops` and `alg` all fit an algorithm that the settings allow.
//! Other keys are ignored. A symmetric key in a key set or a file is never used: a published key must not be able to
//! sign.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse,
};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value as Json;

/// Providers publish two to ten keys. A token that names no key is tried against all that fit, so this limit bounds
/// its cost.
const MAX_KEYS: usize = 32;

/// RSA moduli in bytes. Below 2048 bits they are too weak (RFC 7518, section 3.3); above 8192 bits they only cost
/// time.
const RSA_MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

const RSA_ALGORITHMS: [Algorithm; 6] =
    [Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS384, Algorithm::PS512];

/// Keys, each with the algorithms that it may verify.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: Vec<VerificationKey>,
}

#[derive(Clone, Debug)]
struct VerificationKey {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    decoding: DecodingKey,
}

/// The keys that may have signed a token.
#[derive(Debug)]
pub struct Candidates<'a> {
    pub keys: Vec<&'a DecodingKey>,
    /// Whether one of them has exactly the `kid` of the token.
    pub matches_kid: bool,
}

/// Why a text contains no usable keys, and what to do about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeySetError {
    #[error("is not a JSON Web Key Set: an object with `keys`")]
    NotAKeySet,
    #[error("contains no public key: it must have `-----BEGIN PUBLIC KEY-----` blocks")]
    NoPublicKey,
    #[error("contains a private key: use its public key, which `openssl pkey -pubout` prints")]
    PrivateKey,
    #[error("contains a certificate: use its public key, which `openssl x509 -pubkey -noout` prints")]
    Certificate,
    #[error("contains a key that cannot be read")]
    Unreadable,
    #[error("contains a key that fits none of auth.jwt.algorithms, or an RSA key with fewer than 2048 bits")]
    NotAllowed,
    #[error("contains more than 32 keys")]
    TooMany,
}

impl KeySet {
    /// A set with one key: the shared secret.
    pub fn from_secret(secret: &[u8], allowed: &[Algorithm]) -> Self {
        let algorithms = allowed.to_vec();
        Self { keys: vec![VerificationKey { id: None, algorithms, decoding: DecodingKey::from_secret(secret) }] }
    }

    /// The usable keys of a published set. Other keys in it are ignored.
    ///
    /// # Errors
    /// If the text is not a key set.
    pub fn from_jwks(json: &[u8], allowed: &[Algorithm]) -> Result<Self, KeySetError> {
        #[derive(Deserialize)]
        struct Published {
            keys: Vec<Json>,
        }
        let published: Published = serde_json::from_slice(json).map_err(|_| KeySetError::NotAKeySet)?;
        let keys = published.keys.into_iter().filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
        Ok(Self { keys: keys.filter_map(|key| VerificationKey::from_jwk(&key, allowed)).take(MAX_KEYS).collect() })
    }

    /// The public keys of a PEM file. All of them must be usable.
    ///
    /// # Errors
    /// What else the file contains, and how to convert it to a public key.
    pub fn from_pem(text: &str, allowed: &[Algorithm]) -> Result<Self, KeySetError> {
        let mut keys = Vec::new();
        for block in text.split("-----BEGIN ").skip(1) {
            let (label, _) = block.split_once("-----").ok_or(KeySetError::Unreadable)?;
            match label {
                "PUBLIC KEY" | "RSA PUBLIC KEY" => {}
                "CERTIFICATE" => return Err(KeySetError::Certificate),
                label if label.ends_with("PRIVATE KEY") => return Err(KeySetError::PrivateKey),
                _ => return Err(KeySetError::NoPublicKey),
            }
            let block = format!("-----BEGIN {block}");
            let block = block.as_bytes();
            let key = DecodingKey::from_rsa_pem(block)
                .or_else(|_| DecodingKey::from_ec_pem(block))
                .or_else(|_| DecodingKey::from_ed_pem(block))
                .and_then(|key| Jwk::from_decoding_key(&key, None))
                .map_err(|_| KeySetError::Unreadable)?;
            keys.push(VerificationKey::from_jwk(&key, allowed).ok_or(KeySetError::NotAllowed)?);
            if keys.len() > MAX_KEYS {
                return Err(KeySetError::TooMany);
            }
        }
        if keys.is_empty() { Err(KeySetError::NoPublicKey) } else { Ok(Self { keys }) }
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The keys that may have signed a token with this algorithm and `kid`: the key with that `kid`; if the token or
    /// the key has none, all keys for the algorithm.
    pub fn candidates(&self, algorithm: Algorithm, kid: Option<&str>) -> Candidates<'_> {
        let fit = || self.keys.iter().filter(|key| key.algorithms.contains(&algorithm));
        let named: Vec<_> = fit().filter(|key| kid.is_some() && key.id.as_deref() == kid).collect();
        let is_named = !named.is_empty();
        let chosen = if is_named { named } else { fit().filter(|key| kid.is_none() || key.id.is_none()).collect() };
        Candidates { keys: chosen.into_iter().map(|key| &key.decoding).collect(), matches_kid: is_named }
    }
}

impl VerificationKey {
    /// The key, if it may verify an allowed algorithm.
    fn from_jwk(key: &Jwk, allowed: &[Algorithm]) -> Option<Self> {
        let CommonParameters { public_key_use, key_operations, key_algorithm, key_id, .. } = &key.common;
        let for_signatures = public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature)
            && key_operations.as_ref().is_none_or(|operations| operations.contains(&KeyOperations::Verify));
        let algorithms: Vec<Algorithm> = supported_algorithms(&key.algorithm)
            .iter()
            .copied()
            .filter(|algorithm| allowed.contains(algorithm))
            .filter(|algorithm| key_algorithm.is_none_or(|own| own == KeyAlgorithm::from(*algorithm)))
            .collect();
        if !for_signatures || algorithms.is_empty() {
            return None;
        }
        let decoding = DecodingKey::from_jwk(key).ok()?;
        Some(Self { id: key_id.clone(), algorithms, decoding })
    }
}

/// The algorithms that a key with these parameters can verify. Lengths are checked here, because the library
/// concatenates coordinates unchecked, and detects an invalid point only at the first token.
fn supported_algorithms(parameters: &AlgorithmParameters) -> &'static [Algorithm] {
    match parameters {
        AlgorithmParameters::RSA(key) => {
            let modulus = URL_SAFE_NO_PAD.decode(&key.n).unwrap_or_default();
            let length = modulus.iter().skip_while(|byte| **byte == 0).count();
            if RSA_MODULUS_BYTES.contains(&length) { &RSA_ALGORITHMS } else { &[] }
        }
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 if decoded_length(&key.x) == 32 && decoded_length(&key.y) == 32 => &[Algorithm::ES256],
            EllipticCurve::P384 if decoded_length(&key.x) == 48 && decoded_length(&key.y) == 48 => &[Algorithm::ES384],
            _ => &[],
        },
        AlgorithmParameters::OctetKeyPair(key) => match key.curve {
            EllipticCurve::Ed25519 if decoded_length(&key.x) == 32 => &[Algorithm::EdDSA],
            _ => &[],
        },
        // A published symmetric key is not secret.
        _ => &[],
    }
}

fn decoded_length(coordinate: &str) -> usize {
    URL_SAFE_NO_PAD.decode(coordinate).map_or(0, |bytes| bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    // Public keys whose private keys were discarded.
    const P256: &str = "-----BEGIN PUBLIC KEY-----\n\
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEnS3Fz1OG+L5uaJEQhSTwoe22fyIE\n\
        RCRcSXwrqbfoBfnpyZzoHpVUEgfxKto6UgtbZfgbSf8Fs2nOb6HgIOZefQ==\n\
        -----END PUBLIC KEY-----";
    const ED25519: &str = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEASfNnc4J/WYin/A7r/0E5XMgPGsK7MKCtBv6lX0AnWzE=\n\
        -----END PUBLIC KEY-----";
    const RSA_OF_1024_BITS: &str = "-----BEGIN PUBLIC KEY-----\n\
        MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDCUxCjUb7mXIC2YOPYOe+/Ei+j\n\
        wirPo4GUEEnTpuYGUxVrNB9+3+6wjbRdwsk3Cp+9B67Dm4EN1H2tRRaJtOCWUP3R\n\
        thfqa8qs0JEZYyYY+wP/z6QOw1TWDCBbtaf6UbDNSCVndNsivSYP1fpxT2a7KZqL\n\
        TojkKQ5aAEXPS715cwIDAQAB\n\
        -----END PUBLIC KEY-----";

    const ALL: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

    #[test]
    fn a_pem_file_holds_public_keys_that_fit_and_nothing_else() {
        let both = KeySet::from_pem(&format!("for the tests\n{P256}\n{ED25519}"), &ALL).expect("two keys");
        assert_eq!(both.len(), 2);
        assert_eq!(both.candidates(Algorithm::ES256, Some("any")).keys.len(), 1);
        assert_eq!(both.candidates(Algorithm::EdDSA, None).keys.len(), 1);
        assert!(both.candidates(Algorithm::RS256, None).keys.is_empty());
        let refused = |text: &str, allowed: &[Algorithm]| KeySet::from_pem(text, allowed).expect_err("unusable");
        assert_eq!(refused("", &ALL), KeySetError::NoPublicKey);
        assert_eq!(refused(P256, &[Algorithm::ES384]), KeySetError::NotAllowed);
        assert_eq!(refused(RSA_OF_1024_BITS, &ALL), KeySetError::NotAllowed);
        assert_eq!(refused(&P256.replace("MFkw", "AAAA"), &ALL), KeySetError::Unreadable);
        assert_eq!(refused("-----BEGIN EC", &ALL), KeySetError::Unreadable);
        for label in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY"] {
            assert_eq!(refused(&format!("{P256}\n-----BEGIN {label}-----"), &ALL), KeySetError::PrivateKey);
        }
        assert_eq!(refused("-----BEGIN CERTIFICATE-----", &ALL), KeySetError::Certificate);
        assert_eq!(refused("-----BEGIN EC PARAMETERS-----", &ALL), KeySetError::NoPublicKey);
        assert_eq!(refused(&format!("{P256}\n").repeat(MAX_KEYS + 1), &ALL), KeySetError::TooMany);
    }

    #[test]
    fn a_key_set_gives_at_most_so_many_keys_and_never_symmetric_ones() {
        let key = DecodingKey::from_ec_pem(P256.as_bytes()).expect("a key");
        let key = serde_json::to_value(Jwk::from_decoding_key(&key, None).expect("a key")).expect("JSON");
        let published = |keys: Vec<Json>| serde_json::json!({ "keys": keys }).to_string();
        let many = KeySet::from_jwks(published(vec![key; 100]).as_bytes(), &ALL).expect("a set");
        assert_eq!(many.len(), MAX_KEYS);
        let symmetric = serde_json::json!({"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"});
        let none = KeySet::from_jwks(published(vec![symmetric]).as_bytes(), &[Algorithm::HS256]).expect("a set");
        assert!(none.is_empty());
        for text in ["", "[]", "{}", "{\"keys\": 7}", "<html>"] {
            assert_eq!(
                KeySet::from_jwks(text.as_bytes(), &ALL).expect_err("no set"),
                KeySetError::NotAKeySet,
                "{text}"
            );
        }
    }
}
