//! A bounded queue of log lines, and the thread that writes them.
//!
//! Logging never waits for the reader of the log. If the reader stalls, the queue fills up; lines that do not fit are dropped
//! and counted, and one warning is logged. At the exit the gateway waits a short time for a reader that still reads.

use std::cell::RefCell;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

use super::names;

/// The most bytes of all queued lines together.
const MAX_QUEUED_BYTES: usize = 4 * 1024 * 1024;

/// Queued lines are written together, up to about so many bytes: the capacity of a pipe.
const BATCH_BYTES: usize = 64 * 1024;

/// At the exit the gateway stops waiting for a reader that has read nothing for so long.
const STALLED_READER_TIMEOUT: Duration = Duration::from_millis(200);

/// The queue. Clones share it.
#[derive(Clone, Debug)]
pub struct LogQueue {
    lines: SyncSender<Vec<u8>>,
    state: Arc<QueueCounters>,
}

#[derive(Debug, Default)]
struct QueueCounters {
    /// Bytes of queued lines.
    bytes: AtomicUsize,
    /// Lines that were queued, and lines that were written or failed to be written.
    accepted: AtomicU64,
    finished: AtomicU64,
    /// Whether a line was dropped since the queue was last empty.
    dropping: AtomicBool,
}

thread_local! {
    /// On the writer thread: the lines that it logs itself. They bypass the queue.
    static OWN_LINES: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

impl LogQueue {
    /// Starts the thread that writes to `out`. At most `most_lines` can be queued. The thread ends after the last clone of the
    /// queue is dropped.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn start(out: impl Write + Send + 'static, most_lines: usize) -> io::Result<Self> {
        let (lines, waiting) = sync_channel(most_lines.max(1));
        let state = Arc::new(QueueCounters::default());
        let shared = Arc::clone(&state);
        std::thread::Builder::new().name("log".to_owned()).spawn(move || write_all(out, &waiting, &shared))?;
        Ok(Self { lines, state })
    }

    /// Queues a line, or drops it if it does not fit.
    fn push(&self, line: &[u8]) {
        let before = self.state.bytes.fetch_add(line.len(), Ordering::Relaxed);
        self.state.accepted.fetch_add(1, Ordering::Relaxed);
        // An empty queue accepts a line of any length.
        let fits = before == 0 || before.saturating_add(line.len()) <= MAX_QUEUED_BYTES;
        if !fits || self.lines.try_send(line.to_vec()).is_err() {
            self.state.bytes.fetch_sub(line.len(), Ordering::Relaxed);
            self.state.accepted.fetch_sub(1, Ordering::Relaxed);
            self.state.dropping.store(true, Ordering::Relaxed);
            count_dropped(1);
        }
    }

    /// Waits until all queued lines are written, while the reader reads, and for `most` at most.
    pub fn flush(&self, most: Duration) {
        let started = Instant::now();
        let (mut done, mut moved) = (self.state.finished.load(Ordering::Relaxed), started);
        while done < self.state.accepted.load(Ordering::Relaxed) {
            if started.elapsed() > most || moved.elapsed() > STALLED_READER_TIMEOUT {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
            let now = self.state.finished.load(Ordering::Relaxed);
            if now != done {
                (done, moved) = (now, Instant::now());
            }
        }
    }
}

impl<'a> MakeWriter<'a> for LogQueue {
    type Writer = LineWriter<'a>;

    fn make_writer(&'a self) -> LineWriter<'a> {
        LineWriter(self)
    }
}

/// Queues one line per write: the layer writes each line at once.
#[derive(Debug)]
pub struct LineWriter<'a>(&'a LogQueue);

impl Write for LineWriter<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let note = |own: &RefCell<Option<Vec<u8>>>| own.borrow_mut().as_mut().map(|own| own.extend_from_slice(line));
        // A thread that is ending has no thread-local value.
        if OWN_LINES.try_with(note).ok().flatten().is_none() {
            self.0.push(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes lines until all clones of the queue are dropped.
fn write_all(mut out: impl Write, waiting: &Receiver<Vec<u8>>, state: &QueueCounters) {
    OWN_LINES.set(Some(Vec::new()));
    let mut has_warned = false;
    while let Ok(mut text) = waiting.recv() {
        let mut lines = 1;
        while text.len() < BATCH_BYTES
            && let Ok(more) = waiting.try_recv()
        {
            text.extend_from_slice(&more);
            lines += 1;
        }
        write_batch(&mut out, &text, lines);
        let bytes = state.bytes.fetch_sub(text.len(), Ordering::Relaxed);
        state.finished.fetch_add(lines, Ordering::Relaxed);
        if !state.dropping.load(Ordering::Relaxed) {
            continue;
        }
        if !has_warned {
            has_warned = true;
            tracing::warn!(
                "log lines are dropped: the reader of the log is slow or stalled (see gateway_log_lines_dropped_total)"
            );
            let own = OWN_LINES.with_borrow_mut(|own| own.as_mut().map(std::mem::take).unwrap_or_default());
            write_batch(&mut out, &own, 0);
        }
        // The queue was empty again: the next dropped line logs a new warning.
        if bytes == text.len() {
            state.dropping.store(false, Ordering::Relaxed);
            has_warned = false;
        }
    }
}

/// Writes a batch. Lines that cannot be written, because standard error is closed, count as dropped.
fn write_batch(out: &mut impl Write, text: &[u8], lines: u64) {
    if out.write_all(text).and_then(|()| out.flush()).is_err() {
        count_dropped(lines);
    }
}

fn count_dropped(lines: u64) {
    metrics::counter!(names::LOG_LINES_DROPPED).increment(lines);
}

/// Writes to standard output or standard error, and waits for `most` at most.
///
/// After that time the writing thread is left running.
pub fn write_with_timeout(most: Duration, mut out: impl Write + Send + 'static, text: String) {
    let (done, finished) = sync_channel(1);
    let thread = std::thread::Builder::new().name("write".to_owned());
    let started = thread.spawn(move || {
        // A closed output is not an error.
        let _closed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        let _not_awaited = done.send(());
    });
    if started.is_ok() {
        let _in_time_or_not = finished.recv_timeout(most);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Condvar, Mutex};

    use super::*;

    const MOST_LINES: usize = 16_384;

    /// A reader that stalls until the test wakes it.
    #[derive(Clone, Default)]
    struct Reader(Arc<(Mutex<Taken>, Condvar)>);

    /// Whether the reader reads, and what it has read.
    type Taken = (bool, Vec<u8>);

    impl Reader {
        fn wake(&self) {
            self.0.0.lock().expect("no panic").0 = true;
            self.0.1.notify_all();
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.0.lock().expect("no panic").1.clone()).expect("text")
        }
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut state = self.0.0.lock().expect("no panic");
            while !state.0 {
                state = self.0.1.wait(state).expect("no panic");
            }
            state.1.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn log(queue: &LogQueue, line: &str) {
        queue.make_writer().write_all(line.as_bytes()).expect("it never fails");
    }

    #[test]
    fn logging_does_not_wait_for_a_stalled_reader() {
        let reader = Reader::default();
        let queue = LogQueue::start(reader.clone(), MOST_LINES).expect("a thread");
        let long = format!("{}\n", "x".repeat(1023));
        for _ in 0..3 * MAX_QUEUED_BYTES / long.len() {
            log(&queue, &long);
        }
        assert!(queue.state.bytes.load(Ordering::Relaxed) <= MAX_QUEUED_BYTES);
        assert!(queue.state.dropping.load(Ordering::Relaxed));
        queue.flush(Duration::from_secs(3600));
        assert_eq!(reader.text(), "", "flush gives up on a stalled reader");
        reader.wake();
        // The reader reads all queued lines, and the queue accepts lines again.
        while queue.state.bytes.load(Ordering::Relaxed) > 0 {
            std::thread::yield_now();
        }
        log(&queue, "last\n");
        while !reader.text().ends_with("last\n") {
            std::thread::yield_now();
        }
        assert!(reader.text().len() <= MAX_QUEUED_BYTES + "last\n".len());
    }

    #[test]
    fn the_number_of_queued_lines_is_limited() {
        let reader = Reader::default();
        let queue = LogQueue::start(reader.clone(), MOST_LINES).expect("a thread");
        for _ in 0..3 * MOST_LINES {
            log(&queue, "a\n");
        }
        reader.wake();
        while queue.state.finished.load(Ordering::Relaxed) < queue.state.accepted.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        let read = reader.text().len() / 2;
        // The batch that the thread had taken out of the queue comes on top.
        assert!((MOST_LINES..=MOST_LINES + BATCH_BYTES / 2).contains(&read), "{read}");
    }

    #[test]
    fn flush_writes_all_lines_in_order() {
        let reader = Reader::default();
        reader.wake();
        let queue = LogQueue::start(reader.clone(), MOST_LINES).expect("a thread");
        let lines: Vec<String> = (0..1000).map(|line| format!("{line}\n")).collect();
        lines.iter().for_each(|line| log(&queue, line));
        queue.flush(Duration::from_secs(3600));
        assert_eq!(reader.text(), lines.concat());
    }

    #[test]
    fn an_empty_queue_accepts_a_line_over_the_limit() {
        let reader = Reader::default();
        reader.wake();
        let queue = LogQueue::start(reader.clone(), MOST_LINES).expect("a thread");
        log(&queue, &"x".repeat(MAX_QUEUED_BYTES + 1));
        queue.flush(Duration::from_secs(3600));
        assert_eq!(reader.text().len(), MAX_QUEUED_BYTES + 1);
    }
}
