//! Where settings come from: the defaults, a file, the environment. Each setting is known by the defaults, so that one
//! that is misspelt is named with the one that was meant, and so that it can be said of each where its value is from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use config::{Config, ConfigError, Environment, File, FileFormat, FileSourceString, Map, Source, Value, ValueKind};
use serde::de::DeserializeOwned;

use super::Error;

const DEFAULTS: &str = include_str!("../../config/default.toml");
const PREFIX: &str = "GATEWAY";

/// Settings whose values are never shown. A test compares them with the types of the settings.
const SECRETS: [&str; 4] = ["auth.jwt.secret", "log.digest_key", "traces.authorization", "upstream.api_key"];

/// A setting that is in force.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InForce {
    pub name: String,
    /// As it would be written in a file; of a secret, only whether there is one.
    pub value: String,
    /// `default`, the file's path, or the variable's name.
    pub origin: String,
}

/// All three, read.
#[derive(Debug)]
pub(super) struct Sources {
    file: Option<(PathBuf, File<FileSourceString, FileFormat>)>,
    environment: Environment,
    defaults: BTreeMap<String, Value>,
}

/// The environment of this process.
pub(super) fn environment() -> Environment {
    Environment::with_prefix(PREFIX).prefix_separator("__").separator("__")
}

/// The environment's name of a setting.
pub(super) fn variable(name: &str) -> String {
    format!("{PREFIX}__{}", name.replace('.', "__").to_ascii_uppercase())
}

fn defaults() -> File<FileSourceString, FileFormat> {
    File::from_str(DEFAULTS, FileFormat::Toml)
}

impl Sources {
    /// Reads them; every setting in them is a known one.
    pub fn read(file: Option<&Path>, environment: Environment) -> Result<Self, Error> {
        let file = match file {
            None => None,
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| Error::Unreadable(format!("{}: {error}", path.display())))?;
                Some((path.to_owned(), File::from_str(&text, FileFormat::Toml)))
            }
        };
        let sources = Self { file, environment, defaults: flat(&defaults())? };
        for (origin, values) in sources.layers()? {
            let unknown = values.into_keys().find(|name| !sources.knows(name));
            if let Some(name) = unknown {
                let meant = nearest(&name, sources.defaults.keys().map(String::as_str));
                let suggestion = meant.map_or_else(|| ":".to_owned(), |meant| format!(": did you mean {meant}?"));
                return Err(Error::Unknown { origin: origin(&name), name, suggestion });
            }
        }
        Ok(sources)
    }

    /// A setting, or a table of some, of which the type says what is wrong with it.
    fn knows(&self, name: &str) -> bool {
        let table = format!("{name}.");
        self.defaults.contains_key(name) || self.defaults.keys().any(|known| known.starts_with(&table))
    }

    /// What stands in the file and in the environment, in this order, and how to name where a setting is from.
    #[expect(clippy::type_complexity, reason = "a list of two at most, used in two places of this file")]
    fn layers(&self) -> Result<Vec<(Box<dyn Fn(&str) -> String>, BTreeMap<String, Value>)>, Error> {
        let mut layers: Vec<(Box<dyn Fn(&str) -> String>, _)> = Vec::new();
        if let Some((path, file)) = &self.file {
            let path = path.display().to_string();
            layers.push((Box::new(move |_| path.clone()), flat(file)?));
        }
        layers.push((Box::new(variable), flat(&self.environment)?));
        Ok(layers)
    }

    /// The settings themselves.
    pub fn settings<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let mut builder = Config::builder().add_source(defaults());
        if let Some((_, file)) = &self.file {
            builder = builder.add_source(file.clone());
        }
        let read = builder.add_source(self.environment.clone()).build().and_then(Config::try_deserialize);
        read.map_err(unreadable)
    }

    /// Every setting and where it comes from.
    pub fn in_force(&self) -> Vec<InForce> {
        let layers = self.layers().unwrap_or_default();
        let settings = self.defaults.iter().map(|(name, default)| {
            let last = layers.iter().rev().find_map(|(origin, values)| Some((origin(name), values.get(name)?)));
            let (origin, value) = last.unwrap_or_else(|| ("default".to_owned(), default));
            let value = match shown(value, default) {
                value if !SECRETS.contains(&name.as_str()) => value,
                value if value == "\"\"" => "(none)".to_owned(),
                _ => "(a secret)".to_owned(),
            };
            InForce { name: name.clone(), value, origin }
        });
        settings.collect()
    }
}

/// A value as it would be written in a file; the environment has texts alone, so the default tells what it is.
fn shown(value: &Value, default: &Value) -> String {
    match (&value.kind, &default.kind) {
        (ValueKind::String(text), ValueKind::String(_)) => format!("{text:?}"),
        (ValueKind::Array(values), _) => {
            let values: Vec<String> = values.iter().map(|value| shown(value, value)).collect();
            format!("[{}]", values.join(", "))
        }
        _ => value.to_string(),
    }
}

