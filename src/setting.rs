//! How single settings are deserialized, with the limits of their values. A struct of settings names these functions in
//! `#[serde(deserialize_with = "…")]`, so that each limit stands beside its field.

use std::time::Duration;

use serde::de::value::StrDeserializer;
use serde::de::{Error, IntoDeserializer};
use serde::{Deserialize, Deserializer};

/// A switch that can depend on the upstream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    /// The default of the setting, which differs between the sandbox and a real upstream.
    Auto,
    On,
    Off,
}

impl Switch {
    /// Whether the switch is on; `default` is the meaning of `auto`.
    pub fn is_on(self, default: bool) -> bool {
        match self {
            Self::Auto => default,
            Self::On => true,
            Self::Off => false,
        }
    }
}

/// The longest duration of a setting. Durations are added to the time of the clock, which overflows at millions of years.
const MAX_DURATION: Duration = Duration::from_secs(24 * 60 * 60);

/// One word of an enumeration. The error lists all words.
pub fn word<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    let word: StrDeserializer<'_, D::Error> = text.trim().into_deserializer();
    T::deserialize(word)
}

/// Whether a setting that is `optional` or `required` is `required`.
pub fn is_required<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Requirement {
        Optional,
        Required,
    }
    word(deserializer).map(|requirement| matches!(requirement, Requirement::Required))
}

/// A list: an array in a file, words separated by commas in the environment. Blank words are left out.
pub fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum ListValue {
        Array(Vec<String>),
        Words(String),
    }
    let words = match ListValue::deserialize(deserializer)? {
        ListValue::Array(words) => words,
        ListValue::Words(text) => text.split(',').map(str::to_owned).collect(),
    };
    Ok(words.iter().map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect())
}

/// A duration of at most a day.
pub fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let duration: Duration = humantime_serde::deserialize(deserializer)?;
    if duration > MAX_DURATION { Err(D::Error::custom("must be a day at most")) } else { Ok(duration) }
}

/// A duration of at most a day that is not zero.
pub fn positive_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let duration = duration(deserializer)?;
    if duration.is_zero() { Err(D::Error::custom("must be longer than zero")) } else { Ok(duration) }
}

/// A number that is not zero.
pub fn positive<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default + PartialEq,
{
    let number = T::deserialize(deserializer)?;
    if number == T::default() { Err(D::Error::custom("must be 1 at least")) } else { Ok(number) }
}

/// A number from `MIN` to `MAX`.
pub fn within<'de, D, T, const MIN: usize, const MAX: usize>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<usize>,
{
    let number = usize::deserialize(deserializer)?;
    let number = Some(number).filter(|number| (MIN..=MAX).contains(number)).and_then(|number| number.try_into().ok());
    number.ok_or_else(|| D::Error::custom(format_args!("must be from {MIN} to {MAX}")))
}
