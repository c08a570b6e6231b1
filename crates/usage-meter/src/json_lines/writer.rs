use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use super::output::Output;
use super::{JsonLines, JsonLinesThread};
use crate::ledger_line::LedgerLine;
use crate::message::Message;
use crate::outbox::{Counters, Parcel};

/// The other end of [`JsonLines`](crate::JsonLines): takes records out of the queue and writes
/// them.
///
/// It writes at once after a pause, and gathers while records come in quick succession: all
/// lines that are there go into one write, and one sync if somebody waits for it. A write that
/// fails is counted and tried again, from where it stopped, while the queue fills.
#[must_use = "nothing is written until it runs"]
pub struct JsonLinesWriter {
    out: Box<dyn Output>,
    receiver: Receiver<Message>,
    /// What was taken out of the queue before its turn.
    backlog: VecDeque<Message>,
    queue: Option<SyncSender<Message>>,
    counters: Arc<Counters>,
    line: LedgerLine,
    lines: Vec<u8>,
    /// How many lines are in there.
    pending: u64,
    /// Of those who wait until the lines are on the disk.
    receipts: Vec<oneshot::Sender<()>>,
    flushes: Vec<SyncSender<()>>,
    /// How many records the queue holds, if somebody may wait for them.
    awaited: Option<NonZeroUsize>,
    /// Set by a sync that failed, until one works.
    must_sync: bool,
    is_closed: bool,
}

/// How far the lines at hand have come.
#[derive(Default)]
struct Progress {
    has_begun: bool,
    written: usize,
}

/// Lines of more bytes than this are not gathered.
const BATCH: usize = 256 * 1024;

/// How long to gather: it bounds both the wakes a second and the age of what is not written.
const GATHER: Duration = Duration::from_millis(10);

/// Between a write that failed and the next try.
const PAUSE: Duration = Duration::from_millis(100);

/// How often a write is tried again once it should end, or while somebody waits for it.
const LAST_TRIES: u32 = 5;

// === impl JsonLinesWriter ===

impl JsonLinesWriter {
    pub(super) fn new(
        out: Box<dyn Output>,
        receiver: Receiver<Message>,
        queue: SyncSender<Message>,
        counters: Arc<Counters>,
        awaited: Option<NonZeroUsize>,
    ) -> Self {
        Self {
            out,
            receiver,
            backlog: VecDeque::new(),
            queue: Some(queue),
            counters,
            line: LedgerLine::default(),
            lines: Vec::new(),
            pending: 0,
            receipts: Vec::new(),
            flushes: Vec::new(),
            awaited,
            must_sync: false,
            is_closed: false,
        }
    }

    /// Writes until every [`JsonLines`](crate::JsonLines) is gone; blocks the thread.
    ///
    /// # Errors
    ///
    /// When the last lines could not be written; they count as lost.
    pub fn run(mut self) -> io::Result<()> {
        // Its own sender would keep the queue open for ever.
        self.queue = None;
        while !self.is_closed {
            if self.backlog.is_empty() {
                match self.receiver.recv() {
                    Ok(message) => self.take(message),
                    Err(mpsc::RecvError) => self.is_closed = true,
                }
            }
            self.gather();
            let is_awaited = !self.receipts.is_empty();
            self.write()?;
            // Meanwhile nobody has to wake this thread, which costs more than the record. Where
            // somebody waits, the sync was time enough to gather.
            while !self.is_closed && !is_awaited && self.has_gathered_more() {
                self.write()?;
            }
        }
        self.lose_the_rest(0);
        Ok(())
    }

    /// Runs on a thread of its own.
    ///
    /// # Errors
    ///
    /// When there can be no further thread.
    pub fn spawn_thread(mut self) -> io::Result<JsonLinesThread> {
        let counters = Arc::clone(&self.counters);
        let Some(queue) = self.queue.take() else {
            return Err(io::Error::other("the writer has run"));
        };
        let thread = thread::Builder::new()
            .name("usage-ledger".to_owned())
            .spawn(move || self.run())?;
        Ok(JsonLinesThread {
            thread,
            queue,
            counters,
        })
    }

    /// Lets records come for a moment, then takes them; false if there were none.
    fn has_gathered_more(&mut self) -> bool {
        thread::park_timeout(GATHER);
        self.gather();
        // The end is synced even if nothing is left to write.
        self.pending > 0 || !self.flushes.is_empty() || self.is_closed
    }

    /// Takes what is in the queue.
    fn gather(&mut self) {
        while self.lines.len() < BATCH && !self.is_closed {
            match self.next() {
                Some(message) => self.take(message),
                None => return,
            }
        }
    }

