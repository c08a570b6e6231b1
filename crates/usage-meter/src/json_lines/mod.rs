mod builder;
mod busy;
mod file;
mod output;
mod thread;
mod writer;

use std::fmt;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::SyncSender;

pub use self::builder::JsonLinesBuilder;
pub(crate) use self::busy::Busy;
pub(crate) use self::file::LedgerFile;
pub(crate) use self::output::Output;
pub use self::thread::JsonLinesThread;
pub use self::writer::JsonLinesWriter;
use crate::message::Message;
use crate::outbox::Outbox;
use crate::{Delivery, UsageRecord, UsageSink};

/// A sink that writes the ledger: one JSON object a line, into a file.
///
/// Recording puts the record into a bounded queue and never waits. A [`JsonLinesWriter`] on a
/// thread of its own empties the queue. What does not fit is counted by [`JsonLines::lost`]:
/// watch it; [`Overflow`](crate::Overflow) says what else can be done with it. A clone is the
/// same queue.
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
///
/// # Durable
///
/// A durable ledger, [`JsonLines::builder`] makes one, has each record on the disk before the
/// caller gets the end of the answer, so that no finished answer is missing from it, whatever
/// ends the process or the machine. Records that come together are synced together. While the
/// disk cannot be written or synced, calls are refused, and an answer under way loses its end;
/// so it is with a disk that does not answer for five seconds, or as long as
/// [`Overflow::Wait`](crate::Overflow::Wait) says. Waiting needs a tokio runtime with time;
/// without a runtime it has no bound.
#[derive(Clone)]
pub struct JsonLines {
    outbox: Outbox<SyncSender<Message>>,
    is_durable: bool,
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
        Self::builder().open(path)
    }

    /// Says how big files may become, whether they are durable, what happens to what does not
    /// fit.
    pub fn builder() -> JsonLinesBuilder {
        JsonLinesBuilder::new()
    }

    /// Writes to anything, through a queue of so many records.
    pub fn new<W>(out: W, capacity: NonZeroUsize) -> (Self, JsonLinesWriter)
    where
        W: Write + Send + 'static,
    {
        Self::builder().capacity(capacity).write_to(out)
    }

    /// How many records were lost: to a full queue, or to a writer that is gone.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.outbox.counters().lost.load(Relaxed)
    }

    /// How many records were written elsewhere, as [`Overflow::Spill`](crate::Overflow::Spill)
    /// says.
    #[must_use]
    pub fn spilled(&self) -> u64 {
        self.outbox.counters().spilled.load(Relaxed)
    }

    /// How often writing failed; what could not be written is tried again.
    #[must_use]
    pub fn failed_writes(&self) -> u64 {
        self.outbox.counters().failed_writes.load(Relaxed)
    }
}

impl UsageSink for JsonLines {
    fn record(&self, record: Arc<UsageRecord>) {
        self.outbox.record(record);
    }

    fn deliver(&self, record: Arc<UsageRecord>) -> Delivery {
        self.outbox.deliver(record, self.is_durable)
    }

    /// A ledger that is not durable always can: what does not fit is counted.
    fn is_ready(&self) -> bool {
        !self.is_durable || !self.outbox.is_failing()
    }

    fn holds(&self) -> bool {
        self.is_durable
    }
}

impl fmt::Debug for JsonLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonLines")
            .field("is_durable", &self.is_durable)
            .field("lost", &self.lost())
            .field("failed_writes", &self.failed_writes())
            .finish_non_exhaustive()
    }
}
