//! Where records are written: one thread owns the file, numbers and chains the records in the order in which they come,
//! and tells each maker when its line is written.
//!
//! A file is opened for appending, readable by its owner alone, and locked: two writers would break the chain. What waits
//! is written together, with one flush to the disk for all of it. A line that was written in part is taken back; where
//! even that fails nothing more is written, since a chain with a torn line in it proves nothing.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use chrono::{SecondsFormat, Utc};
use tokio::sync::{mpsc, oneshot};
use tracing::error;

use super::Record;
use super::chain::{self, LONGEST_LINE, Link};

/// The most records that one flush to the disk serves.
const MOST_AT_ONCE: usize = 256;

/// Where records go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Destination {
    /// Nowhere.
    Off,
    /// Standard output: the chain begins anew with each start.
    Stdout,
    /// A file, whose chain goes on.
    File(PathBuf),
}

/// A destination that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error("the audit file {0} cannot be opened: {1}")]
    Unopened(PathBuf, #[source] io::Error),
    #[error("the audit file {0} is no regular file")]
    NoFile(PathBuf),
    #[error("the audit file {0} is in use: another gateway writes it")]
    InUse(PathBuf),
    #[error(
        "the audit file {0} does not end in a whole audit record ({1}): look at it with `customers-gateway audit verify`, \
         keep it, and start with a new file"
    )]
    BrokenEnd(PathBuf, &'static str),
    #[error("the thread that writes the audit records cannot be started: {0}")]
    NoThread(#[source] io::Error),
}

/// A record that is to be written, and whom to tell.
#[derive(Debug)]
pub struct Order {
    /// None where somebody only waits for those before it.
    pub record: Option<Record>,
    pub written: oneshot::Sender<Result<(), Torn>>,
}

/// A line was not written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Torn;

/// Opens the destination and starts the thread that writes. `None` where nothing is to be written.
///
/// # Errors
/// Why the destination cannot be used.
pub fn start(destination: &Destination, fsync: bool, queue: usize) -> Result<Option<mpsc::Sender<Order>>, Unusable> {
    let writer = match destination {
        Destination::Off => return Ok(None),
        Destination::Stdout => Writer { out: Out::Stream(io::stdout()), last: Link::genesis(), torn: false },
        Destination::File(path) => open(path, fsync)?,
    };
    let (orders, waiting) = mpsc::channel(queue.max(1));
    let thread = std::thread::Builder::new().name("audit".to_owned());
    thread.spawn(move || writer.run(waiting)).map_err(Unusable::NoThread)?;
    Ok(Some(orders))
}

/// Whether a destination looks as if it could be used, without making, locking or reading anything.
///
/// # Errors
/// Why it cannot.
pub fn check(destination: &Destination) -> Result<(), Unusable> {
    let Destination::File(path) = destination else { return Ok(()) };
    let unopened = |error| Unusable::Unopened(path.clone(), error);
    match path.metadata() {
        Ok(there) if there.is_file() => OpenOptions::new().append(true).open(path).map(|_| ()).map_err(unopened),
        Ok(_) => Err(Unusable::NoFile(path.clone())),
        Err(_) => {
            // A name alone lies in the directory that the process runs in.
            let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
            directory.unwrap_or(Path::new(".")).read_dir().map(|_| ()).map_err(unopened)
        }
    }
}

fn open(path: &Path, fsync: bool) -> Result<Writer, Unusable> {
    let unopened = |error| Unusable::Unopened(path.to_owned(), error);
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path).map_err(unopened)?;
    if !file.metadata().map_err(unopened)?.is_file() {
        // A device: there is nothing to read back, to lock or to flush.
        return Err(Unusable::NoFile(path.to_owned()));
    }
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(Unusable::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => return Err(unopened(error)),
    }
    let mut reader = File::open(path).map_err(unopened)?;
    let length = reader.metadata().map_err(unopened)?.len();
    let last = last_link(&mut reader, length)
        .map_err(unopened)?
        .map_err(|problem| Unusable::BrokenEnd(path.to_owned(), problem))?;
    Ok(Writer { out: Out::File { file, path: path.to_owned(), length, fsync }, last, torn: false })
}

