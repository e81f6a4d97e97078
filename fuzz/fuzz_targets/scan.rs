//! No text breaks the look at a document's text, and what it counts is no more than there is.
#![no_main]

use customers_gateway::operation::scan::extent;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let whole = extent(text);
    let open = text.bytes().filter(|byte| matches!(byte, b'(' | b'[' | b'{')).count();
    assert!(whole.tokens <= text.len() && whole.nesting <= open && whole.longest_name <= text.len());
    // What is in front of a document takes nothing away from it: a new line ends all that a line can hold.
    let (before, after) = (extent("{ a }\n"), extent(&format!("{{ a }}\n{text}")));
    assert_eq!(after.tokens, before.tokens + whole.tokens);
    assert!(after.nesting >= whole.nesting && after.longest_name >= whole.longest_name);
});
