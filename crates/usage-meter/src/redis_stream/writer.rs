use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::Duration;

use tokio::time::Instant;

use super::RedisStreamThread;
use super::batch::Batch;
use super::link::Link;
use super::link_error::LinkError;
use crate::message::Message;
use crate::outbox::Counters;

/// The other end of [`RedisStream`](crate::RedisStream): takes records out of the queue and adds
/// them to the stream.
///
/// It writes at once after a pause, and gathers while records come in quick succession: all that
/// are there go into one round trip. What fails is counted and tried again over a new
/// connection, while the queue fills.
#[must_use = "nothing is added until it runs"]
pub struct RedisStreamWriter {
    link: Link,
    batch: Batch,
    receiver: Receiver<Message>,
    /// What was taken out of the queue before its turn, no more than the queue holds.
    backlog: VecDeque<Message>,
    queue: Option<SyncSender<Message>>,
    counters: Arc<Counters>,
    /// None if nobody ever waits for a record.
    most_backlog: usize,
    flushes: Vec<SyncSender<()>>,
    is_closed: bool,
}

/// What has failed in a row.
struct Trouble {
    since: Instant,
    pause: Duration,
    /// How often it was tried since it should end.
    last_tries: u32,
}

/// How long to gather: it bounds both the wakes a second and the age of what is not added.
const GATHER: Duration = Duration::from_millis(10);

/// Between the first failure and the next try.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Those who close wait for no long pauses.
const LAST_PAUSE: Duration = Duration::from_millis(100);

/// How often it is tried again once it should end.
const LAST_TRIES: u32 = 3;

/// Whoever waits for a record is told after so long that nothing comes of it.
const PATIENCE: Duration = Duration::from_secs(1);

// === impl RedisStreamWriter ===

impl RedisStreamWriter {
    pub(super) const fn new(
        link: Link,
        batch: Batch,
        receiver: Receiver<Message>,
        queue: SyncSender<Message>,
        counters: Arc<Counters>,
        most_backlog: usize,
    ) -> Self {
        Self {
            link,
            batch,
            receiver,
            backlog: VecDeque::new(),
            queue: Some(queue),
            counters,
            most_backlog,
            flushes: Vec::new(),
            is_closed: false,
        }
    }

    /// Connects, then adds records until every [`RedisStream`](crate::RedisStream) is gone;
    /// blocks the thread.
    ///
    /// # Errors
    ///
    /// When the last records could not be added; they count as lost.
    pub fn run(mut self) -> io::Result<()> {
        // Its own sender would keep the queue open for ever.
        self.queue = None;
        // Nothing yet, so that it is known whether Redis is there.
        self.write()?;
        while !self.is_closed {
            if self.backlog.is_empty() {
                match self.receiver.recv() {
                    Ok(message) => self.take(message),
                    Err(mpsc::RecvError) => self.is_closed = true,
                }
            }
            self.gather();
            let is_awaited = self.batch.is_awaited();
            self.write_all()?;
            // Meanwhile nobody has to wake this thread, which costs more than the record. Where
            // somebody waits, the round trip was time enough to gather.
            while !self.is_closed && !is_awaited && self.has_gathered_more() {
                self.write_all()?;
            }
        }
        Ok(())
    }

    /// Runs on a thread of its own.
    ///
    /// # Errors
    ///
    /// When there can be no further thread.
    pub fn spawn_thread(mut self) -> io::Result<RedisStreamThread> {
        let counters = Arc::clone(&self.counters);
        let Some(queue) = self.queue.take() else {
            return Err(io::Error::other("the writer has run"));
        };
        let thread = thread::Builder::new()
            .name("usage-stream".to_owned())
            .spawn(move || self.run())?;
        Ok(RedisStreamThread {
            thread,
            queue,
            counters,
        })
    }

    /// Lets records come for a moment, then takes them; false if there were none.
    fn has_gathered_more(&mut self) -> bool {
        thread::park_timeout(GATHER);
        self.gather();
        !self.batch.is_empty() || !self.flushes.is_empty()
    }

