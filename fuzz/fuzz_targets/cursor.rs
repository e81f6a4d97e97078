//! No text breaks the reading of cursors; one that is read is the one that would be written.
#![no_main]

use customers_gateway::graphql::cursor::{decode, encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u32, &str)| {
    let (fingerprint, text) = input;
    if let Some(position) = decode(text, fingerprint) {
        assert_eq!(encode(fingerprint, position), text);
    }
    let position = u32::try_from(text.len()).unwrap_or(u32::MAX);
    assert_eq!(decode(&encode(fingerprint, position), fingerprint), Some(position));
});
