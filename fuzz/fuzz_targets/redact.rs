//! No sentence breaks the cutting of personal data, and no known value comes through it, however the two are written.
#![no_main]

use customers_gateway::privacy::redact::redact;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str, Vec<&str>)| {
    let (value, sentence, others) = input;
    let known = || others.iter().copied().chain([value]);
    // Once as it comes, and once with the value in the middle of it.
    let middle = sentence.char_indices().nth(sentence.chars().count() / 2).map_or(0, |(at, _)| at);
    let (left, right) = sentence.split_at(middle);
    for sentence in [sentence.to_owned(), format!("{left}{value}{right}"), format!("{left} {value} {right}")] {
        let told = redact(&sentence, known());
        assert!(told.chars().count() <= 300 && !told.chars().any(char::is_control));
        for value in known() {
            assert!(!holds(&told, value), "a known value came through");
        }
    }
});

/// Whether a text holds a value, but for what stands in place of what was cut.
fn holds(text: &str, value: &str) -> bool {
    let words = value.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let value = lower(&words.collect::<Vec<_>>().join(" "));
    let text = lower(text);
    // Shorter ones are not searched for; lower case can make longer ones of them.
    value.chars().count() >= 5 && text.split("[…]").any(|part| part.contains(&value))
}

/// Letter by letter: a word's end is no matter.
fn lower(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}
