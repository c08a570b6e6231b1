use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Release;
use std::sync::mpsc::{self, SyncSender};
use std::thread::JoinHandle;

use super::Message;
use crate::outbox::Counters;

/// A [`JsonLinesWriter`](crate::JsonLinesWriter) that runs on its own thread.
///
/// Dropping it lets the thread run until the last [`JsonLines`](crate::JsonLines) is gone.
#[must_use]
pub struct JsonLinesThread {
    pub(super) thread: JoinHandle<io::Result<()>>,
    pub(super) queue: SyncSender<Message>,
    pub(super) counters: Arc<Counters>,
}

// === impl JsonLinesThread ===

impl JsonLinesThread {
    /// Waits until everything that was recorded before is written.
    ///
    /// Blocks, and for as long as writing fails.
    ///
    /// # Errors
    ///
    /// When the writer has ended.
    pub fn flush(&self) -> io::Result<()> {
        let (done, is_done) = mpsc::sync_channel(1);
        let ended = || io::Error::other("the writer of the ledger has ended");
        self.queue.send(Message::Flush(done)).map_err(|_| ended())?;
        self.thread.thread().unpark();
        is_done.recv().map_err(|_| ended())
    }

    /// Writes everything that was recorded before, and ends; blocks until then.
    ///
    /// What is recorded later is lost, and counted. A write that keeps failing is given up
    /// after a few more tries.
    ///
    /// # Errors
    ///
    /// When not everything could be written.
    pub fn close(self) -> io::Result<()> {
        self.counters.is_closing.store(true, Release);
        self.thread.thread().unpark();
        // Fails only if the writer has ended, and then there is nothing to ask of it.
        let _ = self.queue.send(Message::Close);
        self.thread.thread().unpark();
        self.thread
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the writer of the ledger panicked")))
    }
}

impl fmt::Debug for JsonLinesThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonLinesThread")
            .field("has_ended", &self.thread.is_finished())
            .finish_non_exhaustive()
    }
}
