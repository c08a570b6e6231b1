use std::fmt;
use std::sync::Arc;

use tokio::sync::mpsc::Receiver;

use super::Waiting;
use crate::UsageRecord;

/// The other end of a [`Channel`](crate::Channel).
///
/// Dropping it counts what it has not received as lost, and what is recorded later.
#[must_use = "what is recorded without a receiver is lost"]
pub struct ChannelReceiver(Receiver<Waiting>);

// === impl ChannelReceiver ===

impl ChannelReceiver {
    pub(super) const fn new(receiver: Receiver<Waiting>) -> Self {
        Self(receiver)
    }

    /// Waits for the next record; `None` when there is none left and will be none.
    ///
    /// Dropping the future loses nothing.
    pub async fn recv(&mut self) -> Option<Arc<UsageRecord>> {
        let waiting = self.0.recv().await?;
        waiting.take().map(|parcel| parcel.record)
    }

    /// Takes the next record if there is one.
    pub fn try_recv(&mut self) -> Option<Arc<UsageRecord>> {
        let waiting = self.0.try_recv().ok()?;
        waiting.take().map(|parcel| parcel.record)
    }

    /// Takes no further records, so that [`recv`](Self::recv) comes to an end with those that
    /// are here. What is recorded later is lost, and counted.
    pub fn close(&mut self) {
        self.0.close();
    }
}

impl fmt::Debug for ChannelReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelReceiver")
            .field("waiting", &self.0.len())
            .finish_non_exhaustive()
    }
}
