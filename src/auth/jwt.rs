//! Verifies bearer tokens that are JSON Web Tokens (RFC 7519) of one identity provider.
//!
//! What is accepted comes from the settings alone, never from the token: the algorithms, the issuer, the audience, the
//! keys. A token names an algorithm and a key only to choose among those; `jku`, `jwk` and `x5u` in it are not read. It
//! refuses what RFC 8725 warns of: `none`, a public key taken for a symmetric secret, tokens made for something else.
//!
//! Nothing of a token gets into a message or the log, only the class of reason why it was refused.

pub mod claims;
pub mod jwks;
pub mod keys;

use std::path::PathBuf;
use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Header, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value as Json};
use strum::IntoStaticStr;
use tokio::time::Instant;
use url::Url;

use claims::ClaimNames;
use jwks::{KeyLoader, KeyStore, KeyStoreError, RefreshPolicy};
use keys::{Candidates, KeySet};

use crate::outbound::Proxy;

/// The longest token, in bytes. Most with many roles stay below 8 KiB, where proxies begin to refuse headers; this is twice
/// that.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// What a token's `typ` may be (RFC 7519, section 5.1; RFC 9068, section 2.1). Others, such as `logout+jwt`, are made
/// for something else and may fit in all else.
const ACCESS_TOKEN_TYPES: [&str; 4] = ["jwt", "application/jwt", "at+jwt", "application/at+jwt"];

/// Which tokens are taken; `[auth.jwt]` in `config/default.toml`, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    pub issuer: String,
    pub audience: String,
    pub algorithms: Vec<Algorithm>,
    pub keys: KeySource,
    pub claim_names: ClaimNames,
    pub leeway: Duration,
    pub refresh_policy: RefreshPolicy,
}

/// Where the keys are.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// The provider's published key set (RFC 7517).
    Jwks(Url),
    /// A file with one or more public keys in PEM.
    File(PathBuf),
    /// A secret that is shared with the provider; for HS256, HS384 and HS512 only.
    Secret(SecretString),
}

/// The claims of a token that was found good. They have no `Debug`: they are somebody's.
#[derive(Clone)]
pub struct VerifiedClaims {
    claims: Map<String, Json>,
}

impl VerifiedClaims {
    /// All claims.
    pub fn claims(&self) -> &Map<String, Json> {
        &self.claims
    }
}

/// Why a token is refused: for our log, by class. The caller is told nothing of it but that it was refused.
#[derive(IntoStaticStr, Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[strum(serialize_all = "snake_case")]
pub enum TokenError {
    #[error("there is no bearer token")]
    Missing,
    #[error("longer than 16 KiB")]
    TooLong,
    #[error("not a signed JWT with an algorithm that is known")]
    Malformed,
    #[error("an algorithm that auth.jwt.algorithms does not list")]
    Algorithm,
    #[error("of a type that is not an access token's")]
    Type,
    #[error("with critical extensions, of which none is known")]
    #[strum(serialize = "malformed")]
    CriticalHeader,
    #[error("signed by a key that is not known")]
    UnknownKey,
    #[error("the signature is wrong")]
    Signature,
    #[error("expired")]
    Expired,
    #[error("not valid yet")]
    NotYetValid,
    #[error("of another issuer")]
    Issuer,
    #[error("for another audience")]
    Audience,
    #[error("a claim that must be there is missing or of a wrong form: exp, iss, aud, nbf")]
    Claims,
    /// The one that is not the token's fault: no key could be had since the start.
    #[error("the identity provider's keys could not be had yet")]
    NoKeys,
}

impl TokenError {
    /// As the metrics call it.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Verifies tokens.
#[derive(Debug)]
pub struct Verifier {
    /// One for each algorithm: the library wants all algorithms of a validation to be of the key's family.
    validations: Vec<(Algorithm, Validation)>,
    keys: KeyStore,
    claim_names: ClaimNames,
}

impl Verifier {
    /// A verifier whose keys are kept up to date in the background.
    ///
    /// # Errors
    /// Where the key file cannot be used, or this machine cannot make HTTPS calls.
    pub fn start(settings: Settings, proxy: Option<&Proxy>) -> Result<Self, KeyStoreError> {
        let validations = settings.algorithms.iter().map(|algorithm| (*algorithm, settings.validation(*algorithm)));
        let validations = validations.collect();
        let supply = match settings.keys {
            KeySource::Secret(secret) => {
                KeyStore::from_static(KeySet::from_secret(secret.expose_secret().as_bytes(), &settings.algorithms))
            }
            KeySource::File(path) => {
                KeyStore::start(KeyLoader::file(path, settings.algorithms)?, settings.refresh_policy)
            }
            KeySource::Jwks(url) => {
                KeyStore::start(KeyLoader::jwks(url, proxy, settings.algorithms)?, settings.refresh_policy)
            }
        };
        Ok(Self { validations, keys: supply, claim_names: settings.claim_names })
    }

    /// Takes another shared secret in place of the one there is, and says whether there is one. Keys from elsewhere stay.
    pub fn replace_secret(&self, secret: &SecretString) -> bool {
        let algorithms: Vec<Algorithm> = self.validations.iter().map(|(algorithm, _)| *algorithm).collect();
        self.keys.replace_static(KeySet::from_secret(secret.expose_secret().as_bytes(), &algorithms))
    }

