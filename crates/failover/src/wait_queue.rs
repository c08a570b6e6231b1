use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use tower_claude_core::TenantId;

use crate::lane::Lane;
use crate::line::{Line, Party};
use crate::ticket::{Displaced, Ticket};

/// Calls that wait for a target to take them.
///
/// Those that wait for the same targets are a lane. Of a lane only the first call is awake: it
/// waits for the targets, and whoever comes after it waits for it to leave. The most urgent
/// come first, and tenants take turns among the equally urgent; see [`Line`].
///
/// It is bounded and keeps no time: a call whose time is up leaves.
pub(crate) struct WaitQueue {
    most: usize,
    /// How many wait. Written under the lock; who reads an old value came a moment earlier.
    waiting: AtomicUsize,
    lines: Mutex<Lines>,
}

/// Who waits, and where.
#[derive(Debug)]
pub(crate) struct Waiter {
    lane: Lane,
    urgency: u8,
    party: Party,
    number: u64,
}

/// As many calls wait as may, and none of them for whom this one would come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// The lines of each lane, by how urgent they are; none is empty.
#[derive(Debug, Default)]
struct Lines {
    lines: BTreeMap<(Lane, u8), Line>,
    waiting: usize,
    /// The number of the last call that came.
    number: u64,
}

/// Whom to tell, or merely to drop, once the lock is open: both may run anything.
#[derive(Default)]
#[must_use]
struct Aftermath {
    wake: [Option<Waker>; 2],
    drop: Option<Waker>,
}

// === impl WaitQueue ===

impl WaitQueue {
    /// The least urgent; 0 is the most urgent, as in HTTP's `priority` header (RFC 9218).
    pub(crate) const LEAST_URGENT: u8 = 7;

    pub(crate) fn new(most: NonZeroUsize) -> Self {
        Self {
            most: most.get(),
            waiting: AtomicUsize::new(0),
            lines: Mutex::default(),
        }
    }

    /// Takes a place, if need be that of a less urgent call or of a tenant with more of them.
    pub(crate) fn join(
        self: &Arc<Self>,
        lane: Lane,
        tenant: Option<TenantId>,
        urgency: u8,
    ) -> Result<Ticket, Full> {
        let urgency = urgency.min(Self::LEAST_URGENT);
        let mut lines = self.lines();
        let displaced = if lines.waiting < self.most {
            None
        } else {
            Some(lines.less_than(lane, urgency, &tenant).ok_or(Full)?)
        };
        lines.number = lines.number.wrapping_add(1);
        let number = lines.number;
        lines.push(lane, urgency, tenant.clone(), number);
        // Only now, so that nobody is told to be first who is not.
        let aftermath = match displaced {
            Some((lane, urgency)) => lines.shorten(lane, urgency),
            None => Aftermath::default(),
        };
        self.unlock(lines, aftermath);
        let waiter = Waiter {
            lane,
            urgency,
            party: tenant,
            number,
        };
        Ok(Ticket::new(Arc::clone(self), waiter))
    }

    /// Whether anyone waits in a lane: who comes now comes after them.
    pub(crate) fn is_waiting(&self, lane: Lane) -> bool {
        self.len() > 0 && self.lines().first(lane).is_some()
    }

    /// How many calls wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.load(Relaxed)
    }

    /// Whether a call is the first in its lane; if not, it is told when it is.
    pub(crate) fn poll_front(&self, waiter: &Waiter, waker: &Waker) -> Poll<Result<(), Displaced>> {
        let waker = waker.clone();
        let mut lines = self.lines();
        let (poll, replaced) = match lines.waker(waiter) {
            None => (Poll::Ready(Err(Displaced)), Some(waker)),
            // Also of the first: it is told again if it has to stand back in between.
            Some(place) => {
                let replaced = place.replace(waker);
                if lines.first(waiter.lane) == Some(waiter.number) {
                    (Poll::Ready(Ok(())), replaced)
                } else {
                    (Poll::Pending, replaced)
                }
            }
        };
        let aftermath = Aftermath {
            drop: replaced,
            ..Aftermath::default()
        };
        self.unlock(lines, aftermath);
        poll
    }

    /// Takes a call out and wakes the next one, if it was the first.
    pub(crate) fn leave(&self, waiter: &Waiter, had_turn: bool) {
        let mut lines = self.lines();
        let aftermath = lines.leave(waiter, had_turn);
        self.unlock(lines, aftermath);
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakers are foreign code: it may come back here, so the lock is open by then.
    fn unlock(&self, lines: MutexGuard<'_, Lines>, aftermath: Aftermath) {
        self.waiting.store(lines.waiting, Relaxed);
        drop(lines);
        drop(aftermath.drop);
        aftermath.wake.into_iter().flatten().for_each(Waker::wake);
    }
}

