//! Lists in settings: an array in a file, words with commas between them in the environment.

use serde::{Deserialize, Deserializer};

#[derive(Deserialize)]
#[serde(untagged)]
enum ListValue {
    Array(Vec<String>),
    Words(String),
}

/// The words of a list, without blank ones. For use in `#[serde(deserialize_with = "…")]`.
pub fn deserialize_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let words = match ListValue::deserialize(deserializer)? {
        ListValue::Array(words) => words,
        ListValue::Words(text) => text.split(',').map(str::to_owned).collect(),
    };
    Ok(words.iter().map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect())
}
