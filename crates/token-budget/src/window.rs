use std::collections::VecDeque;

/// What has been spent in the last period, and when it stops to count.
///
/// A sliding window of the conservative kind: what is spent within a sixtieth of the period
/// is kept together and stops to count when the *last* of it is a whole period old. So there
/// is no window of the period's length, wherever it begins, that holds more than was let in;
/// and what counts at all stops to count within one period.
///
/// Times are in microseconds on the store's clock.
#[derive(Debug)]
pub(crate) struct Window {
    length: u64,
    spent: u64,
    slots: VecDeque<Slot>,
}

#[derive(Debug)]
struct Slot {
    last: u64,
    amount: u64,
}

/// Into how many parts a period is cut.
const PARTS: u64 = 60;

// === impl Window ===

impl Window {
    pub(crate) const fn new(length: u64) -> Self {
        Self {
            length,
            spent: 0,
            slots: VecDeque::new(),
        }
    }

    /// The length of the period.
    pub(crate) const fn length(&self) -> u64 {
        self.length
    }

    /// What counts, as of the last [`advance`](Self::advance).
    pub(crate) const fn spent(&self) -> u64 {
        self.spent
    }

    /// Forgets what is a period old.
    pub(crate) fn advance(&mut self, now: u64) {
        while let Some(slot) = self.slots.front() {
            if slot.last.saturating_add(self.length) > now {
                return;
            }
            self.spent = self.spent.saturating_sub(slot.amount);
            self.slots.pop_front();
        }
    }

    /// Adds what is spent at a moment, however much that is.
    pub(crate) fn add(&mut self, at: u64, amount: u64) {
        if amount == 0 {
            return;
        }
        self.spent = self.spent.saturating_add(amount);
        let part = (self.length / PARTS).max(1);
        match self.slots.back_mut() {
            // Later than it was: it counts a little longer, never shorter.
            Some(slot) if at / part <= slot.last / part => {
                slot.last = slot.last.max(at);
                slot.amount = slot.amount.saturating_add(amount);
            }
            _ => self.slots.push_back(Slot { last: at, amount }),
        }
    }

    /// Takes back what was added at that moment, if it still counts.
    pub(crate) fn take_back(&mut self, at: u64, amount: u64) {
        let index = self.slots.partition_point(|slot| slot.last < at);
        if let Some(slot) = self.slots.get_mut(index) {
            let amount = amount.min(slot.amount);
            slot.amount -= amount;
            self.spent = self.spent.saturating_sub(amount);
        }
    }

    /// When so much will have stopped to count; `None` if there is not as much.
    pub(crate) fn frees_at(&self, amount: u64) -> Option<u64> {
        let mut freed = 0_u64;
        let slot = self.slots.iter().find(|slot| {
            freed = freed.saturating_add(slot.amount);
            freed >= amount
        })?;
        Some(slot.last.saturating_add(self.length))
    }

    /// When nothing counts any more; `None` if that is so already.
    pub(crate) fn empty_at(&self) -> Option<u64> {
        let slot = self.slots.back()?;
        Some(slot.last.saturating_add(self.length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;
    const MINUTE: u64 = 60 * SECOND;

    #[test]
    fn what_is_spent_counts_for_a_whole_period_and_no_longer_than_that() {
        let mut window = Window::new(MINUTE);
        window.add(5, 10);
        assert_eq!(window.frees_at(10), Some(MINUTE + 5));
        assert_eq!(window.frees_at(11), None);
        window.advance(MINUTE + 4);
        assert_eq!(window.spent(), 10);
        window.advance(MINUTE + 5);
        assert_eq!((window.spent(), window.empty_at()), (0, None));
    }

    #[test]
    fn neighbours_are_kept_together_and_stop_to_count_with_the_last() {
        let mut window = Window::new(MINUTE);
        window.add(0, 1);
        window.add(SECOND - 1, 2);
        window.add(SECOND, 4);
        assert_eq!(window.slots.len(), 2);
        assert_eq!(window.frees_at(1), Some(MINUTE + SECOND - 1));
        window.advance(MINUTE + SECOND - 1);
        assert_eq!(window.spent(), 4);
    }

    #[test]
    fn never_keeps_more_slots_than_parts_and_one() {
        let mut window = Window::new(MINUTE);
        for at in (0..10 * MINUTE).step_by(30_011) {
            window.advance(at);
            window.add(at, 1);
            assert!(window.slots.len() <= 61);
        }
    }

    #[test]
    fn takes_back_only_what_still_counts() {
        let mut window = Window::new(MINUTE);
        window.add(0, 1);
        window.add(2 * SECOND, 5);
        window.take_back(2 * SECOND, 1);
        assert_eq!(window.spent(), 5);
        window.advance(MINUTE);
        assert_eq!(window.spent(), 4);
        window.take_back(0, 9);
        assert_eq!(window.spent(), 0, "and never more than there is");
        window.advance(2 * MINUTE);
        window.take_back(2 * SECOND, 1);
        assert_eq!(window.spent(), 0);
    }

    #[test]
    fn a_clock_that_stands_or_jumps_back_keeps_the_order() {
        let mut window = Window::new(MINUTE);
        window.add(10 * SECOND, 1);
        window.add(3 * SECOND, 1);
        assert_eq!(window.slots.len(), 1);
        assert_eq!(window.empty_at(), Some(MINUTE + 10 * SECOND));
    }
}
