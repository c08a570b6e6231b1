use std::num::NonZeroUsize;
use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};

use super::RecordQueue;
use crate::outbox::{Counters, Outbox};
use crate::{Channel, ChannelReceiver, Overflow};

/// How a channel is made; [`Channel::builder`] begins one.
///
/// ```
/// use std::num::NonZeroUsize;
/// use std::time::Duration;
/// use tower_claude_usage_meter::{Channel, Overflow};
///
/// let (channel, receiver) = Channel::builder(NonZeroUsize::MIN)
///     .overflow(Overflow::Wait(Duration::from_millis(100)))
///     .build();
/// # drop((channel, receiver));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ChannelBuilder {
    capacity: NonZeroUsize,
    overflow: Overflow,
}

// === impl ChannelBuilder ===

impl ChannelBuilder {
    pub(super) const fn new(capacity: NonZeroUsize) -> Self {
        Self {
            capacity,
            overflow: Overflow::Drop,
        }
    }

    /// What happens to a record the channel has no room for; by default it is dropped.
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// Makes both ends.
    pub fn build(self) -> (Channel, ChannelReceiver) {
        // More would never be there, and panics.
        let capacity = self.capacity.get().min(Semaphore::MAX_PERMITS);
        let (sender, receiver) = mpsc::channel(capacity);
        let counters = Arc::<Counters>::default();
        let queue = RecordQueue {
            sender,
            counters: Arc::clone(&counters),
        };
        let channel = Channel {
            outbox: Outbox::new(queue, self.overflow, counters),
        };
        (channel, ChannelReceiver::new(receiver))
    }
}
