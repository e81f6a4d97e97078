//! `[auth.jwt]`: which tokens are valid. The section is checked only with `auth.mode = "jwt"`. The gateway does not start if a
//! setting is missing, or if settings together could accept a forged token.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use jsonwebtoken::{Algorithm, AlgorithmFamily};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::error::{Error, Problems};
use crate::auth::jwt::claims::ClaimNames;
use crate::auth::jwt::jwks::{RefreshPolicy, check_file};
use crate::auth::jwt::{KeySource, Settings};
use crate::outbound::is_loopback;
use crate::setting;

/// The maximum leeway, which RFC 7519 calls "a few minutes, at most". An expired token stays valid for this time.
const MAX_LEEWAY: Duration = Duration::from_secs(60);

const ALGORITHMS: &str = "RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA, HS256, HS384, HS512";

/// `[auth.jwt]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jwt {
    issuer: String,
    audience: String,
    #[serde(deserialize_with = "setting::list")]
    algorithms: Vec<String>,
    jwks_url: String,
    public_key_file: PathBuf,
    pub(super) secret: SecretString,
    pub(super) secret_file: PathBuf,
    subject_claim: String,
    permissions_claim: String,
    account_claim: String,
    #[serde(with = "humantime_serde")]
    leeway: Duration,
    #[serde(with = "humantime_serde")]
    jwks_refresh: Duration,
    #[serde(with = "humantime_serde")]
    jwks_min_interval: Duration,
}

impl Jwt {
    /// The settings of the verifier. It reads the key file.
    ///
    /// # Errors
    /// Each invalid setting, with what to set.
    pub fn verifier_settings(&self) -> Result<Settings, Error> {
        let mut problems = Problems::default();
        let mut needed = |name, value: &str, what: &str| {
            if value.trim().is_empty() {
                problems.add(Error::invalid(name, what));
            }
            value.trim().to_owned()
        };
        let issuer = needed(
            "auth.jwt.issuer",
            &self.issuer,
            "needed with auth.mode = \"jwt\": set it to the exact `iss` of your provider's tokens",
        );
        let audience = needed(
            "auth.jwt.audience",
            &self.audience,
            "needed with auth.mode = \"jwt\": set it to the `aud` of your provider's tokens for this gateway",
        );
        let names = ClaimNames {
            subject: needed(
                "auth.jwt.subject_claim",
                &self.subject_claim,
                "set it to the claim that identifies a caller, such as sub",
            ),
            permissions: needed(
                "auth.jwt.permissions_claim",
                &self.permissions_claim,
                "set it to the claim that lists the permissions of a caller, such as permissions, scope or realm_access.roles",
            ),
            account: Some(self.account_claim.trim().to_owned()).filter(|name| !name.is_empty()),
        };
        if self.leeway > MAX_LEEWAY {
            let problem = "set it to 60s at most; correct clocks that differ by more";
            problems.add(Error::invalid("auth.jwt.leeway", problem));
        }
        let periods =
            [("auth.jwt.jwks_refresh", self.jwks_refresh), ("auth.jwt.jwks_min_interval", self.jwks_min_interval)];
        for (name, period) in periods {
            if period.is_zero() {
                problems.add(Error::invalid(name, "must be longer than zero"));
            }
        }
        let algorithms = problems.ok_or_record(self.algorithms());
        let keys = problems.ok_or_record(self.keys(algorithms.as_deref()));
        let pace = RefreshPolicy { refresh: self.jwks_refresh, min_interval: self.jwks_min_interval };
        let leeway = self.leeway;
        let settings = algorithms.zip(keys).map(|(algorithms, keys)| Settings {
            issuer,
            audience,
            algorithms,
            keys,
            claim_names: names,
            leeway,
            refresh_policy: pace,
        });
        problems.end_with(settings)
    }

