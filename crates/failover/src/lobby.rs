use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tower_claude_core::TenantId;

use crate::Waiting;
use crate::wait::Wait;
use crate::wait_queue::{Lane, WaitQueue};
use crate::way::Closed;

/// Where calls wait for a target to open, and for how long.
#[derive(Clone, Debug)]
pub(crate) struct Lobby {
    queue: Arc<WaitQueue>,
    waiting: Waiting,
}

// === impl Lobby ===

impl Lobby {
    pub(crate) fn new(waiting: Waiting) -> Self {
        Self {
            queue: Arc::new(WaitQueue::new(waiting.capacity())),
            waiting,
        }
    }

    /// How long a call waits for a target that it should stay at.
    pub(crate) const fn to_stay(&self) -> Duration {
        self.waiting.to_stay()
    }

    /// Whether calls wait in a lane: who comes now comes after them.
    pub(crate) fn is_waiting(&self, lane: Lane) -> bool {
        self.queue.is_waiting(lane)
    }

    /// How many calls wait.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// A place to wait, if that is of any use and there is one.
    pub(crate) fn enter(
        &self,
        lane: Lane,
        closed: Closed,
        tenant: Option<TenantId>,
        urgency: u8,
    ) -> Option<Wait> {
        let longest = match closed.stay_at {
            Some(_) => self.waiting.to_stay(),
            None => self.waiting.limit(),
        };
        let soonest = closed.soonest.filter(|soonest| *soonest <= longest)?;
        let ticket = self.queue.join(lane, tenant, urgency).ok()?;
        let now = Instant::now();
        let is_stay = closed.stay_at.is_some();
        Some(Wait::new(ticket, now + longest, now + soonest, is_stay))
    }
}
