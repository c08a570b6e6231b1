use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Release;
use std::sync::mpsc::{self, SyncSender};
use std::thread::JoinHandle;

use crate::capture_file::{Counters, Message};

/// A [`CaptureFileWriter`](crate::CaptureFileWriter) that runs on its own thread.
///
/// Dropping it lets the thread run until the last [`CaptureFile`](crate::CaptureFile) is gone.
#[must_use]
pub struct CaptureFileThread {
    thread: JoinHandle<io::Result<()>>,
    queue: SyncSender<Message>,
    counters: Arc<Counters>,
}

// === impl CaptureFileThread ===

impl CaptureFileThread {
    pub(crate) const fn new(
        thread: JoinHandle<io::Result<()>>,
        queue: SyncSender<Message>,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            thread,
            queue,
            counters,
        }
    }

    /// Waits until everything that was captured before is written.
    ///
    /// Blocks, and for as long as writing fails.
    ///
    /// # Errors
    ///
    /// When the writer has ended.
    pub fn flush(&self) -> io::Result<()> {
        let (done, is_done) = mpsc::sync_channel(1);
        let ended = || io::Error::other("the writer of the capture file has ended");
        self.queue.send(Message::Flush(done)).map_err(|_| ended())?;
        is_done.recv().map_err(|_| ended())
    }

    /// Writes everything that was captured before, and ends; blocks until then.
    ///
    /// What is captured later is lost, and counted. A write that keeps failing is given up
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
        let panicked = || io::Error::other("the writer of the capture file panicked");
        self.thread.join().unwrap_or_else(|_| Err(panicked()))
    }
}

impl fmt::Debug for CaptureFileThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaptureFileThread")
            .field("has_ended", &self.thread.is_finished())
            .finish_non_exhaustive()
    }
}