impl fmt::Debug for WaitQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitQueue")
            .field("most", &self.most)
            .field("waiting", &self.len())
            .finish_non_exhaustive()
    }
}

// === impl Lines ===

impl Lines {
    /// The number of the first call of a lane.
    fn first(&self, lane: Lane) -> Option<u64> {
        let (_, line) = self.of_lane(lane).next()?;
        line.first()
    }

    fn waker(&mut self, waiter: &Waiter) -> Option<&mut Option<Waker>> {
        self.lines
            .get_mut(&(waiter.lane, waiter.urgency))?
            .waker(&waiter.party, waiter.number)
    }

    fn push(&mut self, lane: Lane, urgency: u8, party: Party, number: u64) {
        let line = self.lines.entry((lane, urgency)).or_default();
        line.push(party, number);
        self.waiting = self.waiting.saturating_add(1);
    }

    fn leave(&mut self, waiter: &Waiter, had_turn: bool) -> Aftermath {
        let (removed, next) = self.change(waiter.lane, waiter.urgency, |line| {
            line.remove(&waiter.party, waiter.number, had_turn)
        });
        Aftermath {
            wake: [next, None],
            drop: removed.flatten(),
        }
    }

    /// The line whose last call matters less than a newcomer; `None` if none does.
    ///
    /// Looks at every line; there are as many as there are different sets of targets, and it
    /// is asked only of a full queue.
    fn less_than(&self, lane: Lane, urgency: u8, party: &Party) -> Option<(Lane, u8)> {
        let own = self.lines.get(&(lane, urgency));
        let own = own.map_or(0, |line| line.length(party));
        let lines = self.lines.iter();
        let (urgent, (length, _), lane) = lines
            .map(|((lane, urgency), line)| (*urgency, line.longest(), *lane))
            .max_by_key(|(urgency, longest, _)| (*urgency, *longest))?;
        // Equals give way only if the newcomer's tenant still has no more than theirs after.
        ((urgent, length) > (urgency, own.saturating_add(1))).then_some((lane, urgent))
    }

    fn shorten(&mut self, lane: Lane, urgency: u8) -> Aftermath {
        let (removed, next) = self.change(lane, urgency, Line::shorten);
        Aftermath {
            wake: [removed.flatten(), next],
            drop: None,
        }
    }

    /// Takes a call out of a line; says what was taken, and the waker of who is first for it.
    fn change<T>(
        &mut self,
        lane: Lane,
        urgency: u8,
        take: impl FnOnce(&mut Line) -> Option<T>,
    ) -> (Option<T>, Option<Waker>) {
        let before = self.first(lane);
        let Some(line) = self.lines.get_mut(&(lane, urgency)) else {
            return (None, None);
        };
        let taken = take(line);
        if taken.is_some() {
            self.waiting = self.waiting.saturating_sub(1);
        }
        if line.is_empty() {
            self.lines.remove(&(lane, urgency));
        }
        if self.first(lane) == before {
            return (taken, None);
        }
        let next = self.of_lane_mut(lane).next();
        let next = next.and_then(|(_, line)| line.first_waker()?.take());
        (taken, next)
    }

    fn of_lane(&self, lane: Lane) -> impl Iterator<Item = (&(Lane, u8), &Line)> {
        self.lines.range((lane, 0)..=(lane, u8::MAX))
    }

    fn of_lane_mut(&mut self, lane: Lane) -> impl Iterator<Item = (&(Lane, u8), &mut Line)> {
        self.lines.range_mut((lane, 0)..=(lane, u8::MAX))
    }
}

#[cfg(test)]
mod memory;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod world;