    fn next(&mut self) -> Option<Message> {
        let waiting = self.backlog.pop_front();
        waiting.or_else(|| self.receiver.try_recv().ok())
    }

    /// Tells everybody who waits that their record will not be there in time.
    ///
    /// Who comes while writing fails does not wait. So it is enough to look at all that is in
    /// the queue once; what there is no room for is lost then.
    fn disappoint(&mut self, is_first: bool) {
        self.receipts.clear();
        let awaited = self.awaited.map_or(0, NonZeroUsize::get);
        let most = JsonLines::CAPACITY.get().max(awaited);
        let mut left = if is_first { awaited } else { 0 };
        while left > 0 || self.backlog.len() < most {
            let Ok(mut message) = self.receiver.try_recv() else {
                return;
            };
            left = left.saturating_sub(1);
            if let Message::Record(parcel) = &mut message {
                parcel.receipt = None;
                if self.backlog.len() >= most {
                    self.counters.lose(1);
                    continue;
                }
            }
            self.backlog.push_back(message);
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Record(Parcel { record, receipt }) => {
                self.line.write(&record, &mut self.lines);
                self.lines.push(b'\n');
                self.pending += 1;
                self.receipts.extend(receipt);
            }
            Message::Flush(done) => self.flushes.push(done),
            Message::Close => self.is_closed = true,
        }
    }

    /// Writes the lines at hand, however often that takes.
    fn write(&mut self) -> io::Result<()> {
        let mut progress = Progress::default();
        let mut failures = 0;
        while let Err(error) = self.try_to_write(&mut progress) {
            self.counters.is_failing.store(true, Relaxed);
            self.counters.failed_writes.fetch_add(1, Relaxed);
            failures += 1;
            if failures >= LAST_TRIES {
                self.disappoint(failures == LAST_TRIES);
                if self.is_closed || self.counters.is_closing.load(Acquire) {
                    self.give_up(progress.written);
                    return Err(error);
                }
            }
            thread::park_timeout(PAUSE);
        }
        self.counters.is_failing.store(false, Relaxed);
        self.lines.clear();
        self.lines.shrink_to(BATCH);
        self.pending = 0;
        self.receipts.drain(..).for_each(Parcel::arrived);
        for done in self.flushes.drain(..) {
            // Whoever asked may have left.
            let _ = done.try_send(());
        }
        Ok(())
    }

    /// Notes how long it takes, for those who wait.
    fn try_to_write(&mut self, progress: &mut Progress) -> io::Result<()> {
        self.counters.busy.begin();
        let written = self.write_from(progress);
        self.counters.busy.end();
        self.counters.busy.step();
        written
    }

    /// Writes on from where the last try stopped, so that no line is written twice.
    fn write_from(&mut self, progress: &mut Progress) -> io::Result<()> {
        // Whoever only wants to know that all is written begins no new file.
        if !self.lines.is_empty()
            && !std::mem::replace(&mut progress.has_begun, true)
            && self.out.begin(self.lines.len() as u64).is_err()
        {
            // A file that is too long is better than none.
            self.counters.failed_writes.fetch_add(1, Relaxed);
        }
        while progress.written < self.lines.len() {
            let written = self.out.write(&self.lines[progress.written..]);
            self.counters.busy.step();
            match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(length) => progress.written += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.receipts.is_empty() && !self.is_closed && !self.must_sync {
            return self.out.flush();
        }
        let synced = self.out.sync();
        self.must_sync = synced.is_err();
        // The next sync would know nothing of what this one has failed to do; it says only
        // whether the disk can be synced again.
        synced.inspect_err(|_| self.receipts.clear())
    }

    /// Counts what is not written, here and in the queue, as lost.
    fn give_up(&mut self, written: usize) {
        let whole = self.lines[..written].iter().filter(|byte| **byte == b'\n');
        self.lose_the_rest(self.pending - whole.map(|_| 1).sum::<u64>());
    }

    /// Counts what came too late.
    fn lose_the_rest(&mut self, mut lost: u64) {
        while let Some(message) = self.next() {
            lost += u64::from(matches!(message, Message::Record(_)));
        }
        self.counters.lose(lost);
    }
}

impl Drop for JsonLinesWriter {
    fn drop(&mut self) {
        // Nobody will write from now on.
        self.counters.is_failing.store(true, Relaxed);
    }
}

impl fmt::Debug for JsonLinesWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonLinesWriter")
            .field("pending", &self.pending)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
