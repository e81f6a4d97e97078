//! A look at a document's text before any parser sees it: how deep its brackets go.
//!
//! The engine's parser recurses on nested values without a bound: some 1,700 brackets (4 kB) overflow the stack of a
//! worker and end the process (measured on this version). So nesting is bounded here, in one pass over the bytes.

/// The deepest nesting of `(`, `[` and `{` outside strings and comments.
pub fn nesting(document: &str) -> usize {
    let mut rest = document.as_bytes();
    let (mut depth, mut deepest) = (0_usize, 0_usize);
    while let Some((byte, after)) = rest.split_first() {
        rest = match byte {
            b'(' | b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
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
            b'#' => after_line(after),
            _ => after,
        };
    }
    deepest
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
        assert_eq!(nesting(document), deepest);
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_scan(text in r#"[(){}\[\]"\\#\na ]{0,200}"#) {
            prop_assert!(nesting(&text) <= text.len());
        }
    }
}
