//! Whether two texts say the same, where the upstream may have tidied one of them up.
//!
//! An upstream may store a text in other letter case, with other spaces, or in another Unicode form (NFC where NFD was sent).
//! An answer is compared with what was sent in this way ([`super::idempotency`]).

use icu_normalizer::ComposingNormalizerBorrowed;

use crate::privacy::Personal;

type Text = Personal<String>;

/// Whether two texts are the same but for letter case, spaces and Unicode form. No text and a blank one are the same.
pub fn is_same(left: Option<&Text>, right: Option<&Text>) -> bool {
    let tidy = |text: Option<&Text>| text.map(|text| tidy(text.reveal())).unwrap_or_default();
    tidy(left) == tidy(right)
}

/// A text in small letters, composed, with one space between words.
fn tidy(text: &str) -> String {
    let composer = const { ComposingNormalizerBorrowed::new_nfc() };
    let words: Vec<String> = text.split_whitespace().map(|word| composer.normalize(word).to_lowercase()).collect();
    // Small letters of a composed text can be decomposed: of `İ` it is an i and a dot.
    composer.normalize(&words.join(" ")).into_owned()
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
