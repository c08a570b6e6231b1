use std::time::Duration;

use tokio::time::Instant;
use tower_claude_core::RateLimit;

use crate::deadline::after;

/// One rate limit of an account, as upstream last told it, refilled in a straight line since.
///
/// Reckons in whole thousandths of a request or a token, and in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    limit: u64,
    /// What was left at `at`.
    level: u64,
    at: Instant,
    /// When nothing of it will be used any more.
    full_at: Instant,
}

/// The limits are per minute: what is taken now is back after that share of one.
const REFILL: Duration = Duration::from_secs(60);

// === impl Bucket ===

impl Bucket {
    /// One request or token.
    pub(crate) const ONE: u64 = 1_000;

    /// So many requests or tokens; what no limit can hold counts as the most it can.
    pub(crate) const fn units(count: u64) -> u64 {
        count.saturating_mul(Self::ONE)
    }

    pub(crate) fn new(told: &RateLimit, now: Instant) -> Self {
        let limit = Self::units(told.limit);
        Self {
            limit,
            level: Self::units(told.remaining).min(limit),
            at: now,
            full_at: after(now, told.reset_after),
        }
    }

    /// Takes so many thousandths, or what there is.
    pub(crate) fn take(&mut self, amount: u64, now: Instant) {
        // Not only for speed: who rounds down often, for nothing, loses a refill.
        if amount == 0 {
            return;
        }
        let level = self.level(now);
        let taken = amount.min(level);
        let refill = scale(taken, micros(REFILL), self.limit);
        self.level = level.saturating_sub(taken);
        self.at = self.at.max(now);
        self.full_at = after(self.full_at.max(now), Duration::from_micros(refill));
    }

    /// How long it takes until so many thousandths are there; `None` if they are there now.
    ///
    /// What is more than the whole limit is there when the bucket is full.
    pub(crate) fn wait_for(&self, amount: u64, now: Instant) -> Option<Duration> {
        let amount = amount.min(self.limit);
        // Most often so, and known without a division.
        if self.level >= amount || self.level(now) >= amount {
            return None;
        }
        let missing = u128::from(amount.saturating_sub(self.level));
        let used = u128::from(self.used_at_first());
        let whole = u128::from(micros(self.full_at.saturating_duration_since(self.at)));
        // Rounded up: when it has passed, the amount is there.
        let wait = missing.saturating_mul(whole).div_ceil(used.max(1));
        let wait = u64::try_from(wait).unwrap_or(u64::MAX);
        let passed = micros(now.saturating_duration_since(self.at));
        // A clock that goes back waits for both ways.
        let behind = self.at.saturating_duration_since(now);
        Some(Duration::from_micros(wait.saturating_sub(passed)).saturating_add(behind))
    }

    /// The share that is used, from 0 to 1; `None` of a limit of nothing.
    pub(crate) fn used(&self, now: Instant) -> Option<f64> {
        const STEPS: u32 = 10_000;
        let used = self.limit.saturating_sub(self.level(now));
        if self.limit == 0 {
            return None;
        }
        let share = scale(used, u64::from(STEPS), self.limit);
        let share = u32::try_from(share).unwrap_or(STEPS);
        Some(f64::from(share) / f64::from(STEPS))
    }

    /// What is left, in thousandths.
    fn level(&self, now: Instant) -> u64 {
        if now >= self.full_at {
            return self.limit;
        }
        let used = self.used_at_first();
        let passed = micros(now.saturating_duration_since(self.at));
        let whole = micros(self.full_at.saturating_duration_since(self.at));
        let refilled = scale(used, passed, whole);
        self.level.saturating_add(refilled.min(used))
    }

    const fn used_at_first(&self) -> u64 {
        self.limit.saturating_sub(self.level)
    }
}

/// `amount` × `part` ÷ `whole`, rounded down; 0 of a whole of nothing.
fn scale(amount: u64, part: u64, whole: u64) -> u64 {
    // All that upstream really tells fits.
    if let Some(product) = amount.checked_mul(part) {
        return product.checked_div(whole).unwrap_or(0);
    }
    let product = u128::from(amount).saturating_mul(u128::from(part));
    let scaled = product.checked_div(u128::from(whole)).unwrap_or(0);
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(limit: u64, remaining: u64, seconds: u64) -> RateLimit {
        RateLimit::new(limit, remaining, Duration::from_secs(seconds))
    }

    #[test]
    fn refills_in_a_straight_line_and_is_full_at_its_reset() {
        let now = Instant::now();
        let bucket = Bucket::new(&told(100, 40, 30), now);
        let left = |seconds| bucket.level(now + Duration::from_secs(seconds)) / Bucket::ONE;
        assert_eq!(
            [left(0), left(10), left(15), left(30), left(99)],
            [40, 60, 70, 100, 100]
        );
        let wait = bucket.wait_for(Bucket::units(50), now);
        assert_eq!(wait, Some(Duration::from_secs(5)));
        assert_eq!(bucket.wait_for(Bucket::units(40), now), None);
    }

    #[test]
    fn a_reset_that_is_past_means_that_it_is_full() {
        let now = Instant::now();
        let bucket = Bucket::new(&told(100, 0, 0), now);
        assert_eq!(bucket.wait_for(Bucket::units(100), now), None);
        assert_eq!(bucket.used(now), Some(0.0));
    }

    #[test]
    fn what_is_taken_is_back_after_its_share_of_a_minute() {
        let now = Instant::now();
        let mut bucket = Bucket::new(&told(60, 60, 0), now);
        let now = now + Duration::from_secs(100);
        bucket.take(Bucket::units(60), now);
        assert_eq!(bucket.used(now), Some(1.0));
        let second = Duration::from_secs(1);
        assert_eq!(bucket.wait_for(Bucket::ONE, now), Some(second));
        bucket.take(Bucket::units(60), now);
        assert_eq!(
            bucket.wait_for(Bucket::units(u64::MAX), now),
            Some(60 * second)
        );
    }

    #[test]
    fn many_takes_close_together_do_not_round_the_refill_away() {
        let start = Instant::now();
        let mut bucket = Bucket::new(&told(60, 0, 60), start);
        for micros in 1..=300_000 {
            bucket.take(0, start + Duration::from_micros(100 * micros));
        }
        let now = start + Duration::from_secs(30);
        assert_eq!(bucket.used(now), Some(0.5));
    }

    proptest! {
        #[test]
        fn after_the_wait_it_is_there_whatever_the_numbers(
            limit: u64,
            remaining: u64,
            reset_after in any::<u64>().prop_map(Duration::from_nanos),
            takes in proptest::collection::vec((any::<u64>(), 0..100_000_000_000_u64), 0..8),
            amount: u64,
        ) {
            let told = RateLimit::new(limit, remaining, reset_after);
            let start = Instant::now() + Duration::from_secs(200);
            let mut bucket = Bucket::new(&told, start);
            let mut now = start;
            for (amount, nanos) in takes {
                // Now and then before what was told.
                now = start + Duration::from_nanos(nanos) - Duration::from_secs(20);
                bucket.take(amount, now);
                prop_assert!(bucket.level(now) <= bucket.limit);
            }
            if let Some(wait) = bucket.wait_for(amount, now) {
                prop_assert_eq!(bucket.wait_for(amount, now + wait), None);
                if let Some(shorter) = wait.checked_sub(Duration::from_micros(2)) {
                    prop_assert!(bucket.wait_for(amount, now + shorter).is_some());
                }
            }
            let used = bucket.used(now);
            prop_assert!(used.is_none_or(|used| (0.0..=1.0).contains(&used)));
        }
    }
}
