//! Settings that are one of a few words.

use serde::de::IntoDeserializer;
use serde::de::value::StrDeserializer;
use serde::{Deserialize, Deserializer};

/// One of an enumeration's words; the error lists them all. For use in `#[serde(deserialize_with = "…")]`.
pub fn deserialize_enum<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    let word: StrDeserializer<'_, D::Error> = text.trim().into_deserializer();
    T::deserialize(word)
}
