//! A look at a document's text before any parser sees it: how many tokens it has, how deep its brackets go, and how long
//! its longest name is.
//!
//! The engine's parser recurses on nested values without a bound: some 1,700 brackets (4 kB) overflow the stack of a
//! worker and end the process (measured on this version). So both are bounded here, in one pass over the bytes.

/// What the text of a document measures.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Extent {
    /// Names, numbers, strings and punctuation; commas and comments are none, as in the specification.
    pub tokens: usize,
    /// The deepest nesting of `(`, `[` and `{` outside strings and comments.
    pub nesting: usize,
    /// The longest name in bytes, outside strings and comments.
    pub longest_name: usize,
}

/// Measures a document's text. It goes by the engine's grammar and not by the specification's where the two differ, and
/// where it cannot tell, it counts more: what it does not see, nothing bounds.
pub fn extent(document: &str) -> Extent {
    let mut rest = document.as_bytes();
    let mut extent = Extent::default();
    let mut depth = 0_usize;
    // Once one block string has no end, no later one has: looking for it again and again would take quadratic time.
    let mut blocks_end = true;
    // How much text was left behind the last name: what is inside it was measured with it.
    let mut behind_name = usize::MAX;
    while let Some((byte, after)) = rest.split_first() {
        rest = match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b',' => {
                rest = after;
                continue;
            }
            b'#' => {
                rest = after_line(after);
                continue;
            }
            b'(' | b'[' | b'{' => {
                depth += 1;
                extent.nesting = extent.nesting.max(depth);
                after
            }
            b')' | b']' | b'}' => {
                depth = depth.saturating_sub(1);
                after
            }
            b'"' => match rest.strip_prefix(b"\"\"\"") {
                Some(block) if blocks_end => match after_block_string(block) {
                    Some(after) => after,
                    None => {
                        blocks_end = false;
                        after_string(after)
                    }
                },
                // The engine takes the first two marks for an empty string, and goes on with the third.
                _ => after_string(after),
            },
            b'.' => after.strip_prefix(b"..").unwrap_or(after),
            b'-' | b'0'..=b'9' => after_number(rest),
            byte if is_of_a_word(*byte) => {
                if rest.len() <= behind_name {
                    let name = rest.iter().take_while(|byte| is_of_a_word(**byte)).count();
                    extent.longest_name = extent.longest_name.max(name);
                    behind_name = rest.len() - name;
                }
                after_word(rest)
            }
            // Bytes of other scripts too: a byte order mark is white space to the engine, even inside a word.
            _ => after,
        };
        extent.tokens += 1;
    }
    extent
}

fn is_of_a_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// What follows a word. These three need no end to be values to the engine: `truetrue` is two of them.
fn after_word(word: &[u8]) -> &[u8] {
    let values = [&b"true"[..], b"false", b"null"];
    if let Some(after) = values.iter().find_map(|value| word.strip_prefix(*value)) {
        return after;
    }
    let end = word.iter().position(|byte| !is_of_a_word(*byte)).unwrap_or(word.len());
    word.get(end..).unwrap_or_default()
}

/// What follows a number, which needs no end either: `00-1-1` is four of them. A sign alone is passed as well.
fn after_number(number: &[u8]) -> &[u8] {
    let digits = |text: &'_ [u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let unsigned = number.strip_prefix(b"-").unwrap_or(number);
    let whole = if unsigned.first() == Some(&b'0') { 1 } else { digits(unsigned) };
    let mut rest = unsigned.get(whole..).unwrap_or_default();
    if let Some(fraction) = rest.strip_prefix(b".")
        && digits(fraction) > 0
    {
        rest = fraction.get(digits(fraction)..).unwrap_or_default();
    }
    if let Some((b'e' | b'E', exponent)) = rest.split_first() {
        let exponent = exponent.strip_prefix(b"+").or_else(|| exponent.strip_prefix(b"-")).unwrap_or(exponent);
        if digits(exponent) > 0 {
            rest = exponent.get(digits(exponent)..).unwrap_or_default();
        }
    }
    rest
}

/// What follows a string, or its line where it is not closed.
fn after_string(mut rest: &[u8]) -> &[u8] {
    while let Some((byte, after)) = rest.split_first() {
        rest = match byte {
            b'"' | b'\n' | b'\r' => return after,
            b'\\' => after.get(1..).unwrap_or_default(),
            _ => after,
        };
    }
    rest
}

