//! The thread that writes records. It owns the file, numbers and chains the records in order of arrival, and confirms
//! each written line.
//!
//! The file is opened for appending, readable by its owner only, and locked, since two writers would break the chain.
//! Waiting records are written together, with one flush to the disk. A partial line is removed. If that fails, nothing
//! more is written, since a chain with a partial line cannot be verified.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use chrono::{SecondsFormat, Utc};
use tokio::sync::{mpsc, oneshot};
use tracing::error;

use super::Record;
use super::chain::{self, ChainHead, MAX_LINE_BYTES};

/// The most records of one flush to the disk.
const MAX_BATCH: usize = 256;

/// The destination of records.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Destination {
    /// No records.
    Off,
    /// Standard output. Each start begins a new chain.
    Stdout,
    /// A file, whose chain is continued.
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

/// A record to write, and the channel for the confirmation.
#[derive(Debug)]
pub struct WriteRequest {
    /// `None` for a request that only waits for the records before it.
    pub record: Option<Record>,
    pub done: oneshot::Sender<Result<(), WriteFailed>>,
}

/// The error of a line that was not written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WriteFailed;

/// Opens the destination and starts the thread that writes. `None` for the destination without records.
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

/// Checks whether a destination could be used, without creating, locking or reading a file.
///
/// # Errors
/// Why it could not be used.
pub fn check(destination: &Destination) -> Result<(), DestinationError> {
    let Destination::File(path) = destination else { return Ok(()) };
    let unopened = |error| DestinationError::OpenFailed(path.clone(), error);
    match path.metadata() {
        Ok(there) if there.is_file() => OpenOptions::new().append(true).open(path).map(|_| ()).map_err(unopened),
        Ok(_) => Err(DestinationError::NotARegularFile(path.clone())),
        Err(_) => {
            // A name without a folder is in the working directory of the process.
            let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
            directory.unwrap_or(Path::new(".")).read_dir().map(|_| ()).map_err(unopened)
        }
    }
}

fn open(path: &Path, fsync: bool) -> Result<Writer, DestinationError> {
    let unopened = |error| DestinationError::OpenFailed(path.to_owned(), error);
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path).map_err(unopened)?;
    if !file.metadata().map_err(unopened)?.is_file() {
        // A device cannot be read back, locked or flushed.
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

/// The position of the last line of a file in the chain, or the error of its end.
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

/// The open destination.
enum Output {
    Stream(io::Stdout),
    File {
        file: File,
        path: PathBuf,
        /// The length of the whole lines in the file.
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
                // The file may have been removed meanwhile.
                let written = *length + lines.len() as u64;
                check_not_replaced(file, path, written)?;
                *length = written;
                Ok(())
            }
        }
    }

    /// Removes the partial line of a failed write.
    fn undo_partial_write(&mut self) -> io::Result<()> {
        match self {
            Self::Stream(_) => Ok(()),
            Self::File { file, length, .. } => file.set_len(*length),
        }
    }
}

/// Checks that the open file is still the one at its path, and contains exactly the written lines. Lines in a removed,
/// renamed, replaced or truncated file would be lost, and lines of another writer break the chain.
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

/// Why the file is not as the gateway has written it.
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
    /// The partial line of a failed write could not be removed.
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
            // A record is written also if its request has stopped waiting: a superfluous record does less harm than a
            // missing one.
            let outcome = self.write(&orders);
            for order in orders {
                // The request may have stopped waiting for the confirmation.
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
                // The changed file stays as it is, for the operator to examine.
                if let Some(reason) = problem.get_ref().and_then(|problem| problem.downcast_ref::<FileReplaced>()) {
                    error!(error = %reason, "the audit file was replaced or changed: no record is written until the original file is restored");
                    return Err(WriteFailed);
                }
                error!(kind = %problem.kind(), "the audit file cannot be written");
                if let Err(problem) = self.out.undo_partial_write() {
                    error!(kind = %problem.kind(), "a partial line remains in the audit file: no more records are written");
                    self.is_torn = true;
                }
                Err(WriteFailed)
            }
        }
    }
}
