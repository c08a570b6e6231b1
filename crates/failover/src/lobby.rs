use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tower_claude_core::TenantId;

use crate::Waiting;
use crate::deadline::after;
use crate::lane::Lane;
use crate::wait::Wait;
use crate::wait_queue::WaitQueue;
use crate::way::Closed;

/// Where calls wait for a target to open, and for how long.
#[derive(Clone, Debug)]
pub(crate) struct Lobby {
    queue: Arc<WaitQueue>,
    waiting: Waiting,
}

/// What there is for a call that would wait.
pub(crate) enum Place {
    /// Its place.
    Wait(Wait),
    /// As many wait as may.
    Full,
    /// What it would wait for comes too late, if at all.
    Useless,
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
    ) -> Place {
        let longest = match closed.stay_at {
            Some(_) => self.waiting.to_stay(),
            None => self.waiting.limit(),
        };
        let Some(soonest) = closed.soonest.filter(|soonest| *soonest <= longest) else {
            return Place::Useless;
        };
        let Ok(ticket) = self.queue.join(lane, tenant, urgency) else {
            return Place::Full;
        };
        let now = Instant::now();
        let is_stay = closed.stay_at.is_some();
        let (deadline, look_at) = (after(now, longest), after(now, soonest));
        Place::Wait(Wait::new(ticket, deadline, look_at, is_stay))
    }
}
