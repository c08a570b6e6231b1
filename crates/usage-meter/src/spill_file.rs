use std::fmt;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::json_lines::{LedgerFile, Output};
use crate::ledger_line::LedgerLine;
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
    file: Box<dyn Output>,
    line: LedgerLine,
    buffer: Vec<u8>,
    /// Whether the file ends within a line.
    is_torn: bool,
}

/// What has become of a record that somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Lost,
    /// It may not survive the machine.
    Unsafely,
    Durably,
}

// === impl SpillFile ===

impl SpillFile {
    /// Opens a file to append to, or makes it.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened or read.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let file = LedgerFile::open(path.as_ref(), None, false)?;
        Ok(Self::over(Box::new(file)))
    }

    fn over(file: Box<dyn Output>) -> Self {
        let open = Open {
            file,
            line: LedgerLine::default(),
            buffer: Vec::new(),
            is_torn: false,
        };
        Self(Arc::new(Shared {
            open: Mutex::new(open),
            written: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        }))
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
        self.write_into(&mut self.lock(), record)
    }

    /// Writes a record, and has it on the disk.
    pub(crate) fn write_durably(&self, record: &UsageRecord) -> Written {
        // Locked for both: after a sync that failed, the next one would know nothing of it.
        let mut open = self.lock();
        if !self.write_into(&mut open, record) {
            return Written::Lost;
        }
        match open.file.sync() {
            Ok(()) => Written::Durably,
            Err(_) => Written::Unsafely,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_into(&self, open: &mut Open, record: &UsageRecord) -> bool {
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
        if self.is_torn {
            self.buffer.push(b'\n');
        }
        self.line.write(record, &mut self.buffer);
        self.buffer.push(b'\n');
        let mut rest = &self.buffer[..];
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(length) => {
                    self.is_torn = rest[..length].last() != Some(&b'\n');
                    rest = &rest[length..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::num::NonZeroUsize;

    use tower_claude_core::{RequestId, Timestamp};

    use super::*;
    use crate::{JsonLines, Overflow, Undelivered};

    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<State>>);

    #[derive(Default)]
    struct State {
        /// How many bytes there is still room for, if that is bounded.
        room: Option<usize>,
        fails_to_sync: bool,
        written: Vec<u8>,
        synced: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut state = self.0.lock().unwrap();
            let length = bytes.len().min(state.room.unwrap_or(usize::MAX));
            if length == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            if let Some(room) = &mut state.room {
                *room -= length;
            }
            state.written.extend_from_slice(&bytes[..length]);
            Ok(length)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Output for Disk {
        fn begin(&mut self, _: u64) -> io::Result<()> {
            Ok(())
        }

        fn sync(&mut self) -> io::Result<()> {
            let mut state = self.0.lock().unwrap();
            if state.fails_to_sync {
                return Err(io::Error::other("no sync"));
            }
            state.synced = state.written.len();
            Ok(())
        }
    }

    fn record() -> Arc<UsageRecord> {
        let timestamp = Timestamp::from_unix_millis(1_795_169_701_250);
        Arc::new(UsageRecord::new(timestamp, RequestId::generate()))
    }

    #[test]
    fn a_record_is_not_glued_to_one_that_was_cut() {
        let disk = Disk::default();
        let spill = SpillFile::over(Box::new(disk.clone()));
        assert!(spill.write(&record()));
        for room in [10, 0, 1] {
            disk.0.lock().unwrap().room = Some(room);
            assert!(!spill.write(&record()));
        }
        disk.0.lock().unwrap().room = None;
        assert!(spill.write(&record()));
        assert!(spill.write(&record()));
        assert_eq!((spill.written(), spill.lost()), (3, 3));
        let written = String::from_utf8(disk.0.lock().unwrap().written.clone()).unwrap();
        let is_whole = |line: &&str| line.starts_with("{\"timestamp\"") && line.ends_with('}');
        assert_eq!(written.lines().filter(is_whole).count(), 3, "{written}");
        assert_eq!(written.lines().count(), 4, "{written}");
        assert!(written.ends_with("}\n"));
    }

    #[tokio::test]
    async fn what_is_spilled_is_synced_before_the_caller_has_the_end() {
        let disk = Disk::default();
        let spill = SpillFile::over(Box::new(disk.clone()));
        let (ledger, writer) = JsonLines::builder()
            .durable()
            .capacity(NonZeroUsize::MIN)
            .overflow(Overflow::Spill(spill.clone()))
            .write_to(io::sink());
        ledger.record(record());
        assert_eq!(ledger.deliver(record()).await, Ok(()));
        {
            let state = disk.0.lock().unwrap();
            assert!(state.synced > 0);
            assert_eq!(state.synced, state.written.len());
        }
        disk.0.lock().unwrap().fails_to_sync = true;
        assert_eq!(ledger.deliver(record()).await, Err(Undelivered));
        disk.0.lock().unwrap().room = Some(0);
        assert_eq!(ledger.deliver(record()).await, Err(Undelivered));
        assert_eq!(
            (ledger.spilled(), spill.written(), ledger.lost()),
            (2, 2, 1)
        );
        drop(writer);
    }
}
