//! Decides which sentences of the upstream are shown: those that consist of known words.
//!
//! The sentence of a rejection can contain a customer's name, in any script, case or spelling. The form of a word does
//! not tell whether it is a name. So a sentence is shown only if each of its words is in the lists of this module.
//! Values that were sent or read for the write are removed first.
//!
//! The lists contain words of rules: function words, words about form and state, and the names of fields. None of them
//! is a common name. A word may begin with a capital only at the start of a sentence, in the name of a field, and in
//! the terms below.

use std::collections::HashSet;
use std::sync::OnceLock;

use super::redact::{KnownValues, MAX_SENTENCE_CHARS, REDACTED, on_one_line};

/// Words, each behind a space.
struct WordList {
    text: &'static str,
    words: OnceLock<HashSet<&'static str>>,
}

impl WordList {
    const fn new(text: &'static str) -> Self {
        Self { text, words: OnceLock::new() }
    }

    fn words(&self) -> &HashSet<&'static str> {
        self.words.get_or_init(|| self.text.split_ascii_whitespace().collect())
    }

    fn contains(&self, word: &str) -> bool {
        self.words().contains(word)
    }
}

/// Sentences that are shown although not all of their words are in the lists.
const SENTENCES: [&str; 4] = [
    "Is required, but may be null.",
    "Must be a ZIP code of five or nine digits.",
    "Must be two capital letters.",
    "Can be set to verified, inactive or rejected only, or stay as it is.",
];

/// Words that stand in small letters, at the start of a sentence with a capital.
static PLAIN_WORDS: WordList = WordList::new(
    "a about above absent absolute accept accepted account again all allow allowed already an and another any are \
    array as at be because been before begin belongs below between blank body boolean both business but by can \
    cannot capital change changed character characters clear cleared closed code complete conflict contain \
    contains correct could country create created current currently customer customers date date-time decided \
    decision delete deleted detail different digit digits disabled does domain done duplicate duplicated e-mail \
    each either empty enabled end ended ends entries entry enum error every exactly exceed exceeded exceeds \
    exist existing exists expected expired failed fails field fields first fit follow for forbidden form format \
    found frozen future given greater has have header holds if in inactive incorrect individual integer invalid \
    is it item items its key keys least length less letter letters limit list locked longer longest match \
    matches maximum member members minimum missing more most must needed needs never no not null number numbers \
    object of on once one only or other out outside pairs past pending permitted present processed provided \
    range refused registered rejected request required review screening set should start string such supported \
    than that the there this to too type unique unknown unmasking unsupported update updated use used valid \
    value values verified was well-formed which with within yet",
);

/// Names of fields, and the parts that they are put together of. They may begin with a capital wherever they stand.
static FIELDS: WordList = WordList::new(
    "address address1 address2 birth business city code compliance config correlation created customer date \
    decision device dob ein email external id idempotency ip key legal metadata method name outcome phone \
    processing profile reason representatives request sandbox ssn state status type updated website zip",
);

/// Terms that are written in one way.
static TERMS: WordList = WordList::new(
    "API E.164 EIN HTTP HTTPS ID IP IPv4 IPv6 ISO JSON PUT SSN URI URL UTC UUID YYYY-MM-DD ZIP 000-00-0000 \
    00-0000000 0.0.0.0 http https",
);

/// What a number has to count, so that it is the number of a rule.
static UNITS: WordList = WordList::new(
    "bytes character characters customers digit digits entries entry fields hours items keys letters minutes \
    pairs requests seconds values",
);

/// The largest number of a rule, in digits.
const MAX_RULE_DIGITS: usize = 3;

/// The sentence on one line without the known values; `None` if it must not be shown.
pub fn allowed_sentence(sentence: &str, known: &KnownValues) -> Option<String> {
    if sentence.len() > MAX_SENTENCE_CHARS * 4 {
        return None;
    }
    let line = on_one_line(sentence);
    if line.chars().count() > MAX_SENTENCE_CHARS {
        return None;
    }
    let text = known.redact_in(&line);
    (SENTENCES.contains(&text.as_str()) || has_only_known_words(&text)).then_some(text)
}

fn has_only_known_words(text: &str) -> bool {
    let tokens: Vec<&str> = text.split(' ').collect();
    let mut begins = true;
    for (at, token) in tokens.iter().enumerate() {
        let word = trim_punctuation(token);
        let known = word == REDACTED
            || is_punctuation(token)
            || TERMS.contains(word)
            || counts_something(&tokens, at)
            || is_word(word, begins)
            || is_field(word);
        if !known {
            return false;
        }
        begins = token.ends_with(['.', '!', '?', ':']);
    }
    true
}

/// A token without the marks around it.
fn trim_punctuation(token: &str) -> &str {
    token
        .trim_start_matches(['(', '"', '\'', '`'])
        .trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '"', '\'', '`'])
}

fn is_punctuation(token: &str) -> bool {
    matches!(token, "-" | "–" | "—" | ":" | "," | "." | ";" | "/")
}

fn is_word(word: &str, begins: bool) -> bool {
    PLAIN_WORDS.contains(word)
        || FIELDS.contains(word)
        || begins && uncapitalized(word).is_some_and(|word| PLAIN_WORDS.contains(&word))
}

/// A word of letters of which the first alone is a capital, with a small one in its place.
fn uncapitalized(word: &str) -> Option<String> {
    let mut letters = word.chars();
    let first = letters.next().filter(char::is_ascii_uppercase)?;
    Some(std::iter::once(first.to_ascii_lowercase()).chain(letters).collect())
}

