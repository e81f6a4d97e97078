//! One pass over the tokens of a text before the parser. It measures what the lexical limits bound, and works around
//! faults of the parser (apollo-parser 0.8.7).
//!
//! - The September 2025 specification allows a description before an operation, a fragment or a variable. The parser
//!   rejects them, so each is blanked.
//! - A comma has no meaning in GraphQL. The parser rejects one after an alias or after `...`, so commas are blanked.
//! - The parser drops an argument or input field without a colon and a value: `filter: {email}` would be an empty
//!   filter. Here it is a syntax error.
//!
//! Blanked bytes become spaces. Every byte keeps its offset and every line its number, so positions in messages are
//! those of the text as sent.

use apollo_parser::{Lexer, TokenKind as Kind};

/// The measures of a text.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct TextSize {
    /// The number of names, numbers, strings and punctuators. White space, commas and comments do not count.
    pub tokens: usize,
    /// The deepest nesting of `(`, `[` and `{`.
    pub nesting: usize,
    /// The length of the longest name in bytes.
    pub longest_name: usize,
}

/// The result of the pass.
#[derive(Debug, Default)]
pub struct LexicalScan {
    pub size: TextSize,
    /// The text for the parser. `None` if it equals the original text.
    pub text: Option<String>,
    /// The first argument or input field that the parser would drop.
    pub incomplete: Option<Incomplete>,
}

/// An argument or input field without a colon or a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Incomplete {
    /// The byte offset of the token at the position of the missing part.
    pub at: usize,
    /// The missing part, for a message.
    pub expected: &'static str,
}

/// Scans the tokens of a text.
pub fn scan(text: &str) -> LexicalScan {
    let mut scan = Scanner { text, ..Scanner::default() };
    for token in Lexer::new(text) {
        match token {
            Ok(token) => scan.token(token.kind(), token.index(), token.data()),
            // An invalid token counts as one. The parser reports its position.
            Err(_) => scan.size.tokens += 1,
        }
    }
    let text = scan.blanked.and_then(|bytes| String::from_utf8(bytes).ok());
    LexicalScan { size: scan.size, text, incomplete: scan.incomplete }
}

/// The content of a pair of brackets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum BracketContent {
    /// Selections, or the values of a list. Each token is one of them or starts one.
    Any,
    List,
    Variables,
    /// Arguments or input fields, and which part of a pair comes next.
    Pairs(NextInPair),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum NextInPair {
    Name,
    Colon,
    Value,
    /// The name of a variable, after `$`.
    Variable,
}

#[derive(Default)]
struct Scanner<'a> {
    text: &'a str,
    size: TextSize,
    blanked: Option<Vec<u8>>,
    incomplete: Option<Incomplete>,
    /// The open brackets, outermost first.
    open_brackets: Vec<BracketContent>,
    /// The last two tokens, the latest first.
    last_tokens: [Option<Kind>; 2],
    /// The byte range of a string that is a description if the next token confirms it. The token before it alone is
    /// not enough: the string in `{ a } "text"` is no description.
    description_candidate: Option<(usize, usize)>,
}

