//! A look at a document's text before any parser sees it: how many tokens it has, and how deep its brackets go.
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
}

/// Measures a document's text.
pub fn extent(document: &str) -> Extent {
    let mut rest = document.as_bytes();
    let mut extent = Extent::default();
    let mut depth = 0_usize;
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
                Some(block) => after_block_string(block),
                None => after_string(after),
            },
            b'.' => after.strip_prefix(b"..").unwrap_or(after),
            byte if is_of_a_word(*byte) => after_word(after),
            _ => after,
        };
        extent.tokens += 1;
    }
    extent
}

/// Letters, digits and what a number or a name has besides; bytes of other scripts, which the parser refuses, too.
fn is_of_a_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+') || !byte.is_ascii()
}

fn after_word(rest: &[u8]) -> &[u8] {
    let end = rest.iter().position(|byte| !is_of_a_word(*byte) && *byte != b'.').unwrap_or(rest.len());
    rest.get(end..).unwrap_or_default()
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

/// What follows a block string; only `\"""` escapes its end.
fn after_block_string(mut rest: &[u8]) -> &[u8] {
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix(b"\"\"\"") {
            return after;
        }
        rest = match rest.strip_prefix(b"\\\"\"\"") {
            Some(after) => after,
            None => rest.get(1..).unwrap_or_default(),
        };
    }
    rest
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
    #[case("", 0)]
    fn brackets_are_counted_where_the_parser_would_see_them(#[case] document: &str, #[case] deepest: usize) {
        assert_eq!(extent(document).nesting, deepest);
    }

    #[rstest]
    #[case("query Q($a: Int = -1.5e3) { b(c: $a, d: \"x y\") ...F }", 24)]
    #[case("{a b c}", 5)]
    #[case(",,,, # nothing\n\t ", 0)]
    fn tokens_are_counted_as_the_specification_does(#[case] document: &str, #[case] tokens: usize) {
        assert_eq!(extent(document).tokens, tokens);
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_scan(text in r#"[(){}\[\]"\\#\na ]{0,200}"#) {
            prop_assert!(extent(&text).nesting <= text.len() && extent(&text).tokens <= text.len());
        }
    }
}
