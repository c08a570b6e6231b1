use std::time::Duration;

use tokio::time::Instant;

/// How many calls are out whose head has not come, by when they went out.
///
/// For about a minute: what a call took of a limit longer ago has come back since.
#[derive(Debug, Default)]
pub(crate) struct Departures {
    /// One count for each tick, in a ring.
    counts: [u32; Departures::TICKS],
    newest: usize,
    /// When tick 0 began; `None` before the first call.
    epoch: Option<Instant>,
}

/// When a call went out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tick(usize);

// === impl Departures ===

impl Departures {
    const TICKS: usize = 32;
    const TICK: Duration = Duration::from_secs(2);

    /// How many ticks a call is new for: upstream may not have counted it yet.
    const NEW: usize = 2;

    pub(crate) fn leave(&mut self, now: Instant) -> Tick {
        self.turn(now);
        let tick = Tick(self.newest);
        let count = &mut self.counts[Self::place(tick)];
        *count = count.saturating_add(1);
        tick
    }

    /// The head of a call that left has come, or never will.
    pub(crate) fn arrive(&mut self, tick: Tick) {
        if self.newest.saturating_sub(tick.0) < Self::TICKS {
            let count = &mut self.counts[Self::place(tick)];
            *count = count.saturating_sub(1);
        }
    }

    /// Those of the last few seconds, and those of the last minute.
    pub(crate) fn out(&mut self, now: Instant) -> (u64, u64) {
        self.turn(now);
        let by_age = (0..=self.newest).rev().take(Self::TICKS);
        let mut sums = (0, 0);
        for (age, tick) in by_age.enumerate() {
            let count = u64::from(self.counts[Self::place(Tick(tick))]);
            sums.1 += count;
            if age < Self::NEW {
                sums.0 += count;
            }
        }
        sums
    }

    /// Moves on to the tick of `now`.
    fn turn(&mut self, now: Instant) {
        let epoch = *self.epoch.get_or_insert(now);
        let passed = now.saturating_duration_since(epoch).as_secs();
        let tick = usize::try_from(passed / Self::TICK.as_secs()).unwrap_or(usize::MAX);
        for begun in (self.newest..tick).rev().take(Self::TICKS) {
            self.counts[Self::place(Tick(begun.saturating_add(1)))] = 0;
        }
        self.newest = self.newest.max(tick);
    }

    const fn place(Tick(tick): Tick) -> usize {
        tick % Self::TICKS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_new_for_seconds_and_forgotten_after_a_minute() {
        let mut departures = Departures::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let first = departures.leave(at(0));
        departures.leave(at(3));
        assert_eq!(departures.out(at(3)), (2, 2));
        assert_eq!(departures.out(at(4)), (1, 2));
        assert_eq!(departures.out(at(6)), (0, 2));
        assert_eq!(departures.out(at(63)), (0, 2));
        assert_eq!(departures.out(at(64)), (0, 1));
        departures.leave(at(64));
        departures.arrive(first);
        assert_eq!(departures.out(at(64)), (1, 2), "it was forgotten before");
        assert_eq!(departures.out(at(66)), (1, 1));
        let late = departures.leave(at(1_000_000));
        assert_eq!(departures.out(at(1_000_001)), (1, 1));
        departures.arrive(late);
        assert_eq!(departures.out(at(1_000_001)), (0, 0));
    }

    #[test]
    fn a_clock_that_goes_back_loses_nothing() {
        let mut departures = Departures::default();
        let now = Instant::now() + Duration::from_secs(100);
        departures.leave(now - Duration::from_secs(50));
        departures.leave(now);
        let tick = departures.leave(now - Duration::from_secs(99));
        assert_eq!(departures.out(now), (2, 3));
        departures.arrive(tick);
        assert_eq!(departures.out(now), (1, 2));
    }
}
