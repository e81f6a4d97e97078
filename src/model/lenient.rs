//! Deserialisers for JSON that deviates from the upstream's schema.
//!
//! For use in `#[serde(deserialize_with = "…")]`. They accept observed or documented deviations (`docs/upstream.md`,
//! sections 4 and 5): enum words in another letter case, unknown enum words, `null` instead of an empty list, numbers
//! beyond 32 bits.
//!
//! [`LenientField`] is for the fields of customers. It reads any JSON, so that a field of the wrong type does not make
//! the other fields unreadable.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{DeserializeOwned, Error, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use crate::privacy::Personal;

/// An enum word in any letter case. The enum itself takes unknown words by `#[serde(other)]`.
pub fn word<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<T, D::Error> {
    in_lower_case(&String::deserialize(deserializer)?)
}

/// As [`word`]; `null` and absence mean `None`. Use together with `#[serde(default)]`.
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

/// A whole number, clamped to the 32 bits of GraphQL's `Int`.
pub fn clamped<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
    deserializer.deserialize_any(Clamped)
}

/// As [`clamped`]; `null` and absence mean `None`. Use together with `#[serde(default)]`.
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

/// A field whose value has the wrong type. It contains the field's name in the schema, and not the value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{0}` came in a form that is not understood")]
pub struct UnreadableField(pub &'static str);

/// The value of a field, or the error that it cannot be read. So one bad field does not fail its record or its list.
pub type Readable<T> = Result<T, UnreadableField>;

/// The value at a key of the wire. It can be read from any JSON.
#[derive(Clone, Debug, Default)]
pub enum LenientField<T> {
    /// The key is absent.
    #[default]
    Absent,
    Null,
    Value(T),
    /// A value that is not a `T`.
    Unreadable,
}

impl<T> LenientField<T> {
    /// Whether the key is present.
    pub fn is_present(&self) -> bool {
        !matches!(self, Self::Absent)
    }

    /// Whether the key is present with a value of any type.
    pub fn has_value(&self) -> bool {
        matches!(self, Self::Value(_) | Self::Unreadable)
    }

    /// The value of a required field.
    ///
    /// # Errors
    /// If it has no value of its type.
    pub fn required(self, field: &'static str) -> Readable<T> {
        self.optional(field)?.ok_or(UnreadableField(field))
    }

    /// The value of an optional field.
    ///
    /// # Errors
    /// If its value has the wrong type.
    pub fn optional(self, field: &'static str) -> Readable<Option<T>> {
        match self {
            Self::Absent | Self::Null => Ok(None),
            Self::Value(value) => Ok(Some(value)),
            Self::Unreadable => Err(UnreadableField(field)),
        }
    }
}

/// Reads a type from any kind of JSON; `None` if the JSON is not one of its forms.
pub trait FromJson: Sized {
    /// From a string.
    fn from_text(_text: &str) -> Option<Self> {
        None
    }

    /// From a number or a boolean, as it is written.
    fn from_scalar(_written: &str) -> Option<Self> {
        None
    }

    /// From an object, which is always read to its end.
    ///
    /// # Errors
    /// If it is not JSON.
    fn from_object<'de, A: MapAccess<'de>>(mut object: A) -> Result<Option<Self>, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    /// From a list, which is always read to its end.
    ///
    /// # Errors
    /// If it is not JSON.
    fn from_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Option<Self>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

/// A number or a boolean becomes its text: an id is often written as a number.
impl FromJson for Personal<String> {
    fn from_text(text: &str) -> Option<Self> {
        Some(text.to_owned().into())
    }

    fn from_scalar(written: &str) -> Option<Self> {
        Self::from_text(written)
    }
}

/// An enum word in any letter case.
#[derive(Clone, Copy, Debug)]
pub struct EnumWord<T>(pub T);

impl<T: DeserializeOwned> FromJson for EnumWord<T> {
    fn from_text(text: &str) -> Option<Self> {
        in_lower_case::<serde::de::value::Error, T>(text).ok().map(Self)
    }
}

/// An object all of whose fields are [`LenientField`].
#[derive(Clone, Debug)]
pub struct Object<T>(pub T);

impl<T: DeserializeOwned> FromJson for Object<T> {
    fn from_object<'de, A: MapAccess<'de>>(object: A) -> Result<Option<Self>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(object)).map(|fields| Some(Self(fields)))
    }
}

impl<T: FromJson> FromJson for Vec<LenientField<T>> {
    fn from_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Option<Self>, A::Error> {
        let mut items = Self::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Some(items))
    }
}

impl<T: FromJson> FromJson for BTreeMap<String, LenientField<T>> {
    fn from_object<'de, A: MapAccess<'de>>(mut object: A) -> Result<Option<Self>, A::Error> {
        let mut entries = Self::new();
        while let Some((key, value)) = object.next_entry()? {
            entries.insert(key, value);
        }
        Ok(Some(entries))
    }
}

impl<'de, T: FromJson> Deserialize<'de> for LenientField<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LenientVisitor(PhantomData))
    }
}

struct LenientVisitor<T>(PhantomData<T>);

fn lenient_field<T>(read: Option<T>) -> LenientField<T> {
    read.map_or(LenientField::Unreadable, LenientField::Value)
}

impl<'de, T: FromJson> Visitor<'de> for LenientVisitor<T> {
    type Value = LenientField<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<LenientField<T>, E> {
        Ok(LenientField::Null)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<LenientField<T>, E> {
        Ok(lenient_field(T::from_text(text)))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<LenientField<T>, E> {
        Ok(lenient_field(T::from_scalar(if value { "true" } else { "false" })))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<LenientField<T>, E> {
        Ok(lenient_field(T::from_scalar(&value.to_string())))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<LenientField<T>, E> {
        Ok(lenient_field(T::from_scalar(&value.to_string())))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<LenientField<T>, E> {
        // Past 2^53 a float can differ from the written number.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        Ok(lenient_field(if value.abs() < EXACT { T::from_scalar(&value.to_string()) } else { None }))
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<LenientField<T>, A::Error> {
        T::from_object(object).map(lenient_field)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<LenientField<T>, A::Error> {
        T::from_list(list).map(lenient_field)
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

    #[derive(Deserialize)]
    struct Record {
        #[serde(default)]
        text: LenientField<Personal<String>>,
        #[serde(default)]
        list: LenientField<Vec<LenientField<Personal<String>>>>,
    }

    #[test]
    fn a_field_is_read_from_any_json_and_costs_itself_alone() {
        let is = |json: &str, text: Readable<Option<&str>>| {
            let record: Record = serde_json::from_str(json).expect("the JSON of this test");
            let read = record.text.optional("text");
            let read =
                read.as_ref().map(|text| text.as_ref().map(|text| text.reveal().as_str())).map_err(|other| *other);
            assert_eq!(read, text, "{json}");
            assert_eq!(record.list.required("list").map(|items| items.len()), Ok(2), "{json}");
        };
        let bad = Err(UnreadableField("text"));
        for (value, text) in [
            ("null", Ok(None)),
            (r#""a""#, Ok(Some("a"))),
            ("-7", Ok(Some("-7"))),
            ("18446744073709551615", Ok(Some("18446744073709551615"))),
            ("1.5", Ok(Some("1.5"))),
            ("true", Ok(Some("true"))),
            ("1e300", bad),
            (r#"{"a": [{}]}"#, bad),
            (r#"[1, {"b": null}]"#, bad),
        ] {
            is(&format!(r#"{{"text": {value}, "list": ["a", {{}}]}}"#), text);
        }
        is(r#"{"list": [[], null]}"#, Ok(None));
    }
}
