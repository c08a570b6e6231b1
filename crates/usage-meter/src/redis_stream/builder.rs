use std::fmt;
use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::time::Duration;

use super::address::Address;
use super::batch::Batch;
use super::link::Link;
use crate::outbox::{Counters, Outbox};
use crate::{Overflow, RedisAddressError, RedisStream, RedisStreamWriter};

/// How records go into a stream of Redis; [`RedisStream::builder`] begins one.
///
/// ```
/// use std::time::Duration;
/// use tower_claude_usage_meter::{Overflow, RedisStream};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (stream, writer) = RedisStream::builder("redis://127.0.0.1:6379/2")
///     .key("usage:eu")
///     .overflow(Overflow::Wait(Duration::from_millis(500)))
///     .timeout(Duration::from_millis(250))
///     .build()?;
/// # drop((stream, writer));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct RedisStreamBuilder {
    url: Box<str>,
    key: Arc<str>,
    max_len: Option<NonZeroU64>,
    capacity: NonZeroUsize,
    overflow: Option<Overflow>,
    is_durable: bool,
    timeout: Duration,
}

/// How long the end of an answer waits for room in the queue of a durable stream.
const DURABLE_WAIT: Duration = Duration::from_secs(5);

const TIMEOUT: Duration = Duration::from_secs(1);

/// The system takes no wait of no time at all.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(1);

// === impl RedisStreamBuilder ===

impl RedisStreamBuilder {
    pub(super) fn new(url: Box<str>) -> Self {
        Self {
            url,
            key: RedisStream::KEY.into(),
            max_len: None,
            capacity: RedisStream::CAPACITY,
            overflow: None,
            is_durable: false,
            timeout: TIMEOUT,
        }
    }

    /// The key of the stream; default [`RedisStream::KEY`].
    pub fn key(mut self, key: impl Into<Arc<str>>) -> Self {
        self.key = key.into();
        self
    }

    /// Has Redis forget the oldest entries beyond about so many, whether or not they were read.
    ///
    /// Without it nothing is forgotten, and the stream grows until somebody trims it.
    pub const fn max_len(mut self, entries: NonZeroU64) -> Self {
        self.max_len = Some(entries);
        self
    }

    /// How many records wait at most, besides those being added; default
    /// [`RedisStream::CAPACITY`].
    pub const fn capacity(mut self, records: NonZeroUsize) -> Self {
        self.capacity = records;
        self
    }

    /// What happens to a record the queue has no room for; by default it is dropped, or waited
    /// for, five seconds at most, if the stream is durable.
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = Some(overflow);
        self
    }

    /// Holds the end of each answer back until Redis has its record.
    pub const fn durable(mut self) -> Self {
        self.is_durable = true;
        self
    }

    /// How long to wait for a connection, and for each answer; default one second.
    ///
    /// It is the writer that waits. Looking up a host's name takes as long as the system lets it.
    pub fn timeout(mut self, most: Duration) -> Self {
        self.timeout = most.max(SHORTEST_TIMEOUT);
        self
    }

    /// Makes both ends, without connecting: the writer does that when it runs.
    ///
    /// # Errors
    ///
    /// When the address is none of one Redis server, or asks for TLS without the feature.
    pub fn build(self) -> Result<(RedisStream, RedisStreamWriter), RedisAddressError> {
        let link = Link::new(self.url.parse::<Address>()?, self.timeout);
        let (queue, receiver) = mpsc::sync_channel(self.capacity.get());
        let counters = Arc::<Counters>::default();
        // Nobody has answered yet.
        counters.is_failing.store(true, Relaxed);
        let overflow = self.overflow.unwrap_or(match self.is_durable {
            true => Overflow::Wait(DURABLE_WAIT),
            false => Overflow::Drop,
        });
        let batch = Batch::new(self.key, self.max_len);
        let writer = RedisStreamWriter::new(
            link,
            batch,
            receiver,
            queue.clone(),
            Arc::clone(&counters),
            if self.is_durable {
                self.capacity.get()
            } else {
                0
            },
        );
        let sink = RedisStream {
            outbox: Outbox::new(queue, overflow, counters),
            is_durable: self.is_durable,
        };
        Ok((sink, writer))
    }
}

/// Without the address, in which there may be a password.
impl fmt::Debug for RedisStreamBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStreamBuilder")
            .field("key", &self.key)
            .field("max_len", &self.max_len)
            .field("capacity", &self.capacity)
            .field("overflow", &self.overflow)
            .field("is_durable", &self.is_durable)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
