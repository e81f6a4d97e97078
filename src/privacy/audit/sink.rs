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
use super::chain::{self, ChainHead, MAX_LINE_BYTES};

/// The most records that one flush to the disk serves.
const MAX_BATCH: usize = 256;

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
pub enum DestinationError {
    #[error("the audit file {0} cannot be opened: {1}")]
    OpenFailed(PathBuf, #[source] io::Error),
    #[error("the audit file {0} is no regular file")]
    NotARegularFile(PathBuf),
    #[error("the audit file {0} is in use: another gateway writes it")]
    InUse(PathBuf),
    #[error(
        "the audit file {0} does not end in a whole audit record ({1}): look at it with `customers-gateway audit verify`, \
         keep it, and start with a new file"
    )]
    InvalidEnd(PathBuf, &'static str),
    #[error("the thread that writes the audit records cannot be started: {0}")]
    ThreadFailed(#[source] io::Error),
}

/// A record that is to be written, and whom to tell.
#[derive(Debug)]
pub struct WriteRequest {
    /// None where somebody only waits for those before it.
    pub record: Option<Record>,
    pub done: oneshot::Sender<Result<(), WriteFailed>>,
}

/// A line was not written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WriteFailed;

/// Opens the destination and starts the thread that writes. `None` where nothing is to be written.
///
/// # Errors
/// Why the destination cannot be used.
pub fn start(
    destination: &Destination,
    fsync: bool,
    queue: usize,
) -> Result<Option<mpsc::Sender<WriteRequest>>, DestinationError> {
    let writer = match destination {
        Destination::Off => return Ok(None),
        Destination::Stdout => Writer { out: Output::Stream(io::stdout()), last: ChainHead::genesis(), is_torn: false },
        Destination::File(path) => open(path, fsync)?,
    };
    let (orders, waiting) = mpsc::channel(queue.max(1));
    let thread = std::thread::Builder::new().name("audit".to_owned());
    thread.spawn(move || writer.run(waiting)).map_err(DestinationError::ThreadFailed)?;
    Ok(Some(orders))
}

/// Whether a destination looks as if it could be used, without making, locking or reading anything.
///
/// # Errors
/// Why it cannot.
pub fn check(destination: &Destination) -> Result<(), DestinationError> {
    let Destination::File(path) = destination else { return Ok(()) };
    let unopened = |error| DestinationError::OpenFailed(path.clone(), error);
    match path.metadata() {
        Ok(there) if there.is_file() => OpenOptions::new().append(true).open(path).map(|_| ()).map_err(unopened),
        Ok(_) => Err(DestinationError::NotARegularFile(path.clone())),
        Err(_) => {
            // A name alone lies in the directory that the process runs in.
            let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
            directory.unwrap_or(Path::new(".")).read_dir().map(|_| ()).map_err(unopened)
        }
    }
}

fn open(path: &Path, fsync: bool) -> Result<Writer, DestinationError> {
    let unopened = |error| DestinationError::OpenFailed(path.to_owned(), error);
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path).map_err(unopened)?;
    if !file.metadata().map_err(unopened)?.is_file() {
        // A device: there is nothing to read back, to lock or to flush.
        return Err(DestinationError::NotARegularFile(path.to_owned()));
    }
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(DestinationError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => return Err(unopened(error)),
    }
    let mut reader = File::open(path).map_err(unopened)?;
    let length = reader.metadata().map_err(unopened)?.len();
    let last = read_chain_head(&mut reader, length)
        .map_err(unopened)?
        .map_err(|problem| DestinationError::InvalidEnd(path.to_owned(), problem))?;
    Ok(Writer { out: Output::File { file, path: path.to_owned(), length, fsync }, last, is_torn: false })
}

