use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Release;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::time::Instant;

use crate::message::{Message, flush};
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

/// How long to wait for a disk that does not answer at all.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two looks whether the thread has ended.
const LOOK: Duration = Duration::from_millis(1);

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
        flush(&self.queue, &self.thread, "ledger")
    }

    /// Writes everything that was recorded before, and ends; blocks until then.
    ///
    /// What is recorded later is lost, and counted. A write that keeps failing is given up
    /// after a few more tries, and a disk that does not answer after ten seconds; then the
    /// thread stays, and goes on if the disk answers after all.
    ///
    /// # Errors
    ///
    /// When not everything could be written; [`io::ErrorKind::TimedOut`] when that is not
    /// known.
    pub fn close(self) -> io::Result<()> {
        self.close_within(PATIENCE)
    }

    fn close_within(self, most: Duration) -> io::Result<()> {
        self.counters.is_closing.store(true, Release);
        self.thread.thread().unpark();
        let mut close = Some(Message::Close);
        let (mut steps, mut since) = (self.counters.busy.steps(), Instant::now());
        loop {
            if let Some(message) = close.take() {
                match self.queue.try_send(message) {
                    Err(TrySendError::Full(message)) => close = Some(message),
                    // If it has ended there is nothing to ask of it.
                    Ok(()) | Err(TrySendError::Disconnected(_)) => self.thread.thread().unpark(),
                }
            }
            if self.thread.is_finished() {
                break;
            }
            if self.counters.busy.steps() != steps {
                (steps, since) = (self.counters.busy.steps(), Instant::now());
            }
            if since.elapsed() >= most {
                let error = "the disk of the ledger does not answer";
                return Err(io::Error::new(io::ErrorKind::TimedOut, error));
            }
            thread::park_timeout(LOOK);
        }
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

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::num::NonZeroUsize;
    use std::sync::mpsc;

    use tower_claude_core::{RequestId, Timestamp};

    use super::*;
    use crate::{JsonLines, UsageRecord, UsageSink};

    /// Answers each write when it is told to.
    struct Hung {
        is_asked: SyncSender<()>,
        answer: mpsc::Receiver<()>,
    }

    impl Write for Hung {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.is_asked.send(()).unwrap();
            self.answer.recv().map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_disk_that_hangs_does_not_hold_up_the_end() {
        let (is_asked, asked) = mpsc::sync_channel(10);
        let (answers, answer) = mpsc::sync_channel(10);
        let hung = Hung { is_asked, answer };
        let (ledger, writer) = JsonLines::new(hung, NonZeroUsize::MIN);
        let thread = writer.spawn_thread().unwrap();
        let timestamp = Timestamp::from_unix_millis(1_795_169_701_250);
        let record = Arc::new(UsageRecord::new(timestamp, RequestId::generate()));
        ledger.record(Arc::clone(&record));
        asked.recv().unwrap();
        // There is not even room to ask it to close.
        ledger.record(record);
        assert_eq!(ledger.lost(), 0);
        let error = thread.close_within(Duration::from_millis(20)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);

        // What was taken in is written once the disk is back.
        answers.send(()).unwrap();
        asked.recv().unwrap();
        answers.send(()).unwrap();
    }
}