    /// Takes what is in the queue.
    fn gather(&mut self) {
        while !self.batch.is_full() && !self.is_closed {
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

    fn take(&mut self, message: Message) {
        match message {
            Message::Record(parcel) => self.batch.push(parcel),
            Message::Flush(done) => self.flushes.push(done),
            Message::Close => self.is_closed = true,
        }
    }

    /// Adds the records at hand, and those behind them if there was no room for all.
    fn write_all(&mut self) -> io::Result<()> {
        loop {
            let is_full = self.batch.is_full();
            self.write()?;
            if !is_full || self.is_closed {
                return Ok(());
            }
            self.gather();
        }
    }

    /// Adds the records at hand, however often that takes.
    fn write(&mut self) -> io::Result<()> {
        let mut trouble = Trouble::new();
        let mut was_connected = self.link.is_connected();
        while let Err(error) = self.link.send(&mut self.batch) {
            self.counters.failed_writes.fetch_add(1, Relaxed);
            // A connection that was ended while nobody used it says nothing about Redis.
            if std::mem::take(&mut was_connected) && error == LinkError::Away {
                continue;
            }
            self.counters.is_failing.store(true, Relaxed);
            let is_last = self.is_ending() && trouble.is_over();
            if is_last || trouble.since.elapsed() >= PATIENCE {
                self.disappoint();
            }
            if is_last {
                return self.give_up(error);
            }
            // Wakes early when it is to end.
            thread::park_timeout(trouble.next_pause(self.is_ending()));
        }
        self.counters.is_failing.store(false, Relaxed);
        for done in self.flushes.drain(..) {
            // Whoever asked may have left.
            let _ = done.try_send(());
        }
        Ok(())
    }

    /// Whether somebody closes it, or nobody is left for whom it could go on.
    fn is_ending(&self) -> bool {
        self.is_closed
            || self.counters.is_closing.load(Acquire)
            || Arc::strong_count(&self.counters) == 1
    }

    /// Tells everybody who waits that their record will not be there in time.
    fn disappoint(&mut self) {
        self.batch.disappoint();
        while self.backlog.len() < self.most_backlog {
            let Ok(mut message) = self.receiver.try_recv() else {
                return;
            };
            if let Message::Record(parcel) = &mut message {
                parcel.receipt = None;
            }
            self.backlog.push_back(message);
        }
    }

    /// Ends, although not everything may have been added.
    fn give_up(&mut self, error: LinkError) -> io::Result<()> {
        self.is_closed = true;
        match self.lose_the_rest() {
            0 => Ok(()),
            _ => Err(error.into()),
        }
    }

    /// Counts what will not be added, here and in the queue; how many that are.
    fn lose_the_rest(&mut self) -> u64 {
        let mut lost = self.batch.len() as u64;
        self.batch.clear();
        while let Some(message) = self.next() {
            lost += u64::from(matches!(message, Message::Record(_)));
        }
        self.counters.lose(lost);
        lost
    }
}

impl Drop for RedisStreamWriter {
    fn drop(&mut self) {
        // Nobody will write from now on.
        self.counters.is_failing.store(true, Relaxed);
        self.counters.is_closing.store(true, Release);
        self.lose_the_rest();
    }
}

impl fmt::Debug for RedisStreamWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStreamWriter")
            .field("link", &self.link)
            .field("pending", &self.batch.len())
            .finish_non_exhaustive()
    }
}

// === impl Trouble ===

impl Trouble {
    fn new() -> Self {
        Self {
            since: Instant::now(),
            pause: FIRST_PAUSE,
            last_tries: 0,
        }
    }

    /// Counts a try that was one of the last; whether it was the very last.
    const fn is_over(&mut self) -> bool {
        self.last_tries += 1;
        self.last_tries > LAST_TRIES
    }

    fn next_pause(&mut self, is_ending: bool) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        match is_ending {
            true => pause.min(LAST_PAUSE),
            false => pause,
        }
    }
}
