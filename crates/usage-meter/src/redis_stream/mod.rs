mod address;
mod address_error;
mod batch;
mod builder;
mod link;
mod link_error;
mod thread;
mod writer;

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::SyncSender;

pub use self::address_error::RedisAddressError;
pub use self::builder::RedisStreamBuilder;
pub use self::thread::RedisStreamThread;
pub use self::writer::RedisStreamWriter;
use crate::message::Message;
use crate::outbox::Outbox;
use crate::{Delivery, UsageRecord, UsageSink};

/// A sink that adds records to a stream of Redis, for consumers elsewhere.
///
/// Recording puts the record into a bounded queue and never waits. A [`RedisStreamWriter`] on a
/// thread of its own empties the queue. While Redis is away it keeps what it has and tries
/// again, with pauses that grow to two seconds, and the queue fills. What does not fit is
/// counted by [`RedisStream::lost`]: watch it; [`Overflow`](crate::Overflow) says what else can
/// be done with it. A clone is the same queue.
///
/// ```
/// use std::num::NonZeroU64;
/// use tower_claude_usage_meter::{RedisStream, UsageMeterLayer};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (stream, writer) = RedisStream::builder("redis://127.0.0.1:6379")
///     .key("claude:usage")
///     .max_len(NonZeroU64::new(1_000_000).ok_or("a million")?)
///     .build()?;
/// let layer = UsageMeterLayer::new(stream.clone());
/// # drop(writer);
/// # let serve = |writer: tower_claude_usage_meter::RedisStreamWriter| -> std::io::Result<()> {
/// let writer = writer.spawn_thread()?;
/// // … serve, then, when the last call has ended:
/// writer.close()?;
/// # Ok(())
/// # };
/// # let _ = (layer, serve);
/// # Ok(())
/// # }
/// ```
///
/// # Entries
///
/// | field | what |
/// |---|---|
/// | `request_id` | our id of the call; the same in each copy of a record |
/// | `record` | the record as JSON, as a line of the ledger |
///
/// A record is there at least once. It is there twice where Redis had added it and the answer
/// was lost, as when a connection breaks: consumers drop what has a `request_id` that they had.
///
/// # Durable
///
/// A durable stream, [`RedisStreamBuilder::durable`] makes one, has each record in Redis before
/// the caller gets the end of the answer. It is as safe there as Redis is set up to keep it:
/// with `appendfsync always` it is on the disk. While Redis is away, calls are refused, and an
/// answer under way loses its end.
#[derive(Clone)]
pub struct RedisStream {
    outbox: Outbox<SyncSender<Message>>,
    is_durable: bool,
}

// === impl RedisStream ===

impl RedisStream {
    /// How many records the queue holds unless the builder says otherwise.
    pub const CAPACITY: NonZeroUsize = NonZeroUsize::MIN.saturating_add(16 * 1024 - 1);

    /// The key of the stream unless the builder says otherwise.
    pub const KEY: &str = "claude:usage";

    /// Begins a sink for the server at a `redis://` address, in which there may be a user, a
    /// password and the number of a database.
    pub fn builder(url: impl Into<Box<str>>) -> RedisStreamBuilder {
        RedisStreamBuilder::new(url.into())
    }

    /// How many records were lost: to a full queue, or to a writer that is gone.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.outbox.counters().lost.load(Relaxed)
    }

    /// How many records were written elsewhere, as [`Overflow::Spill`](crate::Overflow::Spill)
    /// says.
    #[must_use]
    pub fn spilled(&self) -> u64 {
        self.outbox.counters().spilled.load(Relaxed)
    }

    /// How often connecting or adding failed; what could not be added is tried again.
    #[must_use]
    pub fn failed_writes(&self) -> u64 {
        self.outbox.counters().failed_writes.load(Relaxed)
    }

    /// Whether Redis did as it was told when it was last asked; false until the writer has
    /// connected.
    ///
    /// Nothing is asked while there is nothing to add.
    #[must_use]
    pub fn is_up(&self) -> bool {
        !self.outbox.counters().is_failing.load(Relaxed)
    }
}

impl UsageSink for RedisStream {
    fn record(&self, record: Arc<UsageRecord>) {
        self.outbox.record(record);
    }

    fn deliver(&self, record: Arc<UsageRecord>) -> Delivery {
        self.outbox.deliver(record, self.is_durable)
    }

    /// A stream that is not durable always can: what does not fit is counted.
    fn is_ready(&self) -> bool {
        !self.is_durable || self.is_up()
    }

    fn holds(&self) -> bool {
        self.is_durable
    }
}

impl fmt::Debug for RedisStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStream")
            .field("is_durable", &self.is_durable)
            .field("is_up", &self.is_up())
            .field("lost", &self.lost())
            .field("failed_writes", &self.failed_writes())
            .finish_non_exhaustive()
    }
}
