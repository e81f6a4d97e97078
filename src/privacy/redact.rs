//! Removes personal data from a sentence that a person wrote: the reason in an audit record. Sentences of the upstream
//! are checked word by word instead; see [`sentences`](super::sentences).
//!
//! Four filters remove, in this order: known personal values (those that were just sent), text in quotation marks,
//! words that look like an address or a number of a person (an `@`, or three digits or more), and words that look like
//! a name. The last one is needed because the name of a customer is unknown if the input contains only its id. The
//! filters remove too much rather than too little.

use std::collections::HashSet;

use aho_corasick::Anchored;
use aho_corasick::automaton::Automaton;
use aho_corasick::nfa::contiguous::NFA;

/// The placeholder for removed text.
pub const REDACTED: &str = "[…]";

/// The longest sentence that is passed on, in characters; a rule needs no more, and a page of HTML is no rule.
pub const MAX_SENTENCE_CHARS: usize = 300;

/// How much of a sentence is read, in characters: so much more than what is passed on that a value which is halved here
/// is not within it.
const MAX_READ_CHARS: usize = 10 * MAX_SENTENCE_CHARS;

/// Known values that are shorter are not searched for: "a" would remove each article.
const MIN_KNOWN_CHARS: usize = 3;

/// Values that must not come through, prepared once for all sentences of a refusal: each sentence is then searched for
/// all of them in one pass. Letter case and the kind and number of spaces do not matter.
pub struct KnownValues {
    /// `None` where there is nothing to search for.
    search: Option<NFA>,
    /// The length of the longest value in characters.
    max_chars: usize,
    /// The search could not be built, so nothing can be told of any sentence.
    search_failed: bool,
}

impl KnownValues {
    /// The values, whatever they look like.
    pub fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut longest = 0;
        let mut patterns = HashSet::new();
        for value in values {
            work::count(value.len());
            let value = on_one_line(value);
            let length = value.chars().count();
            longest = longest.max(length);
            // What is longer than what is read of a sentence is not within it.
            if (MIN_KNOWN_CHARS..=MAX_READ_CHARS).contains(&length) {
                patterns.insert(value.chars().flat_map(char::to_lowercase).collect::<String>());
            }
        }
        if patterns.is_empty() {
            return Self { search: None, max_chars: longest, search_failed: false };
        }
        // The compact kind: it is built fast, searched once or a few times, and dropped.
        let search = NFA::builder().build(patterns).ok();
        Self { max_chars: longest, search_failed: search.is_none(), search }
    }

    /// `text` with each occurrence of a value cut, those that overlap as one.
    pub fn redact_in(&self, text: &str) -> String {
        if self.search_failed {
            return REDACTED.to_owned();
        }
        let Some(search) = &self.search else { return text.to_owned() };
        // Lower case can have more letters than upper case: each byte of it keeps the place of the letter that it is
        // of.
        let mut haystack = String::with_capacity(text.len());
        let mut places = Vec::with_capacity(text.len());
        for (at, c) in text.char_indices() {
            haystack.extend(c.to_lowercase());
            places.resize(haystack.len(), (at, at + c.len_utf8()));
        }
        let mut found: Vec<(usize, usize)> = Vec::new();
        for (hit_start, hit_end) in longest_hits(search, &haystack) {
            let start = places.get(hit_start).map_or(0, |place| place.0);
            let end = places.get(hit_end.saturating_sub(1)).map_or(text.len(), |place| place.1);
            // Hits come by their ends: whatever begins behind this one's start is part of it.
            let mut joined = (start, end);
            while let Some((from, to)) = found.pop() {
                if to <= joined.0 {
                    found.push((from, to));
                    break;
                }
                joined = (from.min(joined.0), to.max(joined.1));
            }
            found.push(joined);
        }
        let mut kept = String::with_capacity(text.len());
        let mut kept_to = 0;
        for (start, end) in found {
            kept.push_str(text.get(kept_to..start).unwrap_or_default());
            kept.push_str(REDACTED);
            kept_to = end;
        }
        kept.push_str(text.get(kept_to..).unwrap_or_default());
        kept
    }
}

/// Where values stand in a text, by their ends. Of the values that end at one place the longest is told alone: the
/// others are parts of it, and to go through all of them would take a time that grows with the values.
fn longest_hits(search: &NFA, haystack: &str) -> Vec<(usize, usize)> {
    let mut hits = Vec::new();
    let Ok(mut state) = search.start_state(Anchored::No) else { return vec![(0, haystack.len())] };
    for (at, byte) in haystack.bytes().enumerate() {
        work::count(1);
        state = search.next_state(Anchored::No, state, byte);
        if search.is_match(state) {
            work::count(1);
            // The first is the state's own value, and each that follows is an end of the one before.
            let length = search.pattern_len(search.match_pattern(state, 0));
            hits.push(((at + 1).saturating_sub(length), at + 1));
        }
    }
    hits
}

