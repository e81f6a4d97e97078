//! The sources of settings: the defaults, a file, the environment. The defaults have the names of all settings, so that the
//! gateway can suggest the nearest name for a misspelt one, and can report the source of each value.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use config::{Config, ConfigError, Environment, File, FileFormat, FileSourceString, Map, Source, Value, ValueKind};
use serde::de::DeserializeOwned;

use super::error::{Error, PREFIX, variable};

const DEFAULTS: &str = include_str!("../../config/default.toml");

/// Settings whose values are never shown. Each has a second setting, `…_file`, for a file with the secret. A test compares
/// this list with the types of the settings.
const SECRETS: [&str; 5] =
    ["auth.jwt.secret", "log.digest_key", "traces.authorization", "upstream.api_key", "upstream.proxy"];

/// A setting in force.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EffectiveSetting {
    pub name: String,
    /// As in a settings file. For a secret, only whether it is set.
    pub value: String,
    /// `default`, the file's path, or the variable's name.
    pub origin: String,
}

impl EffectiveSetting {
    /// Whether the setting is a secret, or the file of a secret.
    pub fn is_secret(&self) -> bool {
        SECRETS.contains(&self.name.trim_end_matches("_file"))
    }
}

/// The three sources.
#[derive(Debug)]
pub(super) struct Sources {
    file: Option<Layer>,
    environment: Layer,
    defaults: BTreeMap<String, Value>,
    /// Why the file cannot be read. Its settings are unknown then.
    unreadable_file: Option<Error>,
}

/// The values of one source, by names with dots.
#[derive(Debug)]
struct Layer {
    origin: Origin,
    values: BTreeMap<String, Value>,
}

#[derive(Debug)]
enum Origin {
    File(PathBuf),
    Environment,
}

impl Layer {
    fn origin(&self, name: &str) -> String {
        match &self.origin {
            Origin::File(path) => path.display().to_string(),
            Origin::Environment => variable(name),
        }
    }
}

/// The form of settings in the environment.
pub(super) fn environment() -> Environment {
    Environment::with_prefix(PREFIX).prefix_separator("__").separator("__")
}

/// The environment of this process, without variables that are not UTF-8. [`check_variables`] reports those.
pub(super) fn environment_of_process() -> Environment {
    let texts =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    environment().source(Some(texts.collect()))
}

fn defaults() -> File<FileSourceString, FileFormat> {
    File::from_str(DEFAULTS, FileFormat::Toml)
}

/// Finds variables that look like settings and are not read.
///
/// # Errors
/// Each setting that is written with one underscore instead of two, and each whose value is not UTF-8.
pub(super) fn check_variables(variables: impl Iterator<Item = (OsString, OsString)>) -> Result<(), Error> {
    let known = flatten_source(&defaults()).map_err(unreadable)?;
    let mut problems = Vec::new();
    for (name, value) in variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
        let squeezed = |name: &str| name.replace(['.', '_'], "").to_ascii_lowercase();
        let meant = known.keys().find(|known| format!("gateway{}", squeezed(known)) == squeezed(name));
        if !name.starts_with("GATEWAY__")
            && let Some(meant) = meant
        {
            let suggestion = format!(": did you mean {}?", variable(meant));
            let (origin, meant) = ("environment".to_owned(), Some(meant.clone()));
            problems.push(Error::Unknown { name: name.to_owned(), origin, suggestion, meant });
        }
        // The value is not shown, because it can be a secret.
        if let Some(setting) = name.strip_prefix("GATEWAY__")
            && value.to_str().is_none()
        {
            let setting = setting.replace("__", ".").to_ascii_lowercase();
            let problem = "is not UTF-8 text".to_owned();
            problems.push(Error::Invalid { name: setting, origin: name.to_owned(), problem });
        }
    }
    Error::from_problems(problems)
}

impl Sources {
    /// Reads the sources. A file that cannot be read, or is not TOML, becomes one of the problems of the settings, so that
    /// problems of the environment are reported with it.
    ///
    /// # Errors
    /// The environment or the defaults cannot be read.
    pub fn read(file: Option<&Path>, environment: Environment) -> Result<Self, Error> {
        let (file, unreadable_file) = match file.map(read_file).transpose() {
            Ok(file) => (file, None),
            Err(problem) => (None, Some(problem)),
        };
        // The text of the error contains the value, which can be a secret.
        let no_text = |_| Error::Unreadable("a variable of GATEWAY__ is not UTF-8 text".to_owned());
        let environment = Layer { origin: Origin::Environment, values: flatten_source(&environment).map_err(no_text)? };
        Ok(Self { file, environment, defaults: flatten_source(&defaults()).map_err(unreadable)?, unreadable_file })
    }

