//! Cuts personal data out of a sentence that somebody else wrote, such as an upstream's reason for a refusal.
//!
//! Three nets, one behind the other: values that are known to be personal (those that were just sent), words that
//! look like an address or a number of a person (an `@`, three digits or more), and anything in quotation marks.
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
    let words = text.split_whitespace().map(|word| if looks_personal(word) { CUT } else { word });
    // Shortened last: half a value is not found any more.
    words.collect::<Vec<_>>().join(" ").chars().take(LONGEST).collect()
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
