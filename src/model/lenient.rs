//! Readers for a wire that is looser than its schema: for use in `#[serde(deserialize_with = "…")]`.
//!
//! Seen or documented looseness only (wire document, sections 4 and 5): words in another letter case, words that this
//! version does not know, `null` where an empty list is meant, numbers beyond 32 bits.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, Error, IntoDeserializer, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

/// An enum word in any letter case. The enum itself takes unknown words by `#[serde(other)]`.
pub fn word<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<T, D::Error> {
    in_lower_case(&String::deserialize(deserializer)?)
}

/// As [`word`], where `null` and absence mean none. Use together with `#[serde(default)]`.
pub fn optional_word<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    Option::<String>::deserialize(deserializer)?.map(|word| in_lower_case(&word)).transpose()
}

fn in_lower_case<E: Error, T: DeserializeOwned>(word: &str) -> Result<T, E> {
    let word = word.to_ascii_lowercase();
    let word: StrDeserializer<'_, E> = word.as_str().into_deserializer();
    T::deserialize(word)
}

/// `null` as the empty value. Use together with `#[serde(default)]`, which covers absence.
pub fn null_as_empty<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// A whole number, brought into the 32 bits that GraphQL's `Int` has: beyond them the nearest bound.
pub fn clamped<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
    deserializer.deserialize_any(Clamped)
}

/// As [`clamped`], where `null` and absence mean none. Use together with `#[serde(default)]`.
pub fn optional_clamped<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i32>, D::Error> {
    struct Wrapped(i32);
    impl<'de> Deserialize<'de> for Wrapped {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            clamped(deserializer).map(Self)
        }
    }
    Ok(Option::<Wrapped>::deserialize(deserializer)?.map(|wrapped| wrapped.0))
}

struct Clamped;

impl Visitor<'_> for Clamped {
    type Value = i32;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a whole number")
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<i32, E> {
        Ok(i32::try_from(value).unwrap_or(if value < 0 { i32::MIN } else { i32::MAX }))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<i32, E> {
        Ok(i32::try_from(value).unwrap_or(i32::MAX))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<i32, E> {
        if value.fract() != 0.0 {
            return Err(E::invalid_type(Unexpected::Float(value), &self));
        }
        #[expect(clippy::cast_possible_truncation, reason = "the cast saturates, which is what is wanted")]
        Ok(value as i32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Counts {
        #[serde(deserialize_with = "clamped")]
        total: i32,
        #[serde(default, deserialize_with = "optional_clamped")]
        maybe: Option<i32>,
    }

    #[test]
    fn numbers_beyond_32_bits_become_the_nearest_bound() {
        for (json, total, maybe) in [
            (r#"{"total": 3000000000, "maybe": null}"#, i32::MAX, None),
            (r#"{"total": -3000000000}"#, i32::MIN, None),
            (r#"{"total": 7, "maybe": 99999999999999999999}"#, 7, Some(i32::MAX)),
            (r#"{"total": 2.0, "maybe": 1}"#, 2, Some(1)),
        ] {
            let counts: Counts = serde_json::from_str(json).expect("the JSON of this test");
            assert_eq!((counts.total, counts.maybe), (total, maybe), "{json}");
        }
        assert!(serde_json::from_str::<Counts>(r#"{"total": 2.5}"#).is_err());
    }
}