    /// The names of all settings.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.defaults.keys().map(String::as_str)
    }

    /// Whether the value of a setting is known. A file that cannot be read can set any setting that the environment does not
    /// set.
    pub fn says(&self, name: &str) -> bool {
        self.unreadable_file.is_none() || self.effective_value(name).is_some()
    }

    /// The file and the environment. Later layers have precedence.
    fn layers(&self) -> impl DoubleEndedIterator<Item = &Layer> {
        self.file.iter().chain([&self.environment])
    }

    /// Whether a name is a setting or a table of settings.
    fn is_known(&self, name: &str) -> bool {
        let table = format!("{name}.");
        self.defaults.contains_key(name) || self.defaults.keys().any(|known| known.starts_with(&table))
    }

    /// A file that cannot be read, unknown settings, and secrets that are set in two ways.
    fn unknown_or_duplicate(&self) -> Vec<Error> {
        let mut problems: Vec<Error> = self.unreadable_file.iter().cloned().collect();
        for layer in self.layers() {
            for name in layer.values.keys().filter(|name| !self.is_known(name)) {
                let meant = nearest_name(name, self.defaults.keys().map(String::as_str));
                let suggestion = meant.map_or_else(|| ":".to_owned(), |meant| format!(": did you mean {meant}?"));
                let (origin, meant) = (layer.origin(name), meant.map(str::to_owned));
                problems.push(Error::Unknown { origin, name: name.clone(), suggestion, meant });
            }
        }
        for name in SECRETS {
            let file = format!("{name}_file");
            if self.is_set(name) && self.is_set(&file) {
                problems.push(Error::invalid(&file, &format!("{name} is set as well: set one of the two")));
            }
        }
        problems
    }

    /// Whether a source sets the setting to a value that is not empty.
    fn is_set(&self, name: &str) -> bool {
        self.effective_value(name)
            .is_some_and(|(_, value)| !matches!(&value.kind, ValueKind::String(text) if text.is_empty()))
    }

    /// The value with precedence. `None` for the default.
    fn effective_value(&self, name: &str) -> Option<(&Layer, &Value)> {
        self.layers().rev().find_map(|layer| Some((layer, layer.values.get(name)?)))
    }

    /// A value in the type of the default. The environment has texts only, and serde's `flatten` converts no types.
    ///
    /// # Errors
    /// The value cannot be converted.
    fn convert(&self, name: &str, value: &Value) -> Result<Value, ConfigError> {
        let default = self.defaults.get(name).map(|default| &default.kind);
        let converted = value.clone();
        let kind: ValueKind = match default {
            // No setting is negative, and a limit may be as large as `u64::MAX`.
            Some(ValueKind::I64(_)) => converted.into_uint()?.into(),
            Some(ValueKind::Float(_)) => converted.into_float()?.into(),
            Some(ValueKind::Boolean(_)) => converted.into_bool()?.into(),
            Some(ValueKind::String(_)) => converted.into_string()?.into(),
            _ => return Ok(converted),
        };
        Ok(kind.into())
    }

    /// The settings, with the problems of single settings, which have their defaults then. `None` if the defaults cannot be
    /// read.
    pub fn settings<T: DeserializeOwned>(&self) -> (Option<T>, Vec<Error>) {
        let mut problems = self.unknown_or_duplicate();
        let names = self.layers().flat_map(|layer| layer.values.keys()).filter(|name| self.is_known(name));
        let names: BTreeSet<&String> = names.collect();
        let values: Vec<(&str, &Layer, &Value)> = names
            .into_iter()
            .filter_map(|name| self.effective_value(name).map(|(layer, value)| (name.as_str(), layer, value)))
            .collect();
        match self.deserialize::<T>(values.iter().map(|(name, _, value)| (*name, *value))) {
            Ok(settings) => (Some(settings), problems),
            // Each value alone, so that each invalid one is named.
            Err(all) => {
                let mut good = Vec::new();
                let before = problems.len();
                for (name, layer, value) in &values {
                    match self.deserialize::<T>([(*name, *value)].into_iter()) {
                        Ok(_) => good.push((*name, *value)),
                        Err(error) => problems.push(self.invalid_value(name, layer, &error)),
                    }
                }
                if problems.len() == before {
                    problems.push(unreadable(all));
                }
                (self.deserialize(good.into_iter()).ok(), problems)
            }
        }
    }

    /// The settings of the defaults and of these values.
    fn deserialize<'a, T: DeserializeOwned>(
        &self,
        values: impl Iterator<Item = (&'a str, &'a Value)>,
    ) -> Result<T, ConfigError> {
        let mut builder = Config::builder().add_source(defaults());
        for (name, value) in values {
            builder = builder.set_override(name, self.convert(name, value)?)?;
        }
        builder.build().and_then(Config::try_deserialize)
    }

    /// One setting. It ignores problems of other settings.
    pub fn setting<T: DeserializeOwned>(&self, name: &str) -> Result<T, Error> {
        if let Some(problem) = self.unreadable_file.as_ref().filter(|_| !self.says(name)) {
            return Err(problem.clone());
        }
        let value = self.effective_value(name).map(|(_, value)| value).or_else(|| self.defaults.get(name));
        let value = value.cloned().ok_or_else(|| Error::Unreadable(format!("there is no setting {name}")))?;
        value.try_deserialize().map_err(|error| match self.effective_value(name) {
            Some((layer, _)) => self.invalid_value(name, layer, &error),
            None => unreadable(error),
        })
    }

    /// The problem of one setting. The default shows the form of a valid value.
    fn invalid_value(&self, name: &str, layer: &Layer, error: &ConfigError) -> Error {
        let problem = match self.defaults.get(name) {
            // The text of the parser contains the value.
            _ if SECRETS.contains(&name) => "must be a string".to_owned(),
            Some(default) => format!("{}; the default is {}", error_message(error), format_value(default, default)),
            None => error_message(error),
        };
        Error::Invalid { name: name.to_owned(), origin: layer.origin(name), problem }
    }

    /// Every setting and its source.
    pub fn effective(&self) -> Vec<EffectiveSetting> {
        let settings = self.defaults.iter().map(|(name, default)| {
            let is_secret = SECRETS.contains(&name.as_str());
            let file = Some(format!("{name}_file")).filter(|_| is_secret);
            let file = file.and_then(|file| self.effective_value(&file)?.1.clone().into_string().ok());
            if let Some(path) = file.filter(|path| !path.is_empty()) {
                return EffectiveSetting { name: name.clone(), value: "(a secret)".to_owned(), origin: path };
            }
            let winning = self.effective_value(name).map(|(layer, value)| (layer.origin(name), value));
            let (origin, value) = winning.unwrap_or_else(|| ("default".to_owned(), default));
            let value = match format_value(value, default) {
                value if !is_secret => value,
                value if value == "\"\"" => "(none)".to_owned(),
                _ => "(a secret)".to_owned(),
            };
            EffectiveSetting { name: name.clone(), value, origin }
        });
        settings.collect()
    }
}

