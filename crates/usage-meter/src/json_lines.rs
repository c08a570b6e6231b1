use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{self, SyncSender};

use crate::{JsonLinesWriter, UsageRecord, UsageSink};

/// A sink that writes the ledger: one JSON object a line, into a file.
///
/// Recording puts the record into a bounded queue and never waits. A [`JsonLinesWriter`] on a
/// thread of its own empties the queue. What does not fit is counted by [`JsonLines::lost`]:
/// watch it. A clone is the same queue.
///
/// ```
/// use tower_claude_usage_meter::{JsonLines, UsageMeterLayer};
///
/// # fn main() -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("usage-doc-{}.jsonl", std::process::id()));
/// let (ledger, writer) = JsonLines::open(&path)?;
/// let writer = writer.spawn_thread()?;
/// let layer = UsageMeterLayer::new(ledger);
/// // … serve, then, when the last call has ended:
/// writer.close()?;
/// # drop(layer);
/// # std::fs::remove_file(&path)
/// # }
/// ```
#[derive(Clone)]
pub struct JsonLines {
    queue: SyncSender<Message>,
    counters: Arc<Counters>,
}

pub(crate) enum Message {
    Record(Arc<UsageRecord>),
    /// Answered when everything before it is written.
    Flush(SyncSender<()>),
    Close,
}

/// What both ends of the queue know.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) lost: AtomicU64,
    pub(crate) failed_writes: AtomicU64,
    pub(crate) is_closing: AtomicBool,
}

// === impl JsonLines ===

impl JsonLines {
    /// How many records the queue of [`JsonLines::open`] holds.
    pub const CAPACITY: NonZeroUsize = NonZeroUsize::MIN.saturating_add(16 * 1024 - 1);

    /// Opens a file to append to, or makes it.
    ///
    /// If the file ends within a line, as after a crash, that line is ended first.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened or read.
    pub fn open(path: impl AsRef<Path>) -> io::Result<(Self, JsonLinesWriter)> {
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)?;
        if file.seek(SeekFrom::End(0))? > 0 {
            file.seek(SeekFrom::End(-1))?;
            let mut last = [0];
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
            }
        }
        Ok(Self::new(file, Self::CAPACITY))
    }

    /// Writes to anything, through a queue of so many records.
    pub fn new<W>(out: W, capacity: NonZeroUsize) -> (Self, JsonLinesWriter)
    where
        W: Write + Send + 'static,
    {
        let (queue, receiver) = mpsc::sync_channel(capacity.get());
        let counters = Arc::<Counters>::default();
        let sink = Self { queue, counters };
        let writer = JsonLinesWriter::new(Box::new(out), receiver, &sink);
        (sink, writer)
    }

    /// How many records were lost: to a full queue, or to a writer that is gone.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.counters.lost.load(Relaxed)
    }

    /// How often writing failed; what could not be written is tried again.
    #[must_use]
    pub fn failed_writes(&self) -> u64 {
        self.counters.failed_writes.load(Relaxed)
    }

    pub(crate) fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    pub(crate) fn queue(&self) -> SyncSender<Message> {
        self.queue.clone()
    }
}

impl UsageSink for JsonLines {
    fn record(&self, record: Arc<UsageRecord>) {
        let is_closing = self.counters.is_closing.load(Relaxed);
        if is_closing || self.queue.try_send(Message::Record(record)).is_err() {
            self.counters.lost.fetch_add(1, Relaxed);
        }
    }
}

impl fmt::Debug for JsonLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonLines")
            .field("lost", &self.lost())
            .field("failed_writes", &self.failed_writes())
            .finish_non_exhaustive()
    }
}
