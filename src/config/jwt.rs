//! `[auth.jwt]`: which tokens are good. Checked as a whole where the mode asks for it, and refused where any part is
//! missing, doubtful or would weaken another: a gateway that would take a forged token does not start.

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

/// What RFC 7519 calls "a few minutes, at most", taken strictly: a token that has expired is good for so much longer.
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
    /// The settings as what they mean. The key file is looked into.
    ///
    /// # Errors
    /// Names the settings that cannot be used, and says what to set.
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
            "needed with auth.mode = \"jwt\": set it to the `iss` of your provider's tokens, to the letter",
        );
        let audience = needed(
            "auth.jwt.audience",
            &self.audience,
            "needed with auth.mode = \"jwt\": set it to the `aud` that your provider's tokens for this gateway have",
        );
        let names = ClaimNames {
            subject: needed(
                "auth.jwt.subject_claim",
                &self.subject_claim,
                "set it to the claim that says who a caller is, such as sub",
            ),
            permissions: needed(
                "auth.jwt.permissions_claim",
                &self.permissions_claim,
                "set it to the claim that lists what a caller may do, such as permissions, scope or realm_access.roles",
            ),
            account: Some(self.account_claim.trim().to_owned()).filter(|name| !name.is_empty()),
        };
        if self.leeway > MAX_LEEWAY {
            let problem = "set it to 60s at most; clocks that are further apart need mending";
            problems.add(Error::invalid("auth.jwt.leeway", problem));
        }
        let periods =
            [("auth.jwt.jwks_refresh", self.jwks_refresh), ("auth.jwt.jwks_min_interval", self.jwks_min_interval)];
        for (name, period) in periods {
            if period.is_zero() {
                problems.add(Error::invalid(name, "must be longer than nothing"));
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
            let problem =
                "needed with auth.mode = \"jwt\": list how your provider signs, such as RS256; never more than it uses";
            problems.add(Error::invalid(name, problem));
        }
        let symmetric = algorithms.iter().filter(|algorithm| is_symmetric(**algorithm)).count();
        if symmetric > 0 && symmetric < algorithms.len() {
            let problem = "lists algorithms with a shared secret (HS…) beside ones with public keys: a public key could be \
                taken for the secret; keep one kind";
            problems.add(Error::invalid(name, problem));
        }
        problems.end_with(Some(algorithms))
    }

    /// Where keys come from. Without algorithms that can be used it is not known which keys fit them, but whether there are
    /// some.
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
                    "belongs to public keys, and auth.jwt.algorithms lists HS…: set auth.jwt.secret instead, or other algorithms",
                ));
                let url = problems.ok_or_record(key_set_url(url.0, url.1));
                problems.end_with(url.map(KeySource::Jwks))
            }
            [false, true, false] => {
                only_with(
                    file.0,
                    symmetric != Some(true),
                    "belongs to public keys, and auth.jwt.algorithms lists HS…: set auth.jwt.secret instead, or other algorithms",
                )?;
                // What the file has to hold depends on the algorithms.
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
                    "belongs to HS256, HS384 and HS512, and auth.jwt.algorithms lists others: set auth.jwt.jwks_url or auth.jwt.public_key_file instead",
                ));
                let of_algorithms = algorithms.unwrap_or_default().iter().map(|algorithm| hash_bytes(*algorithm)).max();
                let least = of_algorithms.unwrap_or(SHORTEST_HASH);
                if secret.1.len() < least {
                    let problem = format!(
                        "is shorter than the hash: set {least} random bytes or more, such as `openssl rand -base64 {least}` makes"
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
                    &format!("keys come from one place only, and several are set: {}; keep one", set.join(", ")),
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
        problems.add(Error::invalid(name, "must have no user and no password: `check-config` and error texts show it"));
    }
    match url.scheme() {
        "https" if url.has_host() => {}
        "http" if is_loopback(&url) => {}
        _ => problems.add(Error::invalid(
            name,
            "must be https, or http on a loopback address: whoever changes the keys on their way can make tokens",
        )),
    }
    problems.end_with(Some(url))
}

/// Of the shortest algorithm, in bytes.
const SHORTEST_HASH: usize = 32;

fn is_symmetric(algorithm: Algorithm) -> bool {
    algorithm.family() == AlgorithmFamily::Hmac
}

/// How long a secret must be at least (RFC 7518, section 3.2).
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

    /// The settings with mode `jwt` and these of `[auth.jwt]`; a good key set, unless told otherwise.
    fn with(others: &[(&str, &str)]) -> Result<All, Error> {
        let mut variables = vec![("MODE", "jwt"), ("JWT__ISSUER", "https://id.example.com/"), ("JWT__AUDIENCE", "api")];
        variables.extend([("JWT__ALGORITHMS", "RS256"), ("JWT__JWKS_URL", "https://id.example.com/jwks.json")]);
        variables.extend(others);
        let source = variables.iter().map(|(name, value)| (format!("GATEWAY__AUTH__{name}"), (*value).to_owned()));
        All::from_sources(&Sources::read(None, environment().source(Some(source.collect())))?)
    }

    #[test]
    fn what_is_right_can_be_used() {
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
    fn what_is_missing_or_dangerous_does_not_start(#[case] named: &str, #[case] others: &[(&str, &str)]) {
        let others: Vec<_> = others.iter().map(|(name, value)| (format!("JWT__{name}"), *value)).collect();
        let others: Vec<_> = others.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let problem = with(&others).expect_err("not usable").to_string();
        let expected = format!("auth.jwt.{} (GATEWAY__AUTH__JWT__{named}): ", named.to_ascii_lowercase());
        assert!(problem.contains(&expected), "{problem}");
        assert!(!problem.contains(SECRET) && !problem.contains('\n'), "{problem}");
    }

    #[test]
    fn an_upstream_without_a_key_of_its_own_does_not_start() {
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