fn read_file(path: &Path) -> Result<Layer, Error> {
    if path.as_os_str().is_empty() {
        let problem = "GATEWAY_CONFIG, or --config, is empty: set it to the path of a TOML file, or remove it";
        return Err(Error::Unreadable(problem.to_owned()));
    }
    let of_the_file = |problem: String| Error::Unreadable(format!("{}: {problem}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| of_the_file(error.to_string()))?;
    let values = flatten_source(&File::from_str(&text, FileFormat::Toml));
    let values = values.map_err(|error| of_the_file(without_source_line(&error.to_string())))?;
    Ok(Layer { origin: Origin::File(path.to_owned()), values })
}

/// The text of an error, without the name of the setting, which is reported beside it.
fn error_message(error: &ConfigError) -> String {
    match error {
        ConfigError::Type { unexpected, expected, .. } => format!("{unexpected} is not {expected}"),
        ConfigError::At { error, .. } => error_message(error),
        other => without_source_line(&other.to_string()),
    }
}

/// A value as in a settings file. The environment has only texts, so the default determines the type.
fn format_value(value: &Value, default: &Value) -> String {
    match (&value.kind, &default.kind) {
        (ValueKind::String(text), ValueKind::String(_)) => format!("{text:?}"),
        (ValueKind::Array(values), _) => {
            let values: Vec<String> = values.iter().map(|value| format_value(value, value)).collect();
            format!("[{}]", values.join(", "))
        }
        _ => value.to_string(),
    }
}

/// The settings of a source, by names with dots.
fn flatten_source(source: &impl Source) -> Result<BTreeMap<String, Value>, ConfigError> {
    let mut found = BTreeMap::new();
    flatten("", source.collect()?, &mut found);
    Ok(found)
}

/// Removes line breaks at the end of texts, which come from the files that contained them.
fn flatten(prefix: &str, values: Map<String, Value>, found: &mut BTreeMap<String, Value>) {
    for (name, mut value) in values {
        if let ValueKind::String(text) = &mut value.kind {
            text.truncate(trim_line_breaks(text).len());
        }
        let name = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        match value.kind {
            ValueKind::Table(inside) if !inside.is_empty() => flatten(&name, inside, found),
            _ => {
                found.insert(name, value);
            }
        }
    }
}

/// A text without line breaks at its end. They come from the file that holds the text and belong to no value.
pub(super) fn trim_line_breaks(text: &str) -> &str {
    text.trim_end_matches(['\n', '\r'])
}

/// The setting with the nearest name: the same word in another section, or a similar word.
fn nearest_name<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    // Names that other programs use.
    if matches!(name, "port" | "host" | "listen" | "server.port" | "server.host" | "server.address") {
        return Some("server.listen");
    }
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
    Error::Unreadable(without_source_line(&error.to_string()))
}

/// The message of a parser in one line, without the line of the file that it quotes, because that line can contain a key.
fn without_source_line(message: &str) -> String {
    let quoted = |line: &&str| line.trim_start_matches(|c: char| c == ' ' || c.is_ascii_digit()).starts_with('|');
    let told: Vec<&str> = message.lines().filter(|line| !quoted(line)).map(str::trim).collect();
    told.join(" ").trim().to_owned()
}

#[cfg(test)]
mod tests;