    /// How old the keys are; none for a secret, which does not age.
    pub fn key_age(&self) -> Option<Duration> {
        self.keys.age()
    }

    /// The names of the claims that say what a caller may do, and for which account.
    pub fn claim_names(&self) -> &ClaimNames {
        &self.claim_names
    }

    /// How long the provider is left alone before its keys are asked for again.
    pub fn min_refresh_interval(&self) -> Duration {
        self.keys.min_interval()
    }

    /// The claims of a token, if it is good.
    ///
    /// Verifying is work for the processor, on the runtime's own thread: RS256 takes some 50 µs, which is less than
    /// handing it to another thread and waiting for its turn there.
    ///
    /// # Errors
    /// The class of reason why it is not.
    pub async fn verify(&self, token: &str, deadline: Instant) -> Result<VerifiedClaims, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLong);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Malformed)?;
        let validation = self.validation(&header)?;
        let seen = self.keys.current();
        let refusal = match try_keys(token, &header, validation, seen.keys.as_deref()) {
            Ok(verified) => return Ok(verified),
            Err(KeyTrialError::Final(refusal)) => return Err(refusal),
            Err(KeyTrialError::RetryWithNewKeys(refusal)) => refusal,
        };
        // The provider may have changed its keys: look once more, no more often than the pace allows.
        let Some(newer) = self.keys.wait_for_newer(&seen, deadline).await else { return Err(refusal) };
        try_keys(token, &header, validation, newer.keys.as_deref()).map_err(KeyTrialError::into_error)
    }

    fn validation(&self, header: &Header) -> Result<&Validation, TokenError> {
        // RFC 7515, section 4.1.11: an extension that is not known must not be passed over. None is known here.
        if header.crit.is_some() {
            return Err(TokenError::CriticalHeader);
        }
        if header
            .typ
            .as_deref()
            .is_some_and(|typ| !ACCESS_TOKEN_TYPES.iter().any(|known| known.eq_ignore_ascii_case(typ)))
        {
            return Err(TokenError::Type);
        }
        let found = self.validations.iter().find(|(algorithm, _)| *algorithm == header.alg);
        found.map(|(_, validation)| validation).ok_or(TokenError::Algorithm)
    }
}

impl Settings {
    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.leeway = self.leeway.as_secs();
        validation.validate_nbf = true;
        // `exp` is the first second in which a token is no longer good (RFC 7519, section 4.1.4); the library by itself
        // would still take it then.
        validation.reject_tokens_expiring_in_less_than = 1;
        validation
    }
}

/// How trying the keys ended, where it did not end well.
enum KeyTrialError {
    Final(TokenError),
    /// Whether another key set would have made a difference.
    RetryWithNewKeys(TokenError),
}

impl KeyTrialError {
    fn into_error(self) -> TokenError {
        match self {
            Self::Final(refusal) | Self::RetryWithNewKeys(refusal) => refusal,
        }
    }
}

/// Tries the keys that the token can have been signed by. There are few: a set is bounded, and a `kid` leaves one.
fn try_keys(
    token: &str,
    header: &Header,
    validation: &Validation,
    keys: Option<&KeySet>,
) -> Result<VerifiedClaims, KeyTrialError> {
    let Some(keys) = keys else { return Err(KeyTrialError::RetryWithNewKeys(TokenError::NoKeys)) };
    let Candidates { keys, matches_kid: named } = keys.candidates(header.alg, header.kid.as_deref());
    let mut refusal = TokenError::UnknownKey;
    for key in keys {
        match jsonwebtoken::decode::<Map<String, Json>>(token, key, validation) {
            // The library takes a list of issuers too; a token has one (RFC 7519, section 4.1.1).
            Ok(token) if token.claims.get("iss").is_some_and(Json::is_string) => {
                return Ok(VerifiedClaims { claims: token.claims });
            }
            Ok(_) => return Err(KeyTrialError::Final(TokenError::Issuer)),
            Err(error) => match classify(error.kind()) {
                TokenError::Signature => refusal = TokenError::Signature,
                other => return Err(KeyTrialError::Final(other)),
            },
        }
    }
    // The key that the token names is there: it is the signature that is wrong.
    Err(if named { KeyTrialError::Final(refusal) } else { KeyTrialError::RetryWithNewKeys(refusal) })
}

/// The class of the library's error; its text is not used, since it can hold what it failed on.
fn classify(error: &ErrorKind) -> TokenError {
    match error {
        ErrorKind::InvalidSignature => TokenError::Signature,
        ErrorKind::InvalidAlgorithm => TokenError::Algorithm,
        ErrorKind::ExpiredSignature => TokenError::Expired,
        ErrorKind::ImmatureSignature => TokenError::NotYetValid,
        ErrorKind::InvalidIssuer => TokenError::Issuer,
        ErrorKind::InvalidAudience => TokenError::Audience,
        ErrorKind::MissingRequiredClaim(_) | ErrorKind::InvalidClaimFormat(_) => TokenError::Claims,
        _ => TokenError::Malformed,
    }
}