/// The place of the last line of a file, or what is wrong with its end.
fn last_link(file: &mut File, length: u64) -> io::Result<Result<Link, &'static str>> {
    if length == 0 {
        return Ok(Ok(Link::genesis()));
    }
    let longest = u64::try_from(LONGEST_LINE).unwrap_or(u64::MAX);
    file.seek(SeekFrom::Start(length.saturating_sub(longest)))?;
    let mut end = Vec::new();
    file.take(longest).read_to_end(&mut end)?;
    let Some(lines) = end.strip_suffix(b"\n") else { return Ok(Err("its last line is cut")) };
    let line = lines.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let sealed = std::str::from_utf8(line).ok().and_then(|line| chain::read(line).ok());
    Ok(sealed.map(|sealed| sealed.link).ok_or("its last line is no record, or was changed"))
}

/// What lines are written to.
enum Out {
    Stream(io::Stdout),
    File {
        file: File,
        path: PathBuf,
        /// Up to where the file holds whole lines.
        length: u64,
        fsync: bool,
    },
}

impl Out {
    /// Writes lines as a whole or not at all.
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::Stream(stream) => stream.write_all(lines).and_then(|()| stream.flush()),
            Self::File { file, path, length, fsync } => {
                check_in_place(file, path, *length)?;
                file.write_all(lines)?;
                if *fsync {
                    file.sync_data()?;
                }
                // It may have been taken away meanwhile.
                let written = *length + lines.len() as u64;
                check_in_place(file, path, written)?;
                *length = written;
                Ok(())
            }
        }
    }

    /// Takes back what a failed write may have left.
    fn take_back(&mut self) -> io::Result<()> {
        match self {
            Self::Stream(_) => Ok(()),
            Self::File { file, length, .. } => file.set_len(*length),
        }
    }
}

/// Whether the file that is open is still the one at its path, and holds what was written and nothing else. A file that was
/// removed, renamed, replaced or truncated takes lines that nobody finds again; what somebody else wrote breaks the chain.
fn check_in_place(file: &File, path: &Path, length: u64) -> io::Result<()> {
    let (open, there) = (file.metadata()?, path.metadata()?);
    if (open.dev(), open.ino()) != (there.dev(), there.ino()) {
        return Err(io::Error::new(ErrorKind::NotFound, Displaced::Replaced));
    }
    if open.len() != length {
        return Err(io::Error::new(ErrorKind::InvalidData, Displaced::Changed));
    }
    Ok(())
}

/// Why the file is not the one that was written so far.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Displaced {
    #[error("another file is at its path")]
    Replaced,
    #[error("it was truncated, or written by somebody else")]
    Changed,
}

struct Writer {
    out: Out,
    last: Link,
    /// A failed write could not be taken back.
    torn: bool,
}

impl Writer {
    fn run(mut self, mut waiting: mpsc::Receiver<Order>) {
        while let Some(first) = waiting.blocking_recv() {
            let mut orders = vec![first];
            while orders.len() < MOST_AT_ONCE
                && let Ok(order) = waiting.try_recv()
            {
                orders.push(order);
            }
            // Also what nobody waits for any more is written: a record too many harms less than one too few.
            let outcome = self.write(&orders);
            for order in orders {
                // Who has stopped waiting is not told; the line is there all the same.
                let _gone = order.written.send(outcome);
            }
        }
    }

    fn write(&mut self, orders: &[Order]) -> Result<(), Torn> {
        if self.torn {
            return Err(Torn);
        }
        let time = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
        let (mut lines, mut last) = (String::new(), self.last.clone());
        for record in orders.iter().filter_map(|order| order.record.as_ref()) {
            let (line, link) = last.next(record, &time).map_err(|_| Torn)?;
            lines.push_str(&line);
            last = link;
        }
        if lines.is_empty() {
            return Ok(());
        }
        match self.out.write(lines.as_bytes()) {
            Ok(()) => {
                self.last = last;
                Ok(())
            }
            Err(problem) => {
                // What somebody else did to the file stays as it is: it is a matter for whoever looks into it.
                if let Some(reason) = problem.get_ref().and_then(|problem| problem.downcast_ref::<Displaced>()) {
                    error!(%reason, "the audit file cannot be written: no record is kept until it is back as it was");
                    return Err(Torn);
                }
                error!(kind = %problem.kind(), "the audit file cannot be written");
                if let Err(problem) = self.out.take_back() {
                    error!(kind = %problem.kind(), "a torn line stays in the audit file: no more records are written");
                    self.torn = true;
                }
                Err(Torn)
            }
        }
    }
}