/// The settings of a source by their names with dots, without tables.
fn flat(source: &impl Source) -> Result<BTreeMap<String, Value>, Error> {
    let mut found = BTreeMap::new();
    flatten("", source.collect().map_err(unreadable)?, &mut found);
    Ok(found)
}

fn flatten(prefix: &str, values: Map<String, Value>, found: &mut BTreeMap<String, Value>) {
    for (name, value) in values {
        let name = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        match value.kind {
            ValueKind::Table(inside) if !inside.is_empty() => flatten(&name, inside, found),
            _ => {
                found.insert(name, value);
            }
        }
    }
}

/// The setting that was most likely meant: the same word in another section, or a word that is close.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let word = |name: &'a str| name.rsplit('.').next().unwrap_or(name);
    let last = name.rsplit('.').next().unwrap_or(name);
    let elsewhere = known.clone().find(|known| word(known) == last);
    let close = || {
        let distances = known.map(|known| (strsim::damerau_levenshtein(name, known), known));
        distances.min().filter(|(distance, _)| *distance <= (name.len() / 3).max(2)).map(|(_, known)| known)
    };
    elsewhere.or_else(close)
}

fn unreadable(error: ConfigError) -> Error {
    Error::Unreadable(without_the_source(&error.to_string()))
}

/// A parser's message in one line, and without the line of the file that it quotes: that line can hold a key.
fn without_the_source(message: &str) -> String {
    let quoted = |line: &&str| line.trim_start_matches(|c: char| c == ' ' || c.is_ascii_digit()).starts_with('|');
    let told: Vec<&str> = message.lines().filter(|line| !quoted(line)).map(str::trim).collect();
    told.join(" ").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::config::Settings;

    fn sources(variables: &[(&str, &str)]) -> Result<Sources, Error> {
        let source = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Sources::read(None, environment().source(Some(source)))
    }

    #[rstest]
    #[case("GATEWAY__SERVER__LISTN", "server.listn", Some("server.listen"))]
    #[case("GATEWAY__SERVR__ADMIN_LISTEN", "servr.admin_listen", Some("server.admin_listen"))]
    #[case("GATEWAY__SERVER__MAX_TOKENS", "server.max_tokens", Some("graphql.max_tokens"))]
    #[case("GATEWAY__UPSTREAM__API_KEYS", "upstream.api_keys", Some("upstream.api_key"))]
    #[case("GATEWAY__ELEPHANTS", "elephants", None)]
    fn an_unknown_setting_is_named_with_the_one_that_was_meant(
        #[case] variable: &str,
        #[case] name: &str,
        #[case] meant: Option<&str>,
    ) {
        let told = sources(&[(variable, "sk_live_1")]).expect_err("an unknown setting").to_string();
        assert!(told.contains(&format!("{name} ({variable})")) && !told.contains("sk_live"), "{told}");
        match meant {
            Some(meant) => assert!(told.contains(&format!("did you mean {meant}?")), "{told}"),
            None => assert!(!told.contains("did you mean"), "{told}"),
        }
    }

    #[test]
    fn each_setting_is_told_with_where_it_comes_from() {
        let sources = sources(&[("GATEWAY__SERVER__DEADLINE", "3s"), ("GATEWAY__UPSTREAM__MAX_IN_FLIGHT", "7")]);
        let told = sources.expect("known settings").in_force();
        let of = |name: &str| {
            let found = told.iter().find(|setting| setting.name == name).expect("a setting");
            (found.value.as_str(), found.origin.as_str())
        };
        assert_eq!(of("server.deadline"), ("\"3s\"", "GATEWAY__SERVER__DEADLINE"));
        assert_eq!(of("upstream.max_in_flight"), ("7", "GATEWAY__UPSTREAM__MAX_IN_FLIGHT"));
        assert_eq!(of("server.drain"), ("\"25s\"", "default"));
        assert_eq!(of("upstream.api_key"), ("(a secret)", "default"));
        assert_eq!(of("auth.jwt.secret"), ("(none)", "default"));
    }

    #[test]
    fn what_is_a_secret_by_its_type_is_never_shown() {
        const PLANTED: &str = "planted-0123456789-0123456789-0123456789";
        let defaults = flat(&defaults()).expect("the defaults");
        let texts = defaults.iter().filter(|(_, value)| matches!(value.kind, ValueKind::String(_)));
        let mut secrets = 0;
        for (name, _) in texts {
            let variable = variable(name);
            let sources = sources(&[(variable.as_str(), PLANTED)]).expect("a known setting");
            // What must have a form of its own, such as an address, is no secret.
            let Ok(settings) = sources.settings::<Settings>() else { continue };
            let secret = !format!("{settings:?}").contains(PLANTED);
            let shown = sources.in_force().iter().any(|setting| setting.value.contains(PLANTED));
            assert_eq!(secret, !shown, "{name}");
            secrets += usize::from(secret);
        }
        assert_eq!(secrets, SECRETS.len());
    }
}