/// What follows a block string; only `\"""` escapes its end. None where it has no end.
fn after_block_string(mut rest: &[u8]) -> Option<&[u8]> {
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix(b"\"\"\"") {
            return Some(after);
        }
        rest = match rest.strip_prefix(b"\\\"\"\"") {
            Some(after) => after,
            None => rest.get(1..).unwrap_or_default(),
        };
    }
    None
}

fn after_line(rest: &[u8]) -> &[u8] {
    let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
    end.and_then(|end| rest.get(end..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("{ a(b: [[1]]) { c } }", 4)]
    #[case(r#"{ a(b: "((([[[{{{") }"#, 2)]
    #[case(r#"{ a(b: "\"(((" ) }"#, 2)]
    #[case(r#"{ a(b: """ " ((( \""" (((( """) }"#, 2)]
    #[case("# ((((((\n{ a }", 1)]
    #[case("{ a(b: \"not closed\n[[[[", 6)]
    #[case("}}}} { a }", 1)]
    #[case(r#"{ a(b: ["""c" [[[["#, 7)]
    #[case(r#"{ a(b: ["""c\""" d" [[[["#, 7)]
    #[case(r#"{ a(b: ["""c" """ [[[["#, 7)]
    #[case("", 0)]
    fn brackets_are_counted_where_the_parser_would_see_them(#[case] document: &str, #[case] deepest: usize) {
        assert_eq!(extent(document).nesting, deepest);
    }

    #[rstest]
    #[case("query Q($a: Int = -1.5e3) { b(c: $a, d: \"x y\") ...F }", 24)]
    #[case("{a b c}", 5)]
    #[case(",,,, # nothing\n\t ", 0)]
    #[case("a...B...C@d", 7)]
    #[case("[1-1-1 000 0.0 1e-5 -0.5E+2]", 11)]
    #[case("[truetruenullfalse]", 6)]
    #[case("a\u{feff}b", 5)]
    fn tokens_are_counted_as_the_specification_does(#[case] document: &str, #[case] tokens: usize) {
        assert_eq!(extent(document).tokens, tokens);
    }

    #[rstest]
    #[case("query Query1($a_b: Int) { c }", 6)]
    #[case("{ a(b: \"longer\", c: \"\"\"longer\"\"\") } # longer", 1)]
    #[case("{ trueish }", 7)]
    #[case("[truetrue 1234567 -1e99999]", 8)]
    #[case("{ ...F }", 1)]
    #[case("", 0)]
    fn the_longest_name_is_found(#[case] document: &str, #[case] longest: usize) {
        assert_eq!(extent(document).longest_name, longest);
    }

    #[test]
    fn a_name_is_measured_once() {
        assert_eq!(extent(&"true".repeat(200_000)).longest_name, 800_000, "and in no quadratic time");
    }

    #[test]
    fn what_has_no_end_is_looked_for_once() {
        let text = format!("\"\"\"\n{}", "\\\"\"\"\n".repeat(200_000));
        assert!(extent(&text).tokens > 200_000, "and in no quadratic time, which would be minutes");
    }

    proptest! {
        #[test]
        fn what_the_parser_takes_is_no_larger_than_what_is_counted(
            values in "(true|null|0|-1|1\\.5|[ab]|\"\"|\"\"\"|\"c\"|\\[|\\]|\\.\\.\\.|\u{feff}| ){0,40}",
        ) {
            use async_graphql::parser::types::{DocumentOperations, Selection};
            use async_graphql_value::Value;

            fn measure(value: &Value) -> (usize, usize) {
                match value {
                    Value::List(items) => {
                        let inside: Vec<_> = items.iter().map(measure).collect();
                        let deepest = inside.iter().map(|inside| inside.1).max().unwrap_or(0);
                        (2 + inside.iter().map(|inside| inside.0).sum::<usize>(), 1 + deepest)
                    }
                    _ => (1, 0),
                }
            }
            let text = format!("{{a(b:[{values}])}}");
            if let Ok(document) = async_graphql::parser::parse_query(&text)
                && let DocumentOperations::Single(operation) = &document.operations
                && let Some(Selection::Field(field)) = operation.node.selection_set.node.items.first().map(|item| &item.node)
                && let Some(value) = field.node.get_argument("b")
            {
                let (tokens, nesting) = measure(&value.node);
                prop_assert!(extent(&text).tokens >= tokens + 7 && extent(&text).nesting >= nesting + 2, "{text}");
            }
        }

        #[test]
        fn no_text_breaks_the_scan(text in r#"[(){}\[\]"\\#\na ]{0,200}"#) {
            prop_assert!(extent(&text).nesting <= text.len() && extent(&text).tokens <= text.len());
        }
    }
}