    fn algorithms(&self) -> Result<Vec<Algorithm>, Error> {
        let name = "auth.jwt.algorithms";
        let mut problems = Problems::default();
        let mut algorithms = Vec::new();
        for text in &self.algorithms {
            let algorithm = Algorithm::from_str(text);
            let algorithm = algorithm.map_err(|_| Error::invalid(name, &format!("`{text}` is none of {ALGORITHMS}")));
            let Some(algorithm) = problems.ok_or_record(algorithm) else { continue };
            if !algorithms.contains(&algorithm) {
                algorithms.push(algorithm);
            }
        }
        if self.algorithms.is_empty() {
            let problem = "needed with auth.mode = \"jwt\": list the signature algorithms of your provider, such as RS256, and no others";
            problems.add(Error::invalid(name, problem));
        }
        let symmetric = algorithms.iter().filter(|algorithm| is_symmetric(**algorithm)).count();
        if symmetric > 0 && symmetric < algorithms.len() {
            let problem = "lists algorithms with a shared secret (HS…) and algorithms with public keys: a public key could be \
                used as the secret; list one kind only";
            problems.add(Error::invalid(name, problem));
        }
        problems.end_with(Some(algorithms))
    }

    /// The source of the keys. Without valid algorithms, only the presence of keys is checked.
    fn keys(&self, algorithms: Option<&[Algorithm]>) -> Result<KeySource, Error> {
        let url = ("auth.jwt.jwks_url", self.jwks_url.trim());
        let file = ("auth.jwt.public_key_file", &self.public_key_file);
        let secret = ("auth.jwt.secret", self.secret.expose_secret());
        let is_set = [!url.1.is_empty(), !file.1.as_os_str().is_empty(), !secret.1.is_empty()];
        let symmetric = algorithms.map(|algorithms| algorithms.iter().any(|algorithm| is_symmetric(*algorithm)));
        let mut problems = Problems::default();
        match is_set {
            [true, false, false] => {
                problems.ok_or_record(only_with(
                    url.0,
                    symmetric != Some(true),
                    "is for public keys, and auth.jwt.algorithms lists HS…: set auth.jwt.secret instead, or other algorithms",
                ));
                let url = problems.ok_or_record(key_set_url(url.0, url.1));
                problems.end_with(url.map(KeySource::Jwks))
            }
            [false, true, false] => {
                only_with(
                    file.0,
                    symmetric != Some(true),
                    "is for public keys, and auth.jwt.algorithms lists HS…: set auth.jwt.secret instead, or other algorithms",
                )?;
                // The algorithms determine which keys the file must contain.
                if let Some(algorithms) = algorithms {
                    check_file(file.1, algorithms)
                        .map_err(|reason| Error::invalid(file.0, &format!("the file {} {reason}", file.1.display())))?;
                }
                Ok(KeySource::File(file.1.clone()))
            }
            [false, false, true] => {
                problems.ok_or_record(only_with(
                    secret.0,
                    symmetric != Some(false),
                    "is for HS256, HS384 and HS512, and auth.jwt.algorithms lists others: set auth.jwt.jwks_url or auth.jwt.public_key_file instead",
                ));
                let of_algorithms = algorithms.unwrap_or_default().iter().map(|algorithm| hash_bytes(*algorithm)).max();
                let least = of_algorithms.unwrap_or(SHORTEST_HASH);
                if secret.1.len() < least {
                    let problem = format!(
                        "is shorter than the hash: set at least {least} random bytes, such as the output of `openssl rand -base64 {least}`"
                    );
                    problems.add(Error::invalid(secret.0, &problem));
                }
                problems.end_with(Some(KeySource::Secret(self.secret.clone())))
            }
            [false, false, false] => {
                let problem = "auth.mode = \"jwt\" needs keys: set it to your provider's key set (`jwks_uri` in its \
                    .well-known/openid-configuration), or set auth.jwt.public_key_file or auth.jwt.secret";
                Err(Error::invalid(url.0, problem))
            }
            _ => {
                let set = [url.0, file.0, secret.0].into_iter().zip(is_set).filter(|(_, is_set)| *is_set);
                let set: Vec<_> = set.map(|(name, _)| name).collect();
                let (first, _) = set.split_first().map_or((url.0, &[][..]), |(first, rest)| (*first, rest));
                Err(Error::invalid(
                    first,
                    &format!("keys come from one source, and several are set: {}; set only one", set.join(", ")),
                ))
            }
        }
    }
}

