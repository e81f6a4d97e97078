//! Compares two texts where the upstream may have changed the form of one of them.
//!
//! The upstream may store a text in another letter case, with other spaces, or in another Unicode form (NFC instead of
//! NFD). This comparison is used for a response and the sent customer ([`crate::customers::write::idempotency`]), and
//! for a record and a repeated update ([`crate::customers::write::changed_fields`]).

use std::collections::BTreeMap;

use icu_normalizer::ComposingNormalizerBorrowed;

use crate::model::CustomerStatus;
use crate::model::input::{DeviceInput, RepresentativeInput};
use crate::privacy::Personal;
use crate::upstream::wire::body::Metadata;

type Text = Personal<String>;

/// Whether two texts are equal except for letter case, spaces and Unicode form. No text and a blank text are equal.
pub fn is_same(left: Option<&Text>, right: Option<&Text>) -> bool {
    let tidy = |text: Option<&Text>| text.map(|text| tidy(text.reveal())).unwrap_or_default();
    tidy(left) == tidy(right)
}

/// A text in lower case, in NFC, with one space between words.
fn tidy(text: &str) -> String {
    let composer = const { ComposingNormalizerBorrowed::new_nfc() };
    let words: Vec<String> = text.split_whitespace().map(|word| composer.normalize(word).to_lowercase()).collect();
    // The lower case of a composed text can be decomposed: that of `İ` is an i and a dot.
    composer.normalize(&words.join(" ")).into_owned()
}

/// How values are compared.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Exact,
    /// As [`is_same`] does.
    Tidied,
}

/// A value that can be compared in both ways.
pub trait Comparable {
    /// Whether two values are the same.
    fn is_same(&self, other: &Self, comparison: Comparison) -> bool;

    /// Whether the value equals no value.
    fn is_nothing(&self, _comparison: Comparison) -> bool {
        false
    }
}

impl Comparable for Text {
    fn is_same(&self, other: &Self, comparison: Comparison) -> bool {
        match comparison {
            Comparison::Exact => self == other,
            Comparison::Tidied => is_same(Some(self), Some(other)),
        }
    }

    fn is_nothing(&self, comparison: Comparison) -> bool {
        comparison == Comparison::Tidied && is_same(Some(self), None)
    }
}

impl Comparable for CustomerStatus {
    fn is_same(&self, other: &Self, _comparison: Comparison) -> bool {
        self == other
    }
}

impl Comparable for DeviceInput {
    fn is_same(&self, other: &Self, comparison: Comparison) -> bool {
        self.ip_address.is_same(&other.ip_address, comparison)
    }
}

impl Comparable for RepresentativeInput {
    fn is_same(&self, other: &Self, comparison: Comparison) -> bool {
        self.name.is_same(&other.name, comparison)
            && are_same(self.email.as_ref(), other.email.as_ref(), comparison)
            && are_same(self.phone.as_ref(), other.phone.as_ref(), comparison)
    }
}

impl<T: Comparable> Comparable for Vec<T> {
    fn is_same(&self, other: &Self, comparison: Comparison) -> bool {
        self.len() == other.len() && self.iter().zip(other).all(|(one, other)| one.is_same(other, comparison))
    }

    fn is_nothing(&self, _comparison: Comparison) -> bool {
        self.is_empty()
    }
}

impl Comparable for Metadata {
    fn is_same(&self, other: &Self, comparison: Comparison) -> bool {
        match comparison {
            Comparison::Exact => self == other,
            Comparison::Tidied => {
                let tidied = |pairs: &Self| -> BTreeMap<String, String> {
                    pairs.iter().map(|(key, value)| (tidy(key), tidy(value.reveal()))).collect()
                };
                self.len() == other.len() && tidied(self) == tidied(other)
            }
        }
    }

    fn is_nothing(&self, _comparison: Comparison) -> bool {
        self.is_empty()
    }
}

/// Whether two optional values are the same.
pub fn are_same<T: Comparable>(one: Option<&T>, other: Option<&T>, comparison: Comparison) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.is_same(other, comparison),
        (Some(value), None) | (None, Some(value)) => value.is_nothing(comparison),
        (None, None) => true,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("Ada Example", "ada  example ", true)]
    #[case("Ada Example", "Ada Exampel", false)]
    #[case("Ada Example", "AdaExample", false)]
    #[case("ADA@example.test", "ada@example.test", true)]
    #[case("Zoe\u{308}", "ZO\u{cb}", true)]
    #[case("Zoe\u{308}", "Zoe", false)]
    #[case("q\u{323}\u{307}", "Q\u{307}\u{323}", true)]
    #[case("\u{130}da", "i\u{307}da", true)]
    #[case("\u{1112}\u{1161}\u{11ab}", "\u{d55c}", true)]
    #[case("", " ", true)]
    fn letter_case_spaces_and_unicode_form_make_no_difference(
        #[case] left: &str,
        #[case] right: &str,
        #[case] same: bool,
    ) {
        let text = |text: &str| Personal::new(text.to_owned());
        assert_eq!(is_same(Some(&text(left)), Some(&text(right))), same, "{left} {right}");
        assert_eq!(is_same(Some(&text(right)), Some(&text(left))), same, "{right} {left}");
    }

    #[test]
    fn no_text_and_a_blank_one_are_the_same() {
        let text = |text: &str| Personal::new(text.to_owned());
        assert!(is_same(None, Some(&text(""))) && is_same(None, None) && !is_same(None, Some(&text("x"))));
    }
}
