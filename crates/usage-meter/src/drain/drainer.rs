use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

use tokio::sync::mpsc::Receiver;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Drains;
use super::left_over::LeftOver;

/// The task that reads on where callers have left; made by
/// [`Draining::pair`](crate::Draining::pair).
#[must_use = "nothing is read on unless it runs"]
pub struct Drainer {
    receiver: Receiver<LeftOver>,
    time: Duration,
    most: NonZeroUsize,
    drains: Drains,
}

// === impl Drainer ===

impl Drainer {
    pub(crate) const fn new(
        receiver: Receiver<LeftOver>,
        time: Duration,
        most: NonZeroUsize,
        drains: Drains,
    ) -> Self {
        Self {
            receiver,
            time,
            most,
            drains,
        }
    }

    /// Reads on until every layer and service is gone, and the last call has ended.
    ///
    /// Dropping it drops what it reads, whose usage then is partial. It runs on a tokio
    /// runtime with time, on which it spawns a task for each call it has taken.
    pub async fn run(mut self) {
        let mut running = JoinSet::new();
        loop {
            let has_room = running.len() < self.most.get();
            tokio::select! {
                left_over = self.receiver.recv(), if has_room => match left_over {
                    Some(left_over) => {
                        let (time, drains) = (self.time, self.drains.clone());
                        running.spawn(async move {
                            let _running = drains.begin();
                            drains.end(timeout(time, left_over).await.is_ok());
                        });
                    }
                    None => break,
                },
                Some(_) = running.join_next() => {}
            }
        }
        while running.join_next().await.is_some() {}
    }
}

impl fmt::Debug for Drainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drainer")
            .field("time", &self.time)
            .field("drains", &self.drains)
            .finish_non_exhaustive()
    }
}