fn only_with(name: &'static str, fits: bool, problem: &str) -> Result<(), Error> {
    if fits { Ok(()) } else { Err(Error::invalid(name, problem)) }
}

fn key_set_url(name: &'static str, text: &str) -> Result<Url, Error> {
    let url = Url::parse(text).map_err(|error| Error::invalid(name, &format!("not a URL: {error}")))?;
    let mut problems = Problems::default();
    if !url.username().is_empty() || url.password().is_some() {
        problems.add(Error::invalid(
            name,
            "must have no user and no password, because `check-config` and error texts show it",
        ));
    }
    match url.scheme() {
        "https" if url.has_host() => {}
        "http" if is_loopback(&url) => {}
        _ => problems.add(Error::invalid(
            name,
            "must be https, or http on a loopback address: an attacker who replaces the keys in transit can forge tokens",
        )),
    }
    problems.end_with(Some(url))
}

/// The hash of the shortest algorithm, in bytes.
const SHORTEST_HASH: usize = 32;

fn is_symmetric(algorithm: Algorithm) -> bool {
    algorithm.family() == AlgorithmFamily::Hmac
}

/// The minimum length of a secret, in bytes (RFC 7518, section 3.2).
fn hash_bytes(algorithm: Algorithm) -> usize {
    match algorithm {
        Algorithm::HS384 => 48,
        Algorithm::HS512 => 64,
        _ => SHORTEST_HASH,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::config::Settings as All;
    use crate::config::sources::{Sources, environment};

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    /// Settings with mode `jwt`, a valid `[auth.jwt]`, and these changes.
    fn with(others: &[(&str, &str)]) -> Result<All, Error> {
        let mut variables = vec![("MODE", "jwt"), ("JWT__ISSUER", "https://id.example.com/"), ("JWT__AUDIENCE", "api")];
        variables.extend([("JWT__ALGORITHMS", "RS256"), ("JWT__JWKS_URL", "https://id.example.com/jwks.json")]);
        variables.extend(others);
        let source = variables.iter().map(|(name, value)| (format!("GATEWAY__AUTH__{name}"), (*value).to_owned()));
        All::from_sources(&Sources::read(None, environment().source(Some(source.collect())))?)
    }

    #[test]
    fn valid_settings_are_accepted() {
        let others = [("JWT__ALGORITHMS", " RS256, ES256 ,RS256,"), ("JWT__ACCOUNT_CLAIM", "")];
        let settings = with(&others).expect("usable").auth.jwt.verifier_settings().expect("usable");
        assert_eq!(settings.algorithms, [Algorithm::RS256, Algorithm::ES256]);
        assert_eq!(
            settings.claim_names,
            ClaimNames { subject: "sub".to_owned(), permissions: "permissions".to_owned(), account: None }
        );
        assert_eq!(settings.leeway, Duration::from_secs(30));
        let secret = [("JWT__ALGORITHMS", "HS256"), ("JWT__JWKS_URL", ""), ("JWT__SECRET", SECRET)];
        let settings = with(&secret).expect("usable");
        assert!(!format!("{settings:?}{:?}", settings.auth.jwt.verifier_settings()).contains(SECRET));
    }

    #[rstest]
    #[case::no_issuer("ISSUER", &[("ISSUER", " ")])]
    #[case::no_audience("AUDIENCE", &[("AUDIENCE", "")])]
    #[case::no_algorithms("ALGORITHMS", &[("ALGORITHMS", "")])]
    #[case::only_commas("ALGORITHMS", &[("ALGORITHMS", ", ,")])]
    #[case::none("ALGORITHMS", &[("ALGORITHMS", "RS256,none")])]
    #[case::unknown("ALGORITHMS", &[("ALGORITHMS", "RS255")])]
    #[case::both_kinds("ALGORITHMS", &[("ALGORITHMS", "RS256,HS256")])]
    #[case::no_keys("JWKS_URL", &[("JWKS_URL", "")])]
    #[case::two_sources("JWKS_URL", &[("SECRET", SECRET)])]
    #[case::two_other_sources("PUBLIC_KEY_FILE", &[("JWKS_URL", ""), ("PUBLIC_KEY_FILE", "a.pem"), ("SECRET", SECRET)])]
    #[case::symmetric_with_a_key_set("JWKS_URL", &[("ALGORITHMS", "HS256")])]
    #[case::symmetric_with_a_file("PUBLIC_KEY_FILE", &[("ALGORITHMS", "HS256"), ("JWKS_URL", ""), ("PUBLIC_KEY_FILE", "a.pem")])]
    #[case::asymmetric_with_a_secret("SECRET", &[("JWKS_URL", ""), ("SECRET", SECRET)])]
    #[case::short_secret("SECRET", &[("ALGORITHMS", "HS256"), ("JWKS_URL", ""), ("SECRET", "0123456789abcdef0123456789abcde")])]
    #[case::short_for_the_longest("SECRET", &[("ALGORITHMS", "HS256,HS512"), ("JWKS_URL", ""), ("SECRET", SECRET)])]
    #[case::no_url("JWKS_URL", &[("JWKS_URL", "id.example.com/jwks.json")])]
    #[case::in_clear("JWKS_URL", &[("JWKS_URL", "http://id.example.com/jwks.json")])]
    #[case::another_scheme("JWKS_URL", &[("JWKS_URL", "file:///etc/passwd")])]
    #[case::no_file("PUBLIC_KEY_FILE", &[("JWKS_URL", ""), ("PUBLIC_KEY_FILE", "/there/is/none.pem")])]
    #[case::no_key_in_the_file("PUBLIC_KEY_FILE", &[("JWKS_URL", ""), ("PUBLIC_KEY_FILE", "Cargo.toml")])]
    #[case::no_claim("PERMISSIONS_CLAIM", &[("PERMISSIONS_CLAIM", "")])]
    #[case::nobody("SUBJECT_CLAIM", &[("SUBJECT_CLAIM", " ")])]
    #[case::too_much_leeway("LEEWAY", &[("LEEWAY", "61s")])]
    #[case::no_interval("JWKS_MIN_INTERVAL", &[("JWKS_MIN_INTERVAL", "0s")])]
    #[case::no_refresh("JWKS_REFRESH", &[("JWKS_REFRESH", "0s")])]
    fn missing_or_dangerous_settings_are_rejected(#[case] named: &str, #[case] others: &[(&str, &str)]) {
        let others: Vec<_> = others.iter().map(|(name, value)| (format!("JWT__{name}"), *value)).collect();
        let others: Vec<_> = others.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let problem = with(&others).expect_err("not usable").to_string();
        let expected = format!("auth.jwt.{} (GATEWAY__AUTH__JWT__{named}): ", named.to_ascii_lowercase());
        assert!(problem.contains(&expected), "{problem}");
        assert!(!problem.contains(SECRET) && !problem.contains('\n'), "{problem}");
    }

    #[test]
    fn a_real_upstream_needs_a_key_of_its_own() {
        let url = ("GATEWAY__UPSTREAM__BASE_URL", "https://sandbox.straddle.com");
        for key in ["", "sandbox"] {
            let variables = [
                url,
                ("GATEWAY__UPSTREAM__API_KEY", key),
                ("GATEWAY__AUTH__MODE", "jwt"),
                ("GATEWAY__AUTH__JWT__ISSUER", "i"),
                ("GATEWAY__AUTH__JWT__AUDIENCE", "a"),
                ("GATEWAY__AUTH__JWT__ALGORITHMS", "RS256"),
                ("GATEWAY__AUTH__JWT__JWKS_URL", "https://id.example.com/"),
            ];
            let source = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let sources = Sources::read(None, environment().source(Some(source))).expect("known settings");
            let problem = All::from_sources(&sources).expect_err("no key").to_string();
            assert!(problem.contains("upstream.api_key (GATEWAY__UPSTREAM__API_KEY)"), "{problem}");
        }
    }
}
