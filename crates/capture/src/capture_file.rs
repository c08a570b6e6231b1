use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{self, SyncSender};

use crate::{CaptureFileWriter, CaptureSink, Captured};

/// A sink that writes what was said, redacted: one JSON object a line, into a file.
///
/// Capturing puts the call into a queue, bounded in calls and in bytes, and never waits. A
/// [`CaptureFileWriter`] on a thread of its own redacts and writes. What does not fit is counted
/// by [`CaptureFile::lost`]. A clone is the same queue.
///
/// ```
/// use tower_claude_capture::{CaptureFile, CaptureLayer, Redactor};
///
/// # fn main() -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("capture-doc-{}.jsonl", std::process::id()));
/// let (file, writer) = CaptureFile::open(&path)?;
/// let writer = writer.spawn_thread()?;
/// let layer = CaptureLayer::new(Redactor::standard(), file);
/// // … serve, then, when the last call has ended:
/// writer.close()?;
/// # drop(layer);
/// # std::fs::remove_file(&path)
/// # }
/// ```
#[derive(Clone)]
pub struct CaptureFile {
    queue: SyncSender<Message>,
    counters: Arc<Counters>,
}

pub(crate) enum Message {
    Captured(Box<Captured>),
    /// Answered when everything before it is written.
    Flush(SyncSender<()>),
    Close,
}

/// What both ends of the queue know.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) lost: AtomicU64,
    pub(crate) failed_writes: AtomicU64,
    /// Bytes of what is in the queue.
    pub(crate) queued: AtomicUsize,
    pub(crate) is_closing: AtomicBool,
}

// === impl CaptureFile ===

impl CaptureFile {
    /// How many calls the queue of [`CaptureFile::open`] holds.
    pub const CAPACITY: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4 * 1024 - 1);

    /// How many bytes of calls any queue holds.
    pub const CAPACITY_BYTES: usize = 64 * 1024 * 1024;

    /// Opens a file to append to, or makes it; on Unix, for the eyes of its owner only.
    ///
    /// If the file ends within a line, as after a crash, that line is ended first.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened or read, or be kept from the eyes of others.
    pub fn open(path: impl AsRef<Path>) -> io::Result<(Self, CaptureFileWriter)> {
        let mut file = open_for_owner(path.as_ref())?;
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

    /// Writes to anything, through a queue of so many calls.
    pub fn new<W>(out: W, capacity: NonZeroUsize) -> (Self, CaptureFileWriter)
    where
        W: Write + Send + 'static,
    {
        let (queue, receiver) = mpsc::sync_channel(capacity.get());
        let counters = Arc::<Counters>::default();
        let sink = Self { queue, counters };
        let writer = CaptureFileWriter::new(Box::new(out), receiver, &sink);
        (sink, writer)
    }

    /// How many calls were lost: to a full queue, or to a writer that is gone.
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

    fn has_taken(&self, captured: Captured) -> bool {
        let counters = &self.counters;
        let size = captured.size();
        let queued = counters.queued.fetch_add(size, Relaxed);
        let has_room = queued.saturating_add(size) <= Self::CAPACITY_BYTES;
        let is_taken = has_room
            && !counters.is_closing.load(Relaxed)
            && self
                .queue
                .try_send(Message::Captured(Box::new(captured)))
                .is_ok();
        if !is_taken {
            counters.queued.fetch_sub(size, Relaxed);
        }
        is_taken
    }
}

impl CaptureSink for CaptureFile {
    fn capture(&self, captured: Captured) {
        if !self.has_taken(captured) {
            self.counters.lost.fetch_add(1, Relaxed);
        }
    }
}

impl fmt::Debug for CaptureFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaptureFile")
            .field("lost", &self.lost())
            .field("failed_writes", &self.failed_writes())
            .finish_non_exhaustive()
    }
}

#[cfg(unix)]
fn open_for_owner(path: &Path) -> io::Result<File> {
    use std::fs::Permissions;
    use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};

    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600);
    let file = options.open(path)?;
    let metadata = file.metadata()?;
    // One that was there may be open to others.
    if metadata.is_file() && metadata.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

#[cfg(not(unix))]
fn open_for_owner(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path)
}