impl Scanner<'_> {
    fn token(&mut self, kind: Kind, at: usize, data: &str) {
        match kind {
            Kind::Whitespace | Kind::Comment | Kind::Eof => return,
            Kind::Comma => return self.blank(at, at + data.len()),
            _ => self.size.tokens += 1,
        }
        let is_described = match kind {
            Kind::Dollar => self.open_brackets == [BracketContent::Variables],
            Kind::Name => {
                self.open_brackets.is_empty() && matches!(data, "query" | "mutation" | "subscription" | "fragment")
            }
            _ => false,
        };
        if let Some((start, end)) = self.description_candidate.take().filter(|_| is_described) {
            self.blank(start, end);
        }
        if kind == Kind::StringValue {
            let may_describe = match self.open_brackets.as_slice() {
                [] => matches!(self.last_tokens[0], None | Some(Kind::RCurly)),
                [BracketContent::Variables] => !matches!(self.last_tokens[0], Some(Kind::Eq | Kind::Colon)),
                _ => false,
            };
            self.description_candidate = may_describe.then(|| (at, at + data.len()));
        }
        if kind == Kind::Name {
            self.size.longest_name = self.size.longest_name.max(data.len());
        }
        self.check_pair(kind, at);
        match kind {
            Kind::LCurly | Kind::LBracket | Kind::LParen => {
                let inside = self.inside(kind);
                self.open_brackets.push(inside);
                self.size.nesting = self.size.nesting.max(self.open_brackets.len());
            }
            Kind::RCurly | Kind::RBracket | Kind::RParen => {
                self.open_brackets.pop();
            }
            _ => {}
        }
        self.last_tokens = [Some(kind), self.last_tokens[0]];
    }

    /// The content of a bracket that opens.
    fn inside(&self, kind: Kind) -> BracketContent {
        let is_of_a_directive = self.last_tokens == [Some(Kind::Name), Some(Kind::At)];
        match (kind, self.open_brackets.last()) {
            (Kind::LBracket, _) => BracketContent::List,
            (Kind::LParen, None) if !is_of_a_directive => BracketContent::Variables,
            (Kind::LParen, _) => BracketContent::Pairs(NextInPair::Name),
            (_, None | Some(BracketContent::Any)) => BracketContent::Any,
            (_, Some(BracketContent::List | BracketContent::Variables | BracketContent::Pairs(_))) => {
                BracketContent::Pairs(NextInPair::Name)
            }
        }
    }

    /// Continues the pairs of the innermost bracket. A list or an object counts as a value when it opens.
    fn check_pair(&mut self, kind: Kind, at: usize) {
        let Some(BracketContent::Pairs(next)) = self.open_brackets.last_mut() else { return };
        let (after, expected) = match (*next, kind) {
            (NextInPair::Name, Kind::Name) => (Some(NextInPair::Colon), ""),
            (NextInPair::Name, Kind::RCurly | Kind::RParen) => (Some(NextInPair::Name), ""),
            (NextInPair::Name, _) => (None, "a name"),
            (NextInPair::Colon, Kind::Colon) => (Some(NextInPair::Value), ""),
            (NextInPair::Colon, _) => (None, "`:`"),
            (NextInPair::Value, Kind::Dollar) => (Some(NextInPair::Variable), ""),
            (
                NextInPair::Value,
                Kind::Name | Kind::Int | Kind::Float | Kind::StringValue | Kind::LCurly | Kind::LBracket,
            )
            | (NextInPair::Variable, Kind::Name) => (Some(NextInPair::Name), ""),
            (NextInPair::Value, _) => (None, "a value"),
            (NextInPair::Variable, _) => (None, "the name of a variable"),
        };
        match after {
            Some(after) => *next = after,
            // Only the first one is reported, because the tokens after it cannot be interpreted.
            None if self.incomplete.is_none() => self.incomplete = Some(Incomplete { at, expected }),
            None => {}
        }
    }

    fn blank(&mut self, start: usize, end: usize) {
        let bytes = self.blanked.get_or_insert_with(|| self.text.as_bytes().to_vec());
        let blanked = bytes.get_mut(start..end).unwrap_or_default();
        blanked.iter_mut().filter(|byte| !matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
    }
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
        assert_eq!(scan(text).size, TextSize { tokens, nesting, longest_name });
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
        assert_eq!(scan(text).text.as_deref(), Some(expected));
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
        assert_eq!(scan(text).text.as_deref().unwrap_or(text), text.replace(',', " "));
    }

    #[rstest]
    #[case("{ a, : b }", "{ a  : b }")]
    #[case("{ ..., on Query { a }, ...,F }", "{ ...  on Query { a }  ... F }")]
    #[case("{ a(b: \"x, y\", c: [1,2]) # d, e\n }", "{ a(b: \"x, y\"  c: [1 2]) # d, e\n }")]
    fn a_comma_is_blanked_where_it_means_nothing(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(scan(text).text.as_deref(), Some(expected));
    }

    #[rstest]
    #[case("{ a(filter: {email}) { b } }", "}", "`:`")]
    #[case("{ a(filter: {name: \"a\" email}) }", "})", "`:`")]
    #[case("mutation { a(input: {id: \"x\"} reason) { b } }", ") {", "`:`")]
    #[case("{ a(x) { b } }", ") {", "`:`")]
    #[case("{ a @skip(if: true if) }", ") }", "`:`")]
    #[case("query Q @d(x) { a }", ") {", "`:`")]
    #[case("query Q($v: I = {x}) { a }", "})", "`:`")]
    #[case("query Q($v: I @d(x)) { a }", ")) {", "`:`")]
    #[case("{ a(b: [{c}]) }", "}]", "`:`")]
    #[case("{ a(b:) }", ") }", "a value")]
    #[case("{ a(b: $) }", ") }", "the name of a variable")]
    #[case("{ a($b) }", "$b", "a name")]
    #[case("{ a(1) }", "1)", "a name")]
    fn an_argument_or_an_input_field_has_a_value(
        #[case] text: &str,
        #[case] from: &str,
        #[case] expected: &'static str,
    ) {
        let at = text.find(from).expect("it stands in the text");
        assert_eq!(scan(text).incomplete, Some(Incomplete { at, expected }));
    }

    #[rstest]
    #[case(
        "query Q($v: [I!]! = [{a: {b: [1, $x, {c: E}]}}] @d(e: $f), $w: S) @g(h: null) { i(j: {}, k: [], l: $m) @n(o: true) { p } }"
    )]
    #[case("{ a(b: {}) { c { d(e: \"\"\"{f}\"\"\") } } } fragment F on Q @g(h: -1.5e3) { a }")]
    fn a_text_with_whole_pairs_is_complete(#[case] text: &str) {
        assert_eq!(scan(text).incomplete, None);
    }
}
