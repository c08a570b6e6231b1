use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use crate::ledger_line::LedgerLine;
use crate::torn_line::end_torn_line;
use crate::{UsageRecord, UsageSink};

/// A file of ledger lines that is written at once, for what does not fit elsewhere.
///
/// Each record is one write by whoever ends the call. As a sink of its own that is slower than
/// [`JsonLines`](crate::JsonLines), and there is no queue that could be full. A clone is the
/// same file.
#[derive(Clone)]
pub struct SpillFile(Arc<Shared>);

struct Shared {
    open: Mutex<Open>,
    written: AtomicU64,
    lost: AtomicU64,
}

struct Open {
    file: File,
    line: LedgerLine,
    buffer: Vec<u8>,
}

// === impl SpillFile ===

impl SpillFile {
    /// Opens a file to append to, or makes it.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened or read.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)?;
        end_torn_line(&mut file)?;
        let open = Open {
            file,
            line: LedgerLine::default(),
            buffer: Vec::new(),
        };
        Ok(Self(Arc::new(Shared {
            open: Mutex::new(open),
            written: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        })))
    }

    /// How many records are in it.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.0.written.load(Relaxed)
    }

    /// How many records could not be written.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.0.lost.load(Relaxed)
    }

    /// Writes a record; whether that worked.
    pub(crate) fn write(&self, record: &UsageRecord) -> bool {
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        let is_written = open.write(record).is_ok();
        let counter = match is_written {
            true => &self.0.written,
            false => &self.0.lost,
        };
        counter.fetch_add(1, Relaxed);
        is_written
    }
}

impl UsageSink for SpillFile {
    fn record(&self, record: Arc<UsageRecord>) {
        self.write(&record);
    }
}

impl fmt::Debug for SpillFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpillFile")
            .field("written", &self.written())
            .field("lost", &self.lost())
            .finish_non_exhaustive()
    }
}

// === impl Open ===

impl Open {
    fn write(&mut self, record: &UsageRecord) -> io::Result<()> {
        self.buffer.clear();
        self.line.write(record, &mut self.buffer);
        self.buffer.push(b'\n');
        self.file.write_all(&self.buffer)
    }
}
