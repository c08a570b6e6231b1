mod builder;
mod receiver;
mod waiting;

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

pub use self::builder::ChannelBuilder;
pub use self::receiver::ChannelReceiver;
use self::waiting::Waiting;
use crate::outbox::{Counters, Outbox, Parcel, Queue};
use crate::{Delivery, UsageRecord, UsageSink};

/// A sink for a task of your own: a bounded channel of records.
///
/// Recording never waits. What does not fit, and what nobody received when the
/// [`ChannelReceiver`] was dropped, is counted by [`Channel::lost`];
/// [`Overflow`](crate::Overflow) says what else can be done with it. A clone is the same
/// channel.
///
/// ```
/// use std::num::NonZeroUsize;
/// use tower_claude_usage_meter::{Channel, UsageMeterLayer};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (channel, mut receiver) = Channel::bounded(NonZeroUsize::MIN.saturating_add(1_023));
/// let layer = UsageMeterLayer::new(channel.clone());
/// // … serve, and elsewhere:
/// let reader = tokio::spawn(async move {
///     while let Some(record) = receiver.recv().await {
///         println!("{:?}", record.cost);
///     }
/// });
/// # drop((layer, channel));
/// # reader.await.expect("no panic");
/// # }
/// ```
#[derive(Clone)]
pub struct Channel {
    outbox: Outbox<RecordQueue>,
}

#[derive(Clone)]
struct RecordQueue {
    sender: Sender<Waiting>,
    counters: Arc<Counters>,
}

// === impl Channel ===

impl Channel {
    /// A channel that holds so many records, and drops what does not fit.
    pub fn bounded(capacity: NonZeroUsize) -> (Self, ChannelReceiver) {
        Self::builder(capacity).build()
    }

    /// Begins a channel that holds so many records.
    pub const fn builder(capacity: NonZeroUsize) -> ChannelBuilder {
        ChannelBuilder::new(capacity)
    }

    /// How many records were lost: to a full channel, or to a receiver that is gone.
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
}

impl UsageSink for Channel {
    fn record(&self, record: Arc<UsageRecord>) {
        self.outbox.record(record);
    }

    /// Waits for room if [`Overflow::Wait`](crate::Overflow::Wait) says so, and never for the
    /// receiver.
    fn deliver(&self, record: Arc<UsageRecord>) -> Delivery {
        self.outbox.deliver(record, false)
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("lost", &self.lost())
            .field("spilled", &self.spilled())
            .finish_non_exhaustive()
    }
}

// === impl RecordQueue ===

impl Queue for RecordQueue {
    fn try_put(&self, parcel: Parcel) -> Result<(), Parcel> {
        let waiting = Waiting::new(parcel, Arc::clone(&self.counters));
        match self.sender.try_send(waiting) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(waiting) | TrySendError::Closed(waiting)) => {
                waiting.take().map_or(Ok(()), Err)
            }
        }
    }
}
