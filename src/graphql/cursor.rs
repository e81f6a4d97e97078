//! Cursors. For callers they are opaque; for the gateway each is a position in a list.
//!
//! A cursor contains the fingerprint of its list's filter and sort. A cursor of another list is rejected. Rows that
//! move between pages because of writes are a property of the upstream's numbered pages.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The first byte. Another layout gets another number, so that an old cursor is rejected and not misread.
const VERSION: u8 = 1;

/// Encodes a position, from 0, in the list with this fingerprint.
pub fn encode(fingerprint: u32, position: u32) -> String {
    let mut bytes = [VERSION; 9];
    let (_, rest) = bytes.split_at_mut(1);
    let (print, place) = rest.split_at_mut(4);
    print.copy_from_slice(&fingerprint.to_be_bytes());
    place.copy_from_slice(&position.to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The position in a cursor of this list. `None` for any other text.
pub fn decode(text: &str, fingerprint: u32) -> Option<u32> {
    let mut bytes = [0; 9];
    let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
    let [version, a, b, c, d, position @ ..] = bytes;
    let bound = length == bytes.len() && version == VERSION && u32::from_be_bytes([a, b, c, d]) == fingerprint;
    bound.then(|| u32::from_be_bytes(position))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_gives_its_position_back_to_its_own_list_alone(print: u32, other: u32, position: u32) {
            let cursor = encode(print, position);
            prop_assert_eq!(decode(&cursor, print), Some(position));
            prop_assert_eq!(decode(&cursor, other).is_some(), print == other);
        }

        #[test]
        fn any_text_decodes_or_is_rejected(text in ".{0,64}", print: u32) {
            let _ = decode(&text, print);
        }
    }
}
