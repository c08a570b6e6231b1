use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::JsonLines;
use crate::json_lines::{Counters, Message};
use crate::ledger_line::LedgerLine;

/// The other end of [`JsonLines`]: takes records out of the queue and writes them.
///
/// It writes at once after a pause, and gathers while records come in quick succession: all
/// lines that are there go into one write. A write that fails is counted and tried again,
/// from where it stopped, while the queue fills.
#[must_use = "nothing is written until it runs"]
pub struct JsonLinesWriter {
    out: Box<dyn Write + Send>,
    receiver: Receiver<Message>,
    queue: Option<SyncSender<Message>>,
    counters: Arc<Counters>,
    line: LedgerLine,
    lines: Vec<u8>,
    /// How many lines are in there.
    pending: u64,
    flushes: Vec<SyncSender<()>>,
    is_closed: bool,
}

/// A [`JsonLinesWriter`] that runs on its own thread.
///
/// Dropping it lets the thread run until the last [`JsonLines`] is gone.
#[must_use]
pub struct JsonLinesThread {
    thread: JoinHandle<io::Result<()>>,
    queue: SyncSender<Message>,
    counters: Arc<Counters>,
}

/// Lines of more bytes than this are not gathered.
const BATCH: usize = 256 * 1024;

/// How long to gather: it bounds both the wakes a second and the age of what is not on disk.
const GATHER: Duration = Duration::from_millis(10);

/// Between a write that failed and the next try.
const PAUSE: Duration = Duration::from_millis(100);

/// How often a write is tried again once it should end.
const LAST_TRIES: u32 = 5;

// === impl JsonLinesWriter ===

impl JsonLinesWriter {
    pub(crate) fn new(
        out: Box<dyn Write + Send>,
        receiver: Receiver<Message>,
        sink: &JsonLines,
    ) -> Self {
        Self {
            out,
            receiver,
            queue: Some(sink.queue()),
            counters: sink.counters(),
            line: LedgerLine::default(),
            lines: Vec::new(),
            pending: 0,
            flushes: Vec::new(),
            is_closed: false,
        }
    }

    /// Writes until every [`JsonLines`] is gone; blocks the thread.
    ///
    /// # Errors
    ///
    /// When the last lines could not be written; they count as lost.
    pub fn run(mut self) -> io::Result<()> {
        // Its own sender would keep the queue open for ever.
        self.queue = None;
        while !self.is_closed {
            match self.receiver.recv() {
                Ok(message) => self.take(message),
                Err(mpsc::RecvError) => self.is_closed = true,
            }
            self.gather();
            self.write()?;
            // Meanwhile nobody has to wake this thread, which costs more than the record.
            while !self.is_closed && self.has_gathered_more() {
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
        self.pending > 0 || !self.flushes.is_empty()
    }

    /// Takes what is in the queue.
    fn gather(&mut self) {
        while self.lines.len() < BATCH && !self.is_closed {
            match self.receiver.try_recv() {
                Ok(message) => self.take(message),
                Err(_) => return,
            }
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Record(record) => {
                self.line.write(&record, &mut self.lines);
                self.lines.push(b'\n');
                self.pending += 1;
            }
            Message::Flush(done) => self.flushes.push(done),
            Message::Close => self.is_closed = true,
        }
    }

    /// Writes the lines at hand, however often that takes.
    fn write(&mut self) -> io::Result<()> {
        let mut written = 0;
        let mut tries_left = LAST_TRIES;
        while let Err(error) = self.write_from(&mut written) {
            self.counters.failed_writes.fetch_add(1, Relaxed);
            if self.is_closed || self.counters.is_closing.load(Acquire) {
                tries_left -= 1;
            }
            if tries_left == 0 {
                self.give_up(written);
                return Err(error);
            }
            thread::park_timeout(PAUSE);
        }
        self.lines.clear();
        self.lines.shrink_to(BATCH);
        self.pending = 0;
        for done in self.flushes.drain(..) {
            // Whoever asked may have left.
            let _ = done.try_send(());
        }
        Ok(())
    }

    /// Writes on from where the last try stopped, so that no line is written twice.
    fn write_from(&mut self, written: &mut usize) -> io::Result<()> {
        while *written < self.lines.len() {
            match self.out.write(&self.lines[*written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(length) => *written += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.out.flush()
    }

    /// Counts what is not written, here and in the queue, as lost.
    fn give_up(&mut self, written: usize) {
        let whole = self.lines[..written].iter().filter(|byte| **byte == b'\n');
        self.lose_the_rest(self.pending - whole.map(|_| 1).sum::<u64>());
    }

    /// Counts what came too late.
    fn lose_the_rest(&mut self, mut lost: u64) {
        while let Ok(message) = self.receiver.try_recv() {
            lost += u64::from(matches!(message, Message::Record(_)));
        }
        self.counters.lost.fetch_add(lost, Relaxed);
    }
}

impl fmt::Debug for JsonLinesWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonLinesWriter")
            .field("pending", &self.pending)
            .finish_non_exhaustive()
    }
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
