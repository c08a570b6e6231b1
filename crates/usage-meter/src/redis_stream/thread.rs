use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Release;
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;

use crate::message::{Message, flush};
use crate::outbox::Counters;

/// A [`RedisStreamWriter`](crate::RedisStreamWriter) that runs on its own thread.
///
/// Dropping it lets the thread run until the last [`RedisStream`](crate::RedisStream) is gone.
#[must_use]
pub struct RedisStreamThread {
    pub(super) thread: JoinHandle<io::Result<()>>,
    pub(super) queue: SyncSender<Message>,
    pub(super) counters: Arc<Counters>,
}

// === impl RedisStreamThread ===

impl RedisStreamThread {
    /// Waits until Redis has everything that was recorded before.
    ///
    /// Blocks, and for as long as Redis is away.
    ///
    /// # Errors
    ///
    /// When the writer has ended.
    pub fn flush(&self) -> io::Result<()> {
        flush(&self.queue, &self.thread, "redis stream")
    }

    /// Adds everything that was recorded before, and ends; blocks until then.
    ///
    /// What is recorded later is lost, and counted. While Redis is away it is given up after
    /// three more tries, each of which waits no longer than for a connection and an answer.
    ///
    /// # Errors
    ///
    /// When Redis does not have everything.
    pub fn close(self) -> io::Result<()> {
        self.counters.is_closing.store(true, Release);
        self.thread.thread().unpark();
        // Fails only if the writer has ended, and then there is nothing to ask of it.
        let _ = self.queue.send(Message::Close);
        self.thread.thread().unpark();
        self.thread
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the writer of the redis stream panicked")))
    }
}

impl fmt::Debug for RedisStreamThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStreamThread")
            .field("has_ended", &self.thread.is_finished())
            .finish_non_exhaustive()
    }
}