/// A field as the upstream names it: `Device.IpAddress`, `compliance_profile.ssn`, `Representatives[1].Email`,
/// `Idempotency-Key`.
fn is_field(word: &str) -> bool {
    let parts = word.split(['.', '_', '-', '[', ']']).filter(|part| !part.is_empty());
    let (indexes, names): (Vec<&str>, Vec<&str>) = parts.partition(|part| is_index(part));
    let known = |name: &&str| camel_case_words(name).all(|word| FIELDS.contains(&word));
    // More numbers than one are no place in a list.
    indexes.len() <= 1 && !names.is_empty() && names.iter().all(known)
}

/// The place of an item in a list.
fn is_index(part: &str) -> bool {
    part.len() <= 2 && part.bytes().all(|byte| byte.is_ascii_digit())
}

/// The words of a name in camel case, in small letters.
fn camel_case_words(name: &str) -> impl Iterator<Item = String> {
    let mut words: Vec<String> = Vec::new();
    for c in name.chars() {
        match words.last_mut() {
            Some(word) if !c.is_ascii_uppercase() => word.push(c),
            _ => words.push(c.to_ascii_lowercase().to_string()),
        }
    }
    words.into_iter()
}

/// Whether the token at a place is a number that counts something: `at most 40 characters`, `between 10 and 40
/// characters`.
fn counts_something(tokens: &[&str], at: usize) -> bool {
    let token = |at: usize| tokens.get(at).copied().unwrap_or_default();
    let number = |at: usize| {
        let token = token(at).trim_start_matches('(');
        (1..=MAX_RULE_DIGITS).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_digit())
    };
    let unit = |at: usize| UNITS.contains(trim_punctuation(token(at)));
    let range = |at: usize| ["and", "or", "to"].contains(&token(at)) && number(at + 1) && unit(at + 2);
    let alone = !at.checked_sub(1).is_some_and(number);
    // The unit itself is a word, as far as a number stands in front of it.
    number(at) && alone && (unit(at + 1) || range(at + 1)) || unit(at) && at.checked_sub(1).is_some_and(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn told(sentence: &str) -> Option<String> {
        allowed_sentence(sentence, &KnownValues::new(["Ada Example", "+12025550123"]))
    }

    #[rstest]
    #[case::a_rule("Must be unique.")]
    #[case::two_sentences("Must be unique. It is not.")]
    #[case::a_field("'Device.IpAddress' must not be empty.")]
    #[case::an_item("compliance_profile.representatives[1].name is required.")]
    #[case::a_number_of_a_rule("Must have at most 40 characters.")]
    #[case::two_numbers("Must have between 10 and 40 characters (10 to 40 characters).")]
    #[case::a_term("The SSN must have the form 000-00-0000.")]
    #[case::the_header("The Idempotency-Key header must have 10 to 40 characters.")]
    fn what_is_made_of_known_words_is_shown(#[case] sentence: &str) {
        assert_eq!(told(sentence).as_deref(), Some(sentence));
    }

    #[rstest]
    #[case::a_name("Tess must be unique.")]
    #[case::a_capital("The Account must be unique.")]
    #[case::digits("The number 123 is used.")]
    #[case::spaced_digits("The number 1 2 3 digits is used.")]
    #[case::a_long_number("At most 1234 characters.")]
    #[case::a_long_index("Metadata[1234].Value must be unique.")]
    #[case::glued_to_a_value("XAda Example is used.")]
    #[case::digits_of_a_field("The Phone.12.02.55 is used.")]
    #[case::nothing("")]
    fn what_has_another_word_is_not(#[case] sentence: &str) {
        assert_eq!(told(sentence), None);
    }

    #[test]
    fn known_values_are_cut_and_the_rest_is_shown() {
        assert_eq!(
            told("Account of ADA  EXAMPLE (+12025550123) is frozen.").as_deref(),
            Some("Account of […] ([…]) is frozen.")
        );
    }

    #[test]
    fn lists_hold_each_word_once() {
        for list in [&PLAIN_WORDS, &FIELDS, &TERMS, &UNITS] {
            assert_eq!(list.text.split_ascii_whitespace().count(), list.words().len());
        }
    }

    proptest! {
        /// Whatever is shown is made of the lists, of small numbers and of marks.
        #[test]
        fn nothing_else_is_shown(sentence in "(The |[A-Za-z0-9é.'\\[\\]_-]{1,9} ?|must be |of |40 characters |\\[…\\] ){0,8}") {
            if let Some(told) = allowed_sentence(&sentence, &KnownValues::new([])) {
                for letters in told.split(|c: char| !c.is_alphabetic()).filter(|letters| !letters.is_empty()) {
                    let small = letters.to_lowercase();
                    let parts = |word: &str| word.to_lowercase().split(|c: char| !c.is_alphabetic()).any(|part| part == small);
                    let known = |list: &WordList| list.words().iter().any(|word| parts(word));
                    let fields = camel_case_words(letters).all(|word| FIELDS.words().iter().any(|field| field.trim_end_matches(['1', '2']) == word));
                    prop_assert!(known(&PLAIN_WORDS) || known(&TERMS) || known(&UNITS) || known(&FIELDS) || fields, "{}: {}", told, letters);
                }
            }
        }
    }
}
