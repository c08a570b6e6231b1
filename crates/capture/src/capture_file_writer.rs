use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::Duration;

use crate::capture_file::{Counters, Message};
use crate::{CaptureFile, CaptureFileThread, Captured};

/// The other end of [`CaptureFile`]: takes calls out of the queue, redacts and writes them.
///
/// It writes at once after a pause, and gathers while calls come in quick succession. A write
/// that fails is counted and tried again, from where it stopped, while the queue fills.
#[must_use = "nothing is written until it runs"]
pub struct CaptureFileWriter {
    out: Box<dyn Write + Send>,
    receiver: Receiver<Message>,
    queue: Option<SyncSender<Message>>,
    counters: Arc<Counters>,
    lines: Vec<u8>,
    /// How many lines are in there.
    pending: u64,
    flushes: Vec<SyncSender<()>>,
    is_closed: bool,
}

/// Lines of more bytes than this are not gathered.
const BATCH: usize = 256 * 1024;

/// Between a write that failed and the next try.
const PAUSE: Duration = Duration::from_millis(100);

/// How often a write is tried again once it should end.
const LAST_TRIES: u32 = 5;

// === impl CaptureFileWriter ===

impl CaptureFileWriter {
    pub(crate) fn new(
        out: Box<dyn Write + Send>,
        receiver: Receiver<Message>,
        sink: &CaptureFile,
    ) -> Self {
        Self {
            out,
            receiver,
            queue: Some(sink.queue()),
            counters: sink.counters(),
            lines: Vec::new(),
            pending: 0,
            flushes: Vec::new(),
            is_closed: false,
        }
    }

    /// Writes until every [`CaptureFile`] is gone; blocks the thread.
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
        }
        self.lose_the_rest(0);
        Ok(())
    }

    /// Runs on a thread of its own.
    ///
    /// # Errors
    ///
    /// When there can be no further thread.
    pub fn spawn_thread(mut self) -> io::Result<CaptureFileThread> {
        let counters = Arc::clone(&self.counters);
        let Some(queue) = self.queue.take() else {
            return Err(io::Error::other("the writer has run"));
        };
        let thread = thread::Builder::new()
            .name("capture-file".to_owned())
            .spawn(move || self.run())?;
        Ok(CaptureFileThread::new(thread, queue, counters))
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
            Message::Captured(captured) => self.redact(*captured),
            Message::Flush(done) => self.flushes.push(done),
            Message::Close => self.is_closed = true,
        }
    }

    fn redact(&mut self, captured: Captured) {
        self.counters.queued.fetch_sub(captured.size(), Relaxed);
        let length = self.lines.len();
        if serde_json::to_writer(&mut self.lines, &captured.redact()).is_ok() {
            self.lines.push(b'\n');
            self.pending += 1;
        } else {
            self.lines.truncate(length);
            self.counters.lost.fetch_add(1, Relaxed);
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
            if let Message::Captured(captured) = message {
                self.counters.queued.fetch_sub(captured.size(), Relaxed);
                lost += 1;
            }
        }
        self.counters.lost.fetch_add(lost, Relaxed);
    }
}

impl fmt::Debug for CaptureFileWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaptureFileWriter")
            .field("pending", &self.pending)
            .finish_non_exhaustive()
    }
}
