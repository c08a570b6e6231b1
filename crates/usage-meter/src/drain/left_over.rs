use std::fmt;
use std::future::Future;
use std::pin::Pin;

use tokio::sync::mpsc::Sender;

use super::Drains;

/// What is left of a call whose caller has left.
pub(crate) type LeftOver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where they go, and how far they are read.
pub(crate) struct LeftOvers {
    queue: Sender<LeftOver>,
    pub(crate) tokens: u64,
    drains: Drains,
}

// === impl LeftOvers ===

impl LeftOvers {
    pub(crate) const fn new(queue: Sender<LeftOver>, tokens: u64, drains: Drains) -> Self {
        Self {
            queue,
            tokens,
            drains,
        }
    }

    /// Hands over what is to be read on. What there is no room for ends here.
    pub(crate) fn hand_over(&self, left_over: LeftOver) {
        if self.queue.try_send(left_over).is_err() {
            self.drains.refuse();
        }
    }
}

impl fmt::Debug for LeftOvers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeftOvers")
            .field("tokens", &self.tokens)
            .field("drains", &self.drains)
            .finish_non_exhaustive()
    }
}