/// The place of the last line of a file, or what is wrong with its end.
fn read_chain_head(file: &mut File, length: u64) -> io::Result<Result<ChainHead, &'static str>> {
    if length == 0 {
        return Ok(Ok(ChainHead::genesis()));
    }
    let longest = u64::try_from(MAX_LINE_BYTES).unwrap_or(u64::MAX);
    file.seek(SeekFrom::Start(length.saturating_sub(longest)))?;
    let mut end = Vec::new();
    file.take(longest).read_to_end(&mut end)?;
    let Some(lines) = end.strip_suffix(b"\n") else { return Ok(Err("its last line is cut")) };
    let line = lines.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let sealed = std::str::from_utf8(line).ok().and_then(|line| chain::check_line(line).ok());
    Ok(sealed.map(|sealed| sealed.head).ok_or("its last line is no record, or was changed"))
}

/// What lines are written to.
enum Output {
    Stream(io::Stdout),
    File {
        file: File,
        path: PathBuf,
        /// Up to where the file holds whole lines.
        length: u64,
        fsync: bool,
    },
}

impl Output {
    /// Writes lines as a whole or not at all.
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::Stream(stream) => stream.write_all(lines).and_then(|()| stream.flush()),
            Self::File { file, path, length, fsync } => {
                check_not_replaced(file, path, *length)?;
                file.write_all(lines)?;
                if *fsync {
                    file.sync_data()?;
                }
                // It may have been taken away meanwhile.
                let written = *length + lines.len() as u64;
                check_not_replaced(file, path, written)?;
                *length = written;
                Ok(())
            }
        }
    }

    /// Takes back what a failed write may have left.
    fn undo_partial_write(&mut self) -> io::Result<()> {
        match self {
            Self::Stream(_) => Ok(()),
            Self::File { file, length, .. } => file.set_len(*length),
        }
    }
}

/// Whether the file that is open is still the one at its path, and holds what was written and nothing else. A file that was
/// removed, renamed, replaced or truncated takes lines that nobody finds again; what somebody else wrote breaks the chain.
fn check_not_replaced(file: &File, path: &Path, length: u64) -> io::Result<()> {
    let (open, there) = (file.metadata()?, path.metadata()?);
    if (open.dev(), open.ino()) != (there.dev(), there.ino()) {
        return Err(io::Error::new(ErrorKind::NotFound, FileReplaced::Replaced));
    }
    if open.len() != length {
        return Err(io::Error::new(ErrorKind::InvalidData, FileReplaced::Changed));
    }
    Ok(())
}

/// Why the file is not the one that was written so far.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum FileReplaced {
    #[error("another file is at its path")]
    Replaced,
    #[error("it was truncated, or written by somebody else")]
    Changed,
}

struct Writer {
    out: Output,
    last: ChainHead,
    /// A failed write could not be taken back.
    is_torn: bool,
}

impl Writer {
    fn run(mut self, mut waiting: mpsc::Receiver<WriteRequest>) {
        while let Some(first) = waiting.blocking_recv() {
            let mut orders = vec![first];
            while orders.len() < MAX_BATCH
                && let Ok(order) = waiting.try_recv()
            {
                orders.push(order);
            }
            // Also what nobody waits for any more is written: a record too many harms less than one too few.
            let outcome = self.write(&orders);
            for order in orders {
                // Who has stopped waiting is not told; the line is there all the same.
                let _gone = order.done.send(outcome);
            }
        }
    }

    fn write(&mut self, orders: &[WriteRequest]) -> Result<(), WriteFailed> {
        if self.is_torn {
            return Err(WriteFailed);
        }
        let time = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
        let (mut lines, mut last) = (String::new(), self.last.clone());
        for record in orders.iter().filter_map(|order| order.record.as_ref()) {
            let (line, link) = last.append(record, &time).map_err(|_| WriteFailed)?;
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
                if let Some(reason) = problem.get_ref().and_then(|problem| problem.downcast_ref::<FileReplaced>()) {
                    error!(
                        error = %reason,
                        "the audit file cannot be written: no record is kept until it is back as it was"
                    );
                    return Err(WriteFailed);
                }
                error!(kind = %problem.kind(), "the audit file cannot be written");
                if let Err(problem) = self.out.undo_partial_write() {
                    error!(kind = %problem.kind(), "a torn line stays in the audit file: no more records are written");
                    self.is_torn = true;
                }
                Err(WriteFailed)
            }
        }
    }
}