/// How many bytes are looked at and how many hits are gone through: tests hold that this grows linearly.
pub(crate) mod work {
    #[cfg(test)]
    use std::cell::Cell;

    #[cfg(test)]
    std::thread_local! {
        static DONE: Cell<usize> = const { Cell::new(0) };
    }

    #[cfg(not(test))]
    pub(super) const fn count(_: usize) {}

    #[cfg(test)]
    pub(super) fn count(steps: usize) {
        DONE.set(DONE.get() + steps);
    }

    /// The steps that something takes on this thread.
    #[cfg(test)]
    pub fn of<T>(something: impl FnOnce() -> T) -> usize {
        let before = DONE.get();
        something();
        DONE.get() - before
    }
}

/// The sentence with everything personal cut out, on one line and of bounded length.
///
/// `known` are values that must not appear, whatever they look like; letter case and the kind and number of spaces do
/// not matter.
pub fn redact<'a>(sentence: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let line = on_one_line(sentence);
    let known = KnownValues::new(known);
    let mut text = known.redact_in(&line.chars().take(MAX_READ_CHARS).collect::<String>());
    if line.chars().nth(MAX_READ_CHARS).is_some() {
        // The last of what was read can be half a value, and what is cut in front of it would bring it into sight.
        let kept = text.chars().count().saturating_sub(known.max_chars);
        text = text.chars().take(kept).collect();
    }
    let text = redact_quotations(&text);
    let words: Vec<&str> = text.split_whitespace().collect();
    let is_cut = |at: usize| words.get(at).is_some_and(|word| looks_personal(word) || is_name(&words, at));
    let kept = words.iter().enumerate().map(|(at, word)| if is_cut(at) { REDACTED } else { word });
    // Shortened last: half a value is not found any more.
    kept.collect::<Vec<_>>().join(" ").chars().take(MAX_SENTENCE_CHARS).collect()
}

/// Whether the word at a place could be part of a name: written like one inside a sentence; at its start only where
/// the next one is written like one too, and it is not a word with which rules begin.
fn is_name(words: &[&str], at: usize) -> bool {
    let like_a_name = |at: usize| words.get(at).is_some_and(|word| looks_like_a_name(word));
    let begins = match at.checked_sub(1).and_then(|before| words.get(before)) {
        Some(before) => before.ends_with(['.', '!', '?', ':']),
        None => true,
    };
    let begins_a_rule = || {
        let word = words.get(at).copied().unwrap_or_default();
        ["A", "An", "The", "This", "Account", "Customer"].contains(&word)
    };
    like_a_name(at) && (!begins || (like_a_name(at + 1) && !begins_a_rule()))
}

/// A capital and small letters after it. Words in capitals alone are abbreviations of rules, such as SSN.
fn looks_like_a_name(word: &str) -> bool {
    let word = word.trim_matches(|c: char| !c.is_alphanumeric());
    word.chars().next().is_some_and(char::is_uppercase) && word.chars().skip(1).any(char::is_lowercase)
}

/// The words of a text with one space between them; control characters count as space.
pub fn on_one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// `text` with whatever stands between two quotation marks cut; an apostrophe inside a word is none.
fn redact_quotations(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    let mut before = ' ';
    while let Some(c) = characters.next() {
        let closing = match c {
            '"' | '`' => c,
            '“' => '”',
            '«' => '»',
            '\'' if !before.is_alphanumeric() => '\'',
            _ => {
                kept.push(c);
                before = c;
                continue;
            }
        };
        for inside in characters.by_ref() {
            if inside == closing {
                break;
            }
        }
        kept.push_str(REDACTED);
        before = closing;
    }
    kept
}

