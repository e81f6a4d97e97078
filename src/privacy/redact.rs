//! Cuts personal data out of a sentence that somebody else wrote, such as an upstream's reason for a refusal.
//!
//! Four nets, one behind the other: values that are known to be personal (those that were just sent), anything in
//! quotation marks, words that look like an address or a number of a person (an `@`, three digits or more), and words
//! that look like a name, since of a customer that is only named by its id no name is known.
//! It would rather cut too much than too little; what stays is the rule, which is what a caller needs.

/// What stands where something was cut.
const CUT: &str = "[…]";

/// The longest sentence that is passed on, in characters; a rule needs no more, and a page of HTML is no rule.
const LONGEST: usize = 300;

/// How much of a sentence is read, in characters: so much more than what is passed on that a value which is halved here
/// is not within it.
const MOST_READ: usize = 10 * LONGEST;

/// Known values shorter than this are not searched for: "a" would cut every article.
const SHORTEST_KNOWN: usize = 3;

/// The sentence with everything personal cut out, on one line and of bounded length.
///
/// `known` are values that must not appear, whatever they look like; letter case does not matter.
pub fn cut<'a>(sentence: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let mut text: String = sentence.chars().take(MOST_READ).map(|c| if c.is_control() { ' ' } else { c }).collect();
    for value in known {
        text = without(&text, value.trim());
    }
    let text = without_quotations(&text);
    let words: Vec<&str> = text.split_whitespace().collect();
    let is_cut = |at: usize| words.get(at).is_some_and(|word| looks_personal(word) || is_name(&words, at));
    let kept = words.iter().enumerate().map(|(at, word)| if is_cut(at) { CUT } else { word });
    // Shortened last: half a value is not found any more.
    kept.collect::<Vec<_>>().join(" ").chars().take(LONGEST).collect()
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

/// `text` with each occurrence of `value` cut, compared without letter case (ASCII, which keeps byte offsets).
fn without(text: &str, value: &str) -> String {
    if value.chars().count() < SHORTEST_KNOWN {
        return text.to_owned();
    }
    let (haystack, needle) = (text.to_ascii_lowercase(), value.to_ascii_lowercase());
    let mut kept = String::with_capacity(text.len());
    let mut from = 0;
    while let Some(at) = haystack.get(from..).and_then(|rest| rest.find(&needle)) {
        kept.push_str(text.get(from..from + at).unwrap_or_default());
        kept.push_str(CUT);
        from += at + needle.len();
    }
    kept.push_str(text.get(from..).unwrap_or_default());
    kept
}

/// `text` with whatever stands between two quotation marks cut; an apostrophe inside a word is none.
fn without_quotations(text: &str) -> String {
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
        kept.push_str(CUT);
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
    use super::*;

    #[test]
    fn the_rule_stays_and_the_person_goes() {
        let sentence =
            "Customer with email 'ada@example.test' (Ada Example, 123-45-6789) already exists and must be unique.";
        let cut = cut(sentence, ["Ada Example"]);
        assert_eq!(
            cut,
            "Customer with email […] […]), […] already exists and must be unique.".replace("[…]), […]", "([…], […]")
        );
    }

    #[test]
    fn known_values_are_found_in_any_case_and_beside_other_scripts() {
        assert_eq!(cut("Größe: BLUE KETTLE ist da", ["Blue Kettle"]), "Größe: […] ist da");
    }

    #[test]
    fn a_name_that_nobody_knows_is_cut_and_the_words_of_a_rule_stay() {
        for (sentence, told) in [
            ("Customer Zoe Quill cannot be deleted.", "Customer […] […] cannot be deleted."),
            ("Zoe Quill cannot be deleted.", "[…] […] cannot be deleted."),
            ("Emails must be unique. Statuses must not change.", "Emails must be unique. Statuses must not change."),
            ("The SSN of (Zoe) is wrong.", "The SSN of […] is wrong."),
        ] {
            assert_eq!(cut(sentence, []), told);
        }
    }

    #[test]
    fn an_apostrophe_inside_a_word_is_no_quotation() {
        assert_eq!(cut("The customer's status isn't review.", []), "The customer's status isn't review.");
    }

    #[test]
    fn a_page_is_cut_to_one_bounded_line() {
        let long = "word ".repeat(500);
        assert!(cut(&long, []).chars().count() <= LONGEST);
        assert_eq!(cut("one\r\ntwo", []), "one two");
    }
}
