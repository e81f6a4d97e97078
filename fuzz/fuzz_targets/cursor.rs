//! No text breaks the reading of cursors; one that is read is the one that would be written.
#![no_main]

use customers_gateway::graphql::cursor::{read, write};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u32, &str)| {
    let (fingerprint, text) = input;
    if let Some(position) = read(text, fingerprint) {
        assert_eq!(write(fingerprint, position), text);
    }
    let position = u32::try_from(text.len()).unwrap_or(u32::MAX);
    assert_eq!(read(&write(fingerprint, position), fingerprint), Some(position));
});
