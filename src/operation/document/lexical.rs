//! One pass over a text's tokens, before the parser: counts what the lexical limits bound, and blanks descriptions.
//!
//! The September 2025 specification allows a description before an operation, before a fragment and before a variable.
//! The parser does not know them yet, so this pass replaces each by spaces. Every byte keeps its place and every line
//! its number, so that places in messages are those of the text as it was sent.

use apollo_parser::{Lexer, TokenKind as Kind};

/// What the text of a document measures.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Extent {
    /// Names, numbers, strings and punctuation. White space, commas and comments do not count.
    pub tokens: usize,
    /// The deepest nesting of `(`, `[` and `{`.
    pub nesting: usize,
    /// The longest name in bytes.
    pub longest_name: usize,
}

/// Measures a text. The second value is the text without descriptions; `None` where it has none.
pub fn scan(text: &str) -> (Extent, Option<String>) {
    let mut extent = Extent::default();
    let mut blanked: Option<Vec<u8>> = None;
    let (mut depth, mut in_variables) = (0_usize, false);
    let mut last: Option<Kind> = None;
    // The byte range of a string that is a description if the next token confirms it. Both neighbours have to: by the
    // one before it alone, the string in `{ a } "text"` would be one.
    let mut candidate: Option<(usize, usize)> = None;
    for token in Lexer::new(text) {
        // What is no token counts as one; the parser tells where it is.
        let Ok(token) = token else {
            extent.tokens += 1;
            continue;
        };
        let kind = token.kind();
        if matches!(kind, Kind::Whitespace | Kind::Comment | Kind::Comma | Kind::Eof) {
            continue;
        }
        extent.tokens += 1;
        let is_described = match kind {
            Kind::Dollar => depth == 1 && in_variables,
            Kind::Name => depth == 0 && matches!(token.data(), "query" | "mutation" | "subscription" | "fragment"),
            _ => false,
        };
        if let Some((start, end)) = candidate.take().filter(|_| is_described) {
            let bytes = blanked.get_or_insert_with(|| text.as_bytes().to_vec());
            let description = bytes.get_mut(start..end).unwrap_or_default();
            description.iter_mut().filter(|byte| !matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
        }
        match kind {
            Kind::LCurly | Kind::LBracket | Kind::LParen => {
                in_variables = in_variables || (depth == 0 && kind == Kind::LParen);
                depth += 1;
                extent.nesting = extent.nesting.max(depth);
            }
            Kind::RCurly | Kind::RBracket | Kind::RParen => {
                depth = depth.saturating_sub(1);
                in_variables = in_variables && depth > 0;
            }
            Kind::Name => extent.longest_name = extent.longest_name.max(token.data().len()),
            Kind::StringValue => {
                let may_describe = if depth == 0 {
                    matches!(last, None | Some(Kind::RCurly))
                } else {
                    depth == 1 && in_variables && !matches!(last, Some(Kind::Eq | Kind::Colon))
                };
                candidate = may_describe.then(|| (token.index(), token.index() + token.data().len()));
            }
            _ => {}
        }
        last = Some(kind);
    }
    (extent, blanked.and_then(|bytes| String::from_utf8(bytes).ok()))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("{ a, b # c d\n }", 4, 1, 1)]
    #[case("query Long($v: [Int!] = [1, -2.5]) { a(b: \"x y\", c: $v) }", 28, 2, 5)]
    #[case("{ a(b: \"\"\"say \\\"\"\" {[( \"\"\") }", 8, 2, 1)]
    #[case("{ a(b: \"{{{\\\"{{\") }", 8, 2, 1)]
    #[case(",,, \u{feff} ,,", 0, 0, 0)]
    fn a_text_is_measured(
        #[case] text: &str,
        #[case] tokens: usize,
        #[case] nesting: usize,
        #[case] longest_name: usize,
    ) {
        assert_eq!(scan(text).0, Extent { tokens, nesting, longest_name });
    }

    #[rstest]
    #[case::operation("\"what\" query Q { a }", "       query Q { a }")]
    #[case::block_string("\"\"\"what\nfor\"\"\"\nquery Q { a }", "       \n      \nquery Q { a }")]
    #[case::more_than_ascii("\"wäs\" query Q { a }", "       query Q { a }")]
    #[case::fragment("{ ...F } \"what\" fragment F on Q { a }", "{ ...F }        fragment F on Q { a }")]
    #[case::variables(
        "query Q(\"one\" $a: S = \"x\" \"two\" $b: [S] = [\"y\"] \"three\" $c: I) { a }",
        "query Q(      $a: S = \"x\"       $b: [S] = [\"y\"]         $c: I) { a }"
    )]
    fn a_description_is_blanked(#[case] text: &str, #[case] expected: &str) {
        let (_, blanked) = scan(text);
        assert_eq!(blanked.as_deref(), Some(expected));
        assert_eq!(expected.len(), text.len());
    }

    #[rstest]
    #[case::before_a_shorthand("\"what\" { a }")]
    #[case::at_the_end("{ a } \"what\"")]
    #[case::two_in_a_row("\"one\" \"two\" query { a }")]
    #[case::in_a_selection("{ a \"what\" query }")]
    #[case::an_argument("{ a(b: \"what\", c: $d) }")]
    #[case::a_list_item("query Q($a: [S] = [\"x\" $b]) { a }")]
    #[case::a_default("query Q($a: S = \"x\" $b: S) { a }")]
    #[case::a_directive_of_a_variable("query Q($a: S @d(e: \"x\") $b: S) { a }")]
    #[case::arguments_of_a_field("{ a(\"what\" $b: 1) }")]
    fn any_other_string_stays(#[case] text: &str) {
        assert_eq!(scan(text).1, None);
    }
}
