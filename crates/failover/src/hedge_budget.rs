use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::hedge::Hedge;

/// Bounds hedges by calls, so that a slow upstream is not asked twice as much.
///
/// A call puts in its percentage, a hedge takes a hundred; it begins empty. So up to any moment
/// there were at most so many hedges for a hundred calls, in one process and in a fleet, and at
/// most ten at once after a quiet time.
#[derive(Debug)]
pub(crate) struct HedgeBudget {
    deposit: u64,
    tokens: AtomicU64,
}

// === impl HedgeBudget ===

impl HedgeBudget {
    const COST: u64 = 100;
    const CAPACITY: u64 = 10 * Self::COST;

    pub(crate) fn new(hedge: &Hedge) -> Self {
        Self {
            deposit: u64::from(hedge.percent()),
            tokens: AtomicU64::new(0),
        }
    }

    /// A call came in.
    pub(crate) fn deposit(&self) {
        // Nearly always it is full: then nothing is written, and no cache line moves.
        if self.deposit == 0 || self.tokens.load(Relaxed) >= Self::CAPACITY {
            return;
        }
        let add = |tokens: u64| Some(tokens.saturating_add(self.deposit).min(Self::CAPACITY));
        let _ = self.tokens.fetch_update(Relaxed, Relaxed, add);
    }

    /// Gives back what was paid for a hedge that did not come about.
    pub(crate) fn refund(&self) {
        let add = |tokens: u64| Some(tokens.saturating_add(Self::COST).min(Self::CAPACITY));
        let _ = self.tokens.fetch_update(Relaxed, Relaxed, add);
    }

    /// Pays for a hedge, whole or not at all.
    pub(crate) fn withdraw(&self) -> bool {
        let take = |tokens: u64| tokens.checked_sub(Self::COST);
        self.tokens.fetch_update(Relaxed, Relaxed, take).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_quiet_time_pays_for_ten_and_nothing_for_none() {
        let budget = HedgeBudget::new(&Hedge::new().budget(100));
        assert!(!budget.withdraw());
        (0..1_000).for_each(|_| budget.deposit());
        assert_eq!((0..100).filter(|_| budget.withdraw()).count(), 10);

        let none = HedgeBudget::new(&Hedge::new().budget(0));
        (0..1_000).for_each(|_| none.deposit());
        assert!(!none.withdraw());
    }

    #[test]
    fn many_threads_take_no_more_than_was_put_in() {
        let budget = HedgeBudget::new(&Hedge::new());
        let hedges: u64 = std::thread::scope(|scope| {
            let ask = || {
                budget.deposit();
                u64::from(budget.withdraw())
            };
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(move || (0..10_000).map(|_| ask()).sum::<u64>()))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum()
        });
        assert_eq!(hedges, 40_000 / 20);
    }

    proptest! {
        #[test]
        fn hedges_are_never_more_than_their_share_of_the_calls(
            percent: u8,
            calls in proptest::collection::vec(any::<bool>(), 0..2_000),
        ) {
            let budget = HedgeBudget::new(&Hedge::new().budget(percent));
            let mut hedges = 0;
            for (number, is_slow) in (1_u64..).zip(calls) {
                budget.deposit();
                hedges += u64::from(is_slow && budget.withdraw());
                prop_assert!(hedges * 100 <= number * u64::from(percent.min(100)));
            }
        }
    }
}
