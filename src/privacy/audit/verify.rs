//! Verifies an audit file.
//!
//! The verification detects lines that were changed, reordered, or removed from the start or the middle. It does not
//! detect lines that were removed from the end, or that were all written anew from some line on, since the chain has no
//! secret. To detect these, compare the last hash with a copy that is stored elsewhere.

use std::io::{self, BufRead, Read};

use super::chain::{self, ChainHead, CheckedLine, InvalidLine, MAX_LINE_BYTES};

/// The summary of a valid file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifiedFile {
    /// The number of records.
    pub records: u64,
    /// The times of the first and the last record; `None` for an empty file.
    pub times: Option<(String, String)>,
    /// The hash of the last line, for the comparison with a stored copy.
    pub last_hash: String,
}

/// The first invalid line of a file, and the reason.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("line {line}: {problem}")]
    Line { line: u64, problem: LineProblem },
}

/// What is wrong with a line.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LineProblem {
    #[error(transparent)]
    Invalid(#[from] InvalidLine),
    #[error("it is longer than any record")]
    TooLong,
    #[error("it is cut: it has no end")]
    Truncated,
    #[error("it is record {found} where record {expected} belongs: what was between is cut out")]
    Missing { expected: u64, found: u64 },
    #[error("it is record {found} where record {expected} belongs: lines were repeated or put in another order")]
    OutOfOrder { expected: u64, found: u64 },
    #[error("it does not follow from the line before: that one, or this one, was written anew")]
    Unchained,
}

/// Verifies a file to its end.
///
/// # Errors
/// The first line that was changed or moved.
pub fn verify(mut file: impl BufRead) -> Result<VerifiedFile, VerifyError> {
    let mut last = ChainHead::genesis();
    let (mut first_time, mut last_time) = (None, None);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        // One byte more than the limit, to distinguish a line that is too long from one that just fits.
        let longest = MAX_LINE_BYTES as u64 + 1;
        if file.by_ref().take(longest).read_until(b'\n', &mut bytes)? == 0 {
            break;
        }
        let line = last.sequence + 1;
        let sealed = follows(&last, &bytes).map_err(|problem| VerifyError::Line { line, problem })?;
        first_time.get_or_insert_with(|| sealed.time.clone());
        last_time = Some(sealed.time);
        last = sealed.head;
    }
    Ok(VerifiedFile { records: last.sequence, times: first_time.zip(last_time), last_hash: last.hash })
}

fn follows(last: &ChainHead, bytes: &[u8]) -> Result<CheckedLine, LineProblem> {
    let Some(text) = bytes.strip_suffix(b"\n") else {
        return Err(if bytes.len() > MAX_LINE_BYTES { LineProblem::TooLong } else { LineProblem::Truncated });
    };
    let sealed = chain::check_line(std::str::from_utf8(text).map_err(|_| InvalidLine::NotARecord)?)?;
    let (expected, found) = (last.sequence + 1, sealed.head.sequence);
    match found.cmp(&expected) {
        std::cmp::Ordering::Greater => Err(LineProblem::Missing { expected, found }),
        std::cmp::Ordering::Less => Err(LineProblem::OutOfOrder { expected, found }),
        std::cmp::Ordering::Equal if sealed.previous != last.hash => Err(LineProblem::Unchained),
        std::cmp::Ordering::Equal => Ok(sealed),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::{Actor, Outcome, Record};
    use super::*;

    fn lines(count: usize, subject: &str) -> Vec<String> {
        let mut last = ChainHead::genesis();
        (0..count)
            .map(|_| {
                let actor = Actor::new(Some(subject), None, None);
                let record = Record::new("unmask", actor, "r".into(), Outcome::Succeeded);
                let (line, link) = last.append(&record, "2026-07-07T06:21:44.000Z").expect("a line");
                last = link;
                line
            })
            .collect()
    }

    fn problem(lines: &[String]) -> (u64, LineProblem) {
        match verify(lines.concat().as_bytes()) {
            Err(VerifyError::Line { line, problem }) => (line, problem),
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn a_file_as_it_was_written_is_whole() {
        let lines = lines(5, "u");
        let whole = verify(lines.concat().as_bytes()).expect("a whole file");
        assert_eq!(whole.records, 5);
        assert!(lines[4].contains(&whole.last_hash));
        assert_eq!(verify(&b""[..]).expect("an empty file").times, None);
    }

    #[rstest]
    #[case(0, "record 2 where record 1 belongs")]
    #[case(2, "record 4 where record 3 belongs")]
    fn a_line_taken_out_shows(#[case] at: usize, #[case] told: &str) {
        let mut lines = lines(5, "u");
        lines.remove(at);
        let (line, problem) = problem(&lines);
        assert_eq!(line, at as u64 + 1);
        assert!(problem.to_string().contains(told), "{problem}");
    }

    #[test]
    fn another_order_a_change_a_torn_end_and_other_text_show() {
        let whole = lines(5, "u");
        let mut swapped = whole.clone();
        swapped.swap(1, 2);
        assert_eq!(problem(&swapped), (2, LineProblem::Missing { expected: 2, found: 3 }));
        let mut repeated = whole.clone();
        repeated.insert(3, whole[2].clone());
        assert_eq!(problem(&repeated), (4, LineProblem::OutOfOrder { expected: 4, found: 3 }));
        let mut changed = whole.clone();
        changed[3] = changed[3].replace("\"u\"", "\"v\"");
        assert_eq!(problem(&changed), (4, LineProblem::Invalid(InvalidLine::Changed)));
        let mut torn = whole.clone();
        torn[4].truncate(20);
        assert_eq!(problem(&torn), (5, LineProblem::Truncated));
        let mut other = whole.clone();
        other[2] = "hello\n".to_owned();
        assert_eq!(problem(&other), (3, LineProblem::Invalid(InvalidLine::NotARecord)));
        let mut long = whole;
        long[0] = "x".repeat(MAX_LINE_BYTES + 9);
        assert_eq!(problem(&long), (1, LineProblem::TooLong));
    }

    #[test]
    fn a_line_of_another_chain_shows() {
        let (mut ours, theirs) = (lines(5, "u"), lines(5, "v"));
        ours[2] = theirs[2].clone();
        assert_eq!(problem(&ours), (3, LineProblem::Unchained));
    }

    #[test]
    fn a_cut_at_the_end_is_told_by_the_last_hash_alone() {
        let lines = lines(5, "u");
        let whole = verify(lines.concat().as_bytes()).expect("a whole file");
        let shorter = verify(lines[..3].concat().as_bytes()).expect("a shorter file that is whole");
        assert_ne!(whole.last_hash, shorter.last_hash);
    }
}
