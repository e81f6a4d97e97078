//! Verifies bearer tokens that are JSON Web Tokens (RFC 7519) of one identity provider.
//!
//! Only the settings decide what is accepted, never the token: the algorithms, the issuer, the audience and the keys.
//! A token names an algorithm and a key only to select among those. Its `jku`, `jwk` and `x5u` are ignored. The
//! verifier rejects what RFC 8725 warns of: `none`, a public key used as a symmetric secret, and tokens that were
//! issued for another purpose.
//!
//! No content of a token gets into a message or the log, only the class of the reason for its rejection.

pub mod claims;
pub mod jwks;
mod keys;

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

/// The maximum length of a token, in bytes. Most tokens with many roles stay below 8 KiB, where proxies begin to
/// reject headers. This limit is twice that.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// The accepted values of a token's `typ` (RFC 7519, section 5.1; RFC 9068, section 2.1). A token of another type,
/// such as `logout+jwt`, has another purpose, even if all its claims fit.
const ACCESS_TOKEN_TYPES: [&str; 4] = ["jwt", "application/jwt", "at+jwt", "application/at+jwt"];

/// Which tokens are accepted: `[auth.jwt]` in `config/default.toml`, validated.
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

/// Where the keys come from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// The provider's published key set (RFC 7517).
    Jwks(Url),
    /// A file with one or more public keys in PEM.
    File(PathBuf),
    /// A secret shared with the provider, for HS256, HS384 and HS512 only.
    Secret(SecretString),
}

/// The claims of a verified token. The type has no `Debug`, because claims are personal data.
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

/// Why a token is rejected, by class, for metrics and the log. The caller learns only that it was rejected.
#[derive(IntoStaticStr, Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[strum(serialize_all = "snake_case")]
pub enum TokenError {
    #[error("the request has no bearer token")]
    Missing,
    #[error("the token is longer than 16 KiB")]
    TooLong,
    #[error("the token is not a signed JWT with a known algorithm")]
    Malformed,
    #[error("auth.jwt.algorithms does not list the token's algorithm")]
    Algorithm,
    #[error("the token's type is not that of an access token")]
    Type,
    #[error("the token has critical extensions, and the gateway supports none")]
    #[strum(serialize = "malformed")]
    CriticalHeader,
    #[error("the token's key is unknown")]
    UnknownKey,
    #[error("the token's signature is wrong")]
    Signature,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYetValid,
    #[error("the token is from another issuer")]
    Issuer,
    #[error("the token is for another audience")]
    Audience,
    #[error("a required claim is missing or malformed: exp, iss, aud, nbf")]
    Claims,
    /// The only reason that is not in the token: no key could be loaded since startup.
    #[error("the identity provider's keys have not been loaded yet")]
    NoKeys,
}

impl TokenError {
    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Verifies tokens.
#[derive(Debug)]
pub struct Verifier {
    /// One validation per algorithm: the library requires that all algorithms of a validation are of the key's family.
    validations: Vec<(Algorithm, Validation)>,
    keys: KeyStore,
    claim_names: ClaimNames,
}

impl Verifier {
    /// Creates a verifier. A background task keeps its keys up to date.
    ///
    /// # Errors
    /// If the key file cannot be used, or this machine cannot make HTTPS calls.
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

    /// Replaces the shared secret. Returns `false` and changes nothing if the keys have another source.
    pub fn replace_secret(&self, secret: &SecretString) -> bool {
        let algorithms: Vec<Algorithm> = self.validations.iter().map(|(algorithm, _)| *algorithm).collect();
        self.keys.replace_static(KeySet::from_secret(secret.expose_secret().as_bytes(), &algorithms))
    }

    /// The age of the keys. `None` for a secret.
    pub fn key_age(&self) -> Option<Duration> {
        self.keys.age()
    }

    /// The names of the claims that identify the caller, its permissions and its accounts.
    pub fn claim_names(&self) -> &ClaimNames {
        &self.claim_names
    }

    /// The minimum interval between two loads of the provider's keys.
    pub fn min_refresh_interval(&self) -> Duration {
        self.keys.min_interval()
    }

    /// Verifies a token and returns its claims.
    ///
    /// Verifying runs on the runtime's own thread: RS256 takes some 50 µs, which is less than handing it to another
    /// thread and waiting for the result.
    ///
    /// # Errors
    /// The class of the reason for the rejection.
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
        // The provider may have changed its keys. Load them again, if the minimum interval allows it.
        let Some(newer) = self.keys.wait_for_newer(&seen, deadline).await else { return Err(refusal) };
        try_keys(token, &header, validation, newer.keys.as_deref()).map_err(KeyTrialError::into_error)
    }

    fn validation(&self, header: &Header) -> Result<&Validation, TokenError> {
        // RFC 7515, section 4.1.11: a token with an unknown critical extension must be rejected. No extension is known
        // here.
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
        // `exp` is the first second in which a token is expired (RFC 7519, section 4.1.4). By default the library
        // still accepts it in that second.
        validation.reject_tokens_expiring_in_less_than = 1;
        validation
    }
}

/// Why no key verified the token.
enum KeyTrialError {
    Final(TokenError),
    /// Another key set might verify it.
    RetryWithNewKeys(TokenError),
}

impl KeyTrialError {
    fn into_error(self) -> TokenError {
        match self {
            Self::Final(refusal) | Self::RetryWithNewKeys(refusal) => refusal,
        }
    }
}

/// Tries the candidate keys. There are few: a key set is limited, and a `kid` selects one.
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
            // The library also accepts a list of issuers. A token has one (RFC 7519, section 4.1.1).
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
    // The key that the token names exists, so the signature is wrong.
    Err(if named { KeyTrialError::Final(refusal) } else { KeyTrialError::RetryWithNewKeys(refusal) })
}

/// The class of the library's error. Its text is not used, because it can contain parts of the token.
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
