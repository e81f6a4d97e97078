//! Verifies bearer tokens that are JSON Web Tokens (RFC 7519) of one identity provider.
//!
//! What is accepted comes from the settings alone, never from the token: the algorithms, the issuer, the audience, the
//! keys. A token names an algorithm and a key only to choose among those; `jku`, `jwk` and `x5u` in it are not read. It
//! refuses what RFC 8725 warns of: `none`, a public key taken for a symmetric secret, tokens made for something else.
//!
//! Nothing of a token gets into a message or the log, only the class of reason why it was refused.

pub mod claims;
pub mod keys;
pub mod source;

use std::path::PathBuf;
use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Header, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value as Json};
use tokio::time::Instant;
use url::Url;

use claims::Names;
use keys::{Candidates, KeySet};
use source::{CannotStart, Pace, Source, Supply};

use crate::outbound::Proxy;

/// The longest token, in bytes. Most with many roles stay below 8 KiB, where proxies begin to refuse headers; this is twice
/// that.
pub const LONGEST_TOKEN: usize = 16 * 1024;

/// What a token's `typ` may be (RFC 7519, section 5.1; RFC 9068, section 2.1). Others, such as `logout+jwt`, are made
/// for something else and may fit in all else.
const TYPES: [&str; 4] = ["jwt", "application/jwt", "at+jwt", "application/at+jwt"];

/// Which tokens are taken; `[auth.jwt]` in `config/default.toml`, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    pub issuer: String,
    pub audience: String,
    pub algorithms: Vec<Algorithm>,
    pub keys: KeySource,
    pub names: Names,
    pub leeway: Duration,
    pub pace: Pace,
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
pub struct Verified {
    claims: Map<String, Json>,
}

impl Verified {
    /// All claims.
    pub fn claims(&self) -> &Map<String, Json> {
        &self.claims
    }
}

/// Why a token is refused: for our log, by class. The caller is told nothing of it but that it was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
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
    Critical,
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

impl Refusal {
    /// As the metrics call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::TooLong => "too_long",
            Self::Malformed | Self::Critical => "malformed",
            Self::Algorithm => "algorithm",
            Self::Type => "type",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Claims => "claims",
            Self::NoKeys => "no_keys",
        }
    }
}

/// Verifies tokens.
#[derive(Debug)]
pub struct Verifier {
    /// One for each algorithm: the library wants all algorithms of a validation to be of the key's family.
    validations: Vec<(Algorithm, Validation)>,
    supply: Supply,
    names: Names,
}

impl Verifier {
    /// A verifier whose keys are kept up to date in the background.
    ///
    /// # Errors
    /// Where the key file cannot be used, or this machine cannot make HTTPS calls.
    pub fn start(settings: Settings, proxy: Option<&Proxy>) -> Result<Self, CannotStart> {
        let validations = settings.algorithms.iter().map(|algorithm| (*algorithm, settings.validation(*algorithm)));
        let validations = validations.collect();
        let supply = match settings.keys {
            KeySource::Secret(secret) => {
                Supply::fixed(KeySet::of_secret(secret.expose_secret().as_bytes(), &settings.algorithms))
            }
            KeySource::File(path) => Supply::start(Source::file(path, settings.algorithms)?, settings.pace),
            KeySource::Jwks(url) => Supply::start(Source::jwks(url, proxy, settings.algorithms)?, settings.pace),
        };
        Ok(Self { validations, supply, names: settings.names })
    }

    /// Takes another shared secret in place of the one there is, and says whether there is one. Keys from elsewhere stay.
    pub fn replace_secret(&self, secret: &SecretString) -> bool {
        let algorithms: Vec<Algorithm> = self.validations.iter().map(|(algorithm, _)| *algorithm).collect();
        self.supply.replace_fixed(KeySet::of_secret(secret.expose_secret().as_bytes(), &algorithms))
    }

    /// How old the keys are; none for a secret, which does not age.
    pub fn key_age(&self) -> Option<Duration> {
        self.supply.age()
    }

    /// The names of the claims that say what a caller may do, and for which account.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// How long the provider is left alone before its keys are asked for again.
    pub fn pause(&self) -> Duration {
        self.supply.pause()
    }

