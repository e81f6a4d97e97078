//! The chain of records: each line contains the hash of the previous line, and its own hash.
//!
//! A line is a JSON object whose last two members are `previous` and `hash`. `hash` is the SHA-256, as 64 hexadecimal
//! digits, of the line's own bytes without the member `hash` and with the closing brace. So a hash function suffices to
//! check a line, and each changed byte is detected. The `previous` of the first line is 64 zeros, and its `sequence` is
//! 1.

use serde::{Deserialize, Serialize};

use super::Record;
use crate::privacy::digest::sha256;

/// The longest line, in bytes. Records are much shorter.
pub const MAX_LINE_BYTES: usize = 64 * 1024;

/// The texts before and after the hash at the end of a line.
const BEFORE_HASH: &str = ",\"hash\":\"";
const AFTER_HASH: &str = "\"}";
const HASH_LENGTH: usize = 64;

/// The sequence number and the hash of a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChainHead {
    pub sequence: u64,
    pub hash: String,
}

impl ChainHead {
    /// The head before the first line.
    pub fn genesis() -> Self {
        Self { sequence: 0, hash: "0".repeat(HASH_LENGTH) }
    }

    /// The next line, with its line break, and the head after it.
    ///
    /// # Errors
    /// If the record cannot be written as JSON, which cannot happen.
    pub fn append(&self, record: &Record, time: &str) -> Result<(String, Self), serde_json::Error> {
        #[derive(Serialize)]
        struct Body<'a> {
            sequence: u64,
            time: &'a str,
            #[serde(flatten)]
            record: &'a Record,
            previous: &'a str,
        }
        let sequence = self.sequence.saturating_add(1);
        let mut line = serde_json::to_string(&Body { sequence, time, record, previous: &self.hash })?;
        let hash = sha256(line.as_bytes());
        line.pop();
        line.push_str(BEFORE_HASH);
        line.push_str(&hash);
        line.push_str(AFTER_HASH);
        line.push('\n');
        Ok((line, Self { sequence, hash }))
    }
}

/// A line whose hash is correct.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckedLine {
    pub head: ChainHead,
    pub previous: String,
    pub time: String,
}

/// Why a line is not a valid record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InvalidLine {
    #[error("it is no audit record")]
    NotARecord,
    #[error("it was changed: its hash is not the hash of its text")]
    Changed,
}

/// Reads a line, without its line break, and checks it against its own hash.
///
/// # Errors
/// If it is not a record, or was changed.
pub fn check_line(line: &str) -> Result<CheckedLine, InvalidLine> {
    #[derive(Deserialize)]
    struct Body {
        sequence: u64,
        time: String,
        previous: String,
    }
    let rest = line.strip_suffix(AFTER_HASH).ok_or(InvalidLine::NotARecord)?;
    let (text, hash) = rest.rsplit_once(BEFORE_HASH).ok_or(InvalidLine::NotARecord)?;
    if hash.len() != HASH_LENGTH {
        return Err(InvalidLine::NotARecord);
    }
    let text = format!("{text}}}");
    let body: Body = serde_json::from_str(&text).map_err(|_| InvalidLine::NotARecord)?;
    if sha256(text.as_bytes()) != hash {
        return Err(InvalidLine::Changed);
    }
    let link = ChainHead { sequence: body.sequence, hash: hash.to_owned() };
    Ok(CheckedLine { head: link, previous: body.previous, time: body.time })
}

#[cfg(test)]
mod tests {
    use super::super::{Actor, Outcome};
    use super::*;

    fn line(after: &ChainHead) -> (String, ChainHead) {
        let record = Record::new("delete", Actor::default(), "r".into(), Outcome::Succeeded);
        let (line, link) = after.append(&record, "2026-07-07T06:21:44.000Z").expect("a line");
        (line.trim_end().to_owned(), link)
    }

    #[test]
    fn a_line_says_where_it_stands() {
        let (first, link) = line(&ChainHead::genesis());
        let sealed = check_line(&first).expect("a line as it was written");
        assert_eq!((sealed.head, sealed.previous), (link.clone(), "0".repeat(64)));
        let (second, _) = line(&link);
        assert_eq!(check_line(&second).expect("a line").previous, link.hash);
    }

    #[test]
    fn any_changed_byte_shows() {
        let (line, _) = line(&ChainHead::genesis());
        for at in 0..line.len() {
            let mut bytes = line.clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            assert!(check_line(&changed).is_err(), "{changed}");
        }
        assert_eq!(check_line(&line.replace("delete", "create")), Err(InvalidLine::Changed));
        assert_eq!(check_line(&line.replace("{\"sequence\"", "{ \"sequence\"")), Err(InvalidLine::Changed));
    }
}