/// Whether a word could be an e-mail, phone, tax id, date, IP or account number.
fn looks_personal(word: &str) -> bool {
    word.contains('@') || word.contains('*') || word.chars().filter(char::is_ascii_digit).count() >= 3
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[test]
    fn the_rule_stays_and_the_person_goes() {
        let sentence =
            "Customer with email 'ada@example.test' (Ada Example, 123-45-6789) already exists and must be unique.";
        let cut = redact(sentence, ["Ada Example"]);
        assert_eq!(
            cut,
            "Customer with email […] […]), […] already exists and must be unique.".replace("[…]), […]", "([…], […]")
        );
    }

    #[test]
    fn known_values_are_found_in_any_case_and_beside_other_scripts() {
        assert_eq!(redact("Größe: BLUE KETTLE ist da", ["Blue Kettle"]), "Größe: […] ist da");
    }

    #[rstest]
    #[case::spaces("Ada  Example and Ada\u{a0}Example", "Ada Example", "[…] and […]")]
    #[case::spaces_of_its_own("Ada Example", " Ada\n Example ", "[…]")]
    #[case::a_control_character("Ada\u{0}Example", "Ada Example", "[…]")]
    #[case::case_of_other_letters("JOSÉ GARCÍA", "José García", "[…]")]
    #[case::letters_that_grow("İzel is here", "İZEL", "[…] is here")]
    fn a_known_value_is_found_however_it_is_written(#[case] sentence: &str, #[case] known: &str, #[case] told: &str) {
        assert_eq!(redact(sentence, [known]), told);
    }

    #[test]
    fn half_a_known_value_at_the_end_of_what_is_read_does_not_come_into_sight() {
        let quotation = format!("'{}'", "x".repeat(MAX_READ_CHARS - 10));
        for sentence in [format!("{quotation} Ada Example"), format!("{}Ada Example", " ".repeat(MAX_READ_CHARS - 5))] {
            assert!(!redact(&sentence, ["Ada Example"]).contains("Ada"));
        }
    }

    #[test]
    fn values_that_overlap_are_cut_as_one() {
        let known = KnownValues::new(["Ada Example", "Example Street", "amp", "Street"]);
        assert_eq!(known.redact_in("Of Ada Example Street 1 and example, Street."), "Of […] 1 and ex[…]le, […].");
    }

    /// Each value is the end of all longer ones, so at each place of the text as many values end as there are.
    #[test]
    fn values_that_are_parts_of_each_other_cost_no_more_than_one() {
        let text = "x".repeat(2_000);
        let searched = |values: usize| {
            let values: Vec<String> = (MIN_KNOWN_CHARS..).take(values).map(|length| "x".repeat(length)).collect();
            let known = KnownValues::new(values.iter().map(String::as_str));
            assert_eq!(known.redact_in(&text), REDACTED);
            work::of(|| known.redact_in(&text))
        };
        let (few, many) = (searched(10), searched(1_000));
        assert!(many <= few, "{few} steps for 10 values, {many} for 1,000");
    }

    #[test]
    fn a_part_of_a_known_value_does_not_hide_the_rest_of_it() {
        assert_eq!(redact("Ada Example exists", ["Ada", "Ada Example"]), "[…] exists");
    }

    proptest! {
        #[test]
        fn of_the_values_that_end_at_one_place_the_longest_is_told(
            values in prop::collection::hash_set("[ab]{1,6}", 1..20),
            text in "[ab]{0,40}",
        ) {
            let search = NFA::builder().build(&values).expect("few values");
            let ends = 1..=text.len();
            let longest = ends.filter_map(|end| {
                let ending = values.iter().filter(|value| text[..end].ends_with(value.as_str()));
                ending.map(String::len).max().map(|length| (end - length, end))
            });
            prop_assert_eq!(longest_hits(&search, &text), longest.collect::<Vec<_>>());
        }

        #[test]
        fn no_known_value_comes_through(
            before in "[A-Za-zÉéß'\"«\u{0}\u{a0} ]{0,12}",
            value in "[A-Za-zÉéİß'\"» \n]{3,12}",
            after in ".{0,12}",
        ) {
            let told = redact(&format!("{before}{value}{after}"), [value.as_str()]).to_lowercase();
            let value = on_one_line(&value).to_lowercase();
            if value.chars().count() > MIN_KNOWN_CHARS {
                prop_assert!(told.split(REDACTED).all(|part| !part.contains(&value)));
            }
        }
    }

    #[test]
    fn a_name_that_nobody_knows_is_cut_and_the_words_of_a_rule_stay() {
        for (sentence, told) in [
            ("Customer Zoe Quill cannot be deleted.", "Customer […] […] cannot be deleted."),
            ("Zoe Quill cannot be deleted.", "[…] […] cannot be deleted."),
            ("Emails must be unique. Statuses must not change.", "Emails must be unique. Statuses must not change."),
            ("The SSN of (Zoe) is wrong.", "The SSN of […] is wrong."),
        ] {
            assert_eq!(redact(sentence, []), told);
        }
    }

    #[test]
    fn an_apostrophe_inside_a_word_is_no_quotation() {
        assert_eq!(redact("The customer's status isn't review.", []), "The customer's status isn't review.");
    }

    #[test]
    fn a_page_is_cut_to_one_bounded_line() {
        let long = "word ".repeat(500);
        assert!(redact(&long, []).chars().count() <= MAX_SENTENCE_CHARS);
        assert_eq!(redact("one\r\ntwo", []), "one two");
    }
}