    /// The claims of a token, if it is good.
    ///
    /// Verifying is work for the processor, on the runtime's own thread: RS256 takes some 50 µs, which is less than
    /// handing it to another thread and waiting for its turn there.
    ///
    /// # Errors
    /// The class of reason why it is not.
    pub async fn verify(&self, token: &str, deadline: Instant) -> Result<Verified, Refusal> {
        if token.len() > LONGEST_TOKEN {
            return Err(Refusal::TooLong);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| Refusal::Malformed)?;
        let validation = self.validation(&header)?;
        let seen = self.supply.now();
        let refusal = match attempt(token, &header, validation, seen.keys.as_deref()) {
            Ok(verified) => return Ok(verified),
            Err(Attempt::Final(refusal)) => return Err(refusal),
            Err(Attempt::OtherKeysMayFit(refusal)) => refusal,
        };
        // The provider may have changed its keys: look once more, no more often than the pace allows.
        let Some(newer) = self.supply.newer_than(&seen, deadline).await else { return Err(refusal) };
        attempt(token, &header, validation, newer.keys.as_deref()).map_err(Attempt::refusal)
    }

    fn validation(&self, header: &Header) -> Result<&Validation, Refusal> {
        // RFC 7515, section 4.1.11: an extension that is not known must not be passed over. None is known here.
        if header.crit.is_some() {
            return Err(Refusal::Critical);
        }
        if header.typ.as_deref().is_some_and(|typ| !TYPES.iter().any(|known| known.eq_ignore_ascii_case(typ))) {
            return Err(Refusal::Type);
        }
        let found = self.validations.iter().find(|(algorithm, _)| *algorithm == header.alg);
        found.map(|(_, validation)| validation).ok_or(Refusal::Algorithm)
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
enum Attempt {
    Final(Refusal),
    /// Whether another key set would have made a difference.
    OtherKeysMayFit(Refusal),
}

impl Attempt {
    fn refusal(self) -> Refusal {
        match self {
            Self::Final(refusal) | Self::OtherKeysMayFit(refusal) => refusal,
        }
    }
}

/// Tries the keys that the token can have been signed by. There are few: a set is bounded, and a `kid` leaves one.
fn attempt(token: &str, header: &Header, validation: &Validation, keys: Option<&KeySet>) -> Result<Verified, Attempt> {
    let Some(keys) = keys else { return Err(Attempt::OtherKeysMayFit(Refusal::NoKeys)) };
    let Candidates { keys, named } = keys.candidates(header.alg, header.kid.as_deref());
    let mut refusal = Refusal::UnknownKey;
    for key in keys {
        match jsonwebtoken::decode::<Map<String, Json>>(token, key, validation) {
            // The library takes a list of issuers too; a token has one (RFC 7519, section 4.1.1).
            Ok(token) if token.claims.get("iss").is_some_and(Json::is_string) => {
                return Ok(Verified { claims: token.claims });
            }
            Ok(_) => return Err(Attempt::Final(Refusal::Issuer)),
            Err(error) => match class(error.kind()) {
                Refusal::Signature => refusal = Refusal::Signature,
                other => return Err(Attempt::Final(other)),
            },
        }
    }
    // The key that the token names is there: it is the signature that is wrong.
    Err(if named { Attempt::Final(refusal) } else { Attempt::OtherKeysMayFit(refusal) })
}

/// The class of the library's error; its text is not used, since it can hold what it failed on.
fn class(error: &ErrorKind) -> Refusal {
    match error {
        ErrorKind::InvalidSignature => Refusal::Signature,
        ErrorKind::InvalidAlgorithm => Refusal::Algorithm,
        ErrorKind::ExpiredSignature => Refusal::Expired,
        ErrorKind::ImmatureSignature => Refusal::NotYetValid,
        ErrorKind::InvalidIssuer => Refusal::Issuer,
        ErrorKind::InvalidAudience => Refusal::Audience,
        ErrorKind::MissingRequiredClaim(_) | ErrorKind::InvalidClaimFormat(_) => Refusal::Claims,
        _ => Refusal::Malformed,
    }
}
