use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::wait_queue::{WaitQueue, Waiter};

/// A call's place in the [`WaitQueue`].
///
/// Dropped, it leaves the queue, whatever became of the call, and the next one in its lane is
/// woken. If it ever was first, its tenant has had its turn.
#[must_use = "a place that is dropped is given up"]
pub(crate) struct Ticket {
    queue: Arc<WaitQueue>,
    waiter: Waiter,
    had_turn: bool,
}

/// A call that waited was sent away for a more urgent one, or for one of a tenant with fewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Displaced;

// === impl Ticket ===

impl Ticket {
    pub(crate) const fn new(queue: Arc<WaitQueue>, waiter: Waiter) -> Self {
        Self {
            queue,
            waiter,
            had_turn: false,
        }
    }

    #[cfg(test)]
    pub(crate) const fn waiter(&self) -> &Waiter {
        &self.waiter
    }

    /// Ready while it is first in its lane, and when it was displaced.
    ///
    /// A more urgent call may still come before it: who waits for something else while it is
    /// first asks again after that.
    pub(crate) fn poll_front(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Displaced>> {
        let poll = self.queue.poll_front(&self.waiter, cx.waker());
        self.had_turn |= matches!(poll, Poll::Ready(Ok(())));
        poll
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.queue.leave(&self.waiter, self.had_turn);
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("waiter", &self.waiter)
            .field("had_turn", &self.had_turn)
            .finish_non_exhaustive()
    }
}
