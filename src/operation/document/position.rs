//! Positions in a document's text.
//!
//! A position is the byte offset into the text. Only the positions of reported errors are converted to lines and
//! columns. In the engine's positions, `column` contains the offset.

use apollo_compiler::Node;
use async_graphql::Pos;

/// The byte offset at which a node starts. 0 for a node that was not parsed.
pub fn offset<T: ?Sized>(node: &Node<T>) -> usize {
    node.location().map_or(0, |span| span.offset())
}

/// An offset as the engine's position.
pub fn to_pos(offset: usize) -> Pos {
    Pos { line: 0, column: offset }
}

/// Converts offsets to lines and columns, both from 1, in one pass over the text. Columns count characters. As the
/// specification says, a line ends only at `\n`, `\r\n` or `\r`.
pub fn locate<'a>(text: &str, positions: impl Iterator<Item = &'a mut Pos>) {
    let mut positions: Vec<&mut Pos> = positions.filter(|pos| pos.line == 0).collect();
    positions.sort_unstable_by_key(|pos| pos.column);
    let mut characters = text.char_indices().peekable();
    let (mut line, mut column, mut last) = (1, 1, ' ');
    for pos in positions {
        while let Some((_, character)) = characters.next_if(|(at, _)| *at < pos.column) {
            match character {
                '\n' if last == '\r' => {}
                '\n' | '\r' => (line, column) = (line + 1, 1),
                _ => column += 1,
            }
            last = character;
        }
        *pos = Pos { line, column };
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("{ a }", 2, (1, 3))]
    #[case("{\n  a\n}", 4, (2, 3))]
    #[case("{\r\n  a\r  b }", 5, (2, 3))]
    #[case("{\r\n  a\r  b }", 9, (3, 3))]
    #[case("{ \u{2028}ä b }", 8, (1, 6))]
    #[case("{ a", 3, (1, 4))]
    #[case("{ a", 99, (1, 4))]
    fn a_place_is_told_by_line_and_column(#[case] text: &str, #[case] offset: usize, #[case] place: (usize, usize)) {
        let mut positions = [to_pos(offset), Pos { line: 7, column: 9 }, to_pos(0), to_pos(offset)];
        locate(text, positions.iter_mut());
        let (line, column) = place;
        let expected = Pos { line, column };
        assert_eq!(positions, [expected, Pos { line: 7, column: 9 }, Pos { line: 1, column: 1 }, expected]);
    }
}
