use std::collections::VecDeque;

/// What has been spent in the last period, and when it stops to count.
///
/// A sliding window of the conservative kind: what is spent within a sixtieth of the period
/// is kept together and stops to count when the *last* of it is a whole period old. So there
/// is no window of the period's length, wherever it begins, that holds more than was let in;
/// and what counts at all stops to count within one period.
///
/// Times are in milliseconds on the store's clock, and so are windows.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    slots: VecDeque<Slot>,
}

#[derive(Debug)]
struct Slot {
    last: u64,
    amount: u64,
}

/// Into how many parts a period is cut.
pub(crate) const PARTS: u64 = 60;

// === impl Slots ===

impl Slots {
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Forgets what is a period old; says how much that is.
    pub(crate) fn advance(&mut self, now: u64, period: u64) -> u64 {
        let mut freed = 0_u64;
        while let Some(slot) = self.slots.front() {
            if slot.last.saturating_add(period) > now {
                break;
            }
            freed = freed.saturating_add(slot.amount);
            self.slots.pop_front();
        }
        freed
    }

    /// Adds what is spent at a moment.
    pub(crate) fn add(&mut self, at: u64, amount: u64, period: u64) {
        let part = part(period);
        match self.slots.back_mut() {
            // Later than it was: it counts a little longer, never shorter.
            Some(slot) if at / part <= slot.last / part => {
                slot.last = slot.last.max(at);
                slot.amount = slot.amount.saturating_add(amount);
            }
            _ => self.slots.push_back(Slot { last: at, amount }),
        }
    }

    /// Takes back what was added at that moment, if it still counts; says how much it was.
    pub(crate) fn take_back(&mut self, at: u64, amount: u64, period: u64) -> u64 {
        let part = part(period);
        let index = self
            .slots
            .partition_point(|slot| slot.last / part < at / part);
        match self.slots.get_mut(index) {
            Some(slot) if slot.last / part == at / part => {
                let amount = amount.min(slot.amount);
                slot.amount -= amount;
                amount
            }
            _ => 0,
        }
    }

    /// When so much will have stopped to count; `None` if there is not as much.
    pub(crate) fn frees_at(&self, amount: u64, period: u64) -> Option<u64> {
        let mut freed = 0_u64;
        let slot = self.slots.iter().find(|slot| {
            freed = freed.saturating_add(slot.amount);
            freed >= amount
        })?;
        Some(slot.last.saturating_add(period))
    }

    /// When nothing counts any more; `None` if that is so already.
    pub(crate) fn empty_at(&self, period: u64) -> Option<u64> {
        let slot = self.slots.back()?;
        Some(slot.last.saturating_add(period))
    }
}

/// The length of a part, in milliseconds.
const fn part(period: u64) -> u64 {
    let part = period / PARTS;
    if part == 0 { 1 } else { part }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000;
    const MINUTE: u64 = 60 * SECOND;

    #[test]
    fn what_is_spent_counts_for_a_whole_period_and_no_longer_than_that() {
        let mut slots = Slots::default();
        slots.add(5, 10, MINUTE);
        assert_eq!(slots.frees_at(10, MINUTE), Some(MINUTE + 5));
        assert_eq!(slots.frees_at(11, MINUTE), None);
        assert_eq!(slots.advance(MINUTE + 4, MINUTE), 0);
        assert_eq!(slots.advance(MINUTE + 5, MINUTE), 10);
        assert_eq!(slots.empty_at(MINUTE), None);
    }

    #[test]
    fn neighbours_are_kept_together_and_stop_to_count_with_the_last() {
        let mut slots = Slots::default();
        slots.add(0, 1, MINUTE);
        slots.add(SECOND - 1, 2, MINUTE);
        slots.add(SECOND, 4, MINUTE);
        assert_eq!(slots.slots.len(), 2);
        assert_eq!(slots.frees_at(1, MINUTE), Some(MINUTE + SECOND - 1));
        assert_eq!(slots.advance(MINUTE + SECOND - 1, MINUTE), 3);
    }

    #[test]
    fn never_keeps_more_slots_than_parts_and_one() {
        let mut slots = Slots::default();
        for at in (0..10 * MINUTE).step_by(31) {
            slots.advance(at, MINUTE);
            slots.add(at, 1, MINUTE);
            assert!(slots.slots.len() <= 61);
        }
    }

    #[test]
    fn takes_back_only_what_still_counts() {
        let mut slots = Slots::default();
        slots.add(0, 1, MINUTE);
        slots.add(2 * SECOND, 5, MINUTE);
        assert_eq!(slots.take_back(2 * SECOND + 1, 1, MINUTE), 1);
        assert_eq!(slots.take_back(SECOND, 1, MINUTE), 0, "nothing was spent");
        slots.advance(MINUTE, MINUTE);
        assert_eq!(slots.take_back(0, 9, MINUTE), 0, "it is gone");
        assert_eq!(slots.take_back(2 * SECOND, 9, MINUTE), 4);
    }

    #[test]
    fn a_clock_that_stands_or_jumps_back_keeps_the_order() {
        let mut slots = Slots::default();
        slots.add(10 * SECOND, 1, MINUTE);
        slots.add(3 * SECOND, 1, MINUTE);
        assert_eq!(slots.slots.len(), 1);
        assert_eq!(slots.empty_at(MINUTE), Some(MINUTE + 10 * SECOND));
    }
}
