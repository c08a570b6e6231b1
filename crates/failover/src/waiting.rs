use std::num::NonZeroUsize;
use std::time::Duration;

/// How many calls may wait for a target to take them, and how long.
///
/// Calls wait where every target they may go to is closed for a moment. The most urgent go
/// first, and among equally urgent ones the tenants take turns, so that nobody waits for
/// another's flood. A caller that leaves, or whose time is up, waits no longer.
///
/// When as many wait as may, a more urgent call takes the place of a less urgent one, and a
/// tenant with few waiting takes one from the tenant with the most. Whoever finds no place, loses
/// it, or has waited long enough is asked where a target is open all the same, though its account
/// may have nothing left, and is refused where none is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Waiting {
    most: NonZeroUsize,
    longest: Duration,
    stay: Duration,
}

const MOST: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1023);

// === impl Waiting ===

impl Waiting {
    /// At most 1024 calls, each for at most 5 seconds; 2 seconds for a target to stay at.
    pub const fn new() -> Self {
        Self {
            most: MOST,
            longest: Duration::from_secs(5),
            stay: Duration::from_secs(2),
        }
    }

    /// Sets how many calls may wait at a time, over all targets.
    pub const fn most(mut self, calls: NonZeroUsize) -> Self {
        self.most = calls;
        self
    }

    /// Sets how long a call may wait. One that would have to wait longer does not begin to.
    pub const fn longest(mut self, longest: Duration) -> Self {
        self.longest = longest;
        self
    }

    /// Sets how long a call with thinking in it waits for the target that it would be at if
    /// that were open, though others are: elsewhere its thinking may be dropped or refused.
    pub const fn stay(mut self, longest: Duration) -> Self {
        self.stay = longest;
        self
    }

    pub(crate) const fn to_stay(self) -> Duration {
        self.stay
    }

    pub(crate) const fn capacity(&self) -> NonZeroUsize {
        self.most
    }

    pub(crate) const fn limit(&self) -> Duration {
        self.longest
    }
}

impl Default for Waiting {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_may_wait_for_no_time() {
        let waiting = Waiting::default();
        assert_eq!(waiting.capacity().get(), 1_024);
        assert_eq!(waiting.limit(), Duration::from_secs(5));
        let least = waiting.most(NonZeroUsize::MIN).longest(Duration::ZERO);
        assert_eq!((least.capacity().get(), least.limit()), (1, Duration::ZERO));
    }
}
