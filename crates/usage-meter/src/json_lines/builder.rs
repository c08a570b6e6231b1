use std::io::{self, Write};
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;

use super::file::LedgerFile;
use super::output::{Other, Output};
use crate::outbox::{Counters, Outbox, PATIENCE};
use crate::{JsonLines, JsonLinesWriter, Overflow};

/// How a ledger is written; [`JsonLines::builder`] begins one.
///
/// ```
/// use std::num::NonZeroU64;
/// use tower_claude_usage_meter::JsonLines;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let path = std::env::temp_dir().join(format!("usage-built-{}.jsonl", std::process::id()));
/// let (ledger, writer) = JsonLines::builder()
///     .durable()
///     .rotate_daily()
///     .rotate_at(NonZeroU64::new(1 << 30).ok_or("a gigabyte")?)
///     .open(&path)?;
/// # drop((ledger, writer));
/// # std::fs::remove_file(&path)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct JsonLinesBuilder {
    capacity: NonZeroUsize,
    overflow: Option<Overflow>,
    is_durable: bool,
    rotate_at: Option<NonZeroU64>,
    rotates_daily: bool,
}

// === impl JsonLinesBuilder ===

impl JsonLinesBuilder {
    pub(crate) const fn new() -> Self {
        Self {
            capacity: JsonLines::CAPACITY,
            overflow: None,
            is_durable: false,
            rotate_at: None,
            rotates_daily: false,
        }
    }

    /// How many records wait at most; default [`JsonLines::CAPACITY`].
    pub const fn capacity(mut self, records: NonZeroUsize) -> Self {
        self.capacity = records;
        self
    }

    /// What happens to a record the queue has no room for; by default it is dropped, or waited
    /// for, five seconds at most, if the ledger is durable.
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = Some(overflow);
        self
    }

    /// Holds the end of each answer back until its record is on the disk, for five seconds at
    /// most, or as long as [`Overflow::Wait`] says.
    pub const fn durable(mut self) -> Self {
        self.is_durable = true;
        self
    }

    /// Begins another file before this one would have more bytes.
    ///
    /// The full one gets the time into its name: `usage.20260131T235959Z.jsonl`.
    pub const fn rotate_at(mut self, bytes: NonZeroU64) -> Self {
        self.rotate_at = Some(bytes);
        self
    }

    /// Begins another file each day, at midnight UTC, as [`rotate_at`](Self::rotate_at) does.
    pub const fn rotate_daily(mut self) -> Self {
        self.rotates_daily = true;
        self
    }

    /// Opens a file to append to, or makes it.
    ///
    /// If the file ends within a line, as after a crash, that line is ended first.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened or read.
    pub fn open(self, path: impl AsRef<Path>) -> io::Result<(JsonLines, JsonLinesWriter)> {
        let file = LedgerFile::open(path.as_ref(), self.rotate_at, self.rotates_daily)?;
        Ok(self.build(Box::new(file)))
    }

    /// Writes to anything else. What flushes it is taken to make it durable, and it is never
    /// rotated.
    pub fn write_to<W>(self, out: W) -> (JsonLines, JsonLinesWriter)
    where
        W: Write + Send + 'static,
    {
        self.build(Box::new(Other(out)))
    }

    fn build(self, out: Box<dyn Output>) -> (JsonLines, JsonLinesWriter) {
        let (queue, receiver) = mpsc::sync_channel(self.capacity.get());
        let counters = Arc::<Counters>::default();
        let overflow = self.overflow.unwrap_or(match self.is_durable {
            true => Overflow::Wait(PATIENCE),
            false => Overflow::Drop,
        });
        let writer = JsonLinesWriter::new(
            out,
            receiver,
            queue.clone(),
            Arc::clone(&counters),
            self.is_durable.then_some(self.capacity),
        );
        let sink = JsonLines {
            outbox: Outbox::new(queue, overflow, counters),
            is_durable: self.is_durable,
        };
        (sink, writer)
    }
}
