use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::time::Instant;
use tower_claude_core::FailureKind;

/// Bounds retries by what succeeds, so that an upstream in trouble is not asked more, but less.
///
/// A bucket of 500 tokens. A retry after a throttle (429, 503, 529) takes 5 of them, any other
/// 10; a call that succeeds at its first attempt puts back half a token; 5 tokens a second
/// come back by themselves, for callers too few to earn any. When there are too few tokens,
/// the failure is the answer.
///
/// So over any time the attempts of an upstream that throttles everything are at most the
/// calls, and 100, and one a second; and whatever fails, at most one retry for every ten calls
/// that succeed comes on top of these. All arithmetic is in whole thousandths of a token.
///
/// Retries of the callers themselves (`x-stainless-retry-count`) take 5 tokens too, as far as
/// there are any: they are part of the same storm.
///
/// A clone is the same bucket: share one among layers that ask the same upstream.
#[derive(Clone)]
pub struct RetryQuota(Arc<Bucket>);

/// All in thousandths of a token.
struct Bucket {
    capacity: u64,
    /// What comes back in a millisecond, which is also tokens a second.
    floor: u64,
    tokens: AtomicU64,
    epoch: Instant,
    /// Milliseconds after the epoch up to which the floor has been paid.
    paid: AtomicU64,
}

/// What one retry takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cost(u64);

// === impl RetryQuota ===

impl RetryQuota {
    /// The tokens of a full bucket.
    pub const CAPACITY: NonZeroU32 = NonZeroU32::MIN.saturating_add(499);

    /// The tokens that come back in a second, whatever happens.
    pub const FLOOR: u32 = 5;

    const DEPOSIT: u64 = 500;

    /// A full bucket of 500 tokens, of which 5 come back in a second.
    #[must_use]
    pub fn new() -> Self {
        Self::full(
            u64::from(Self::CAPACITY.get()) * 1000,
            u64::from(Self::FLOOR),
        )
    }

    /// A full bucket of so many tokens, no longer shared with its clones.
    #[must_use]
    pub fn capacity(self, tokens: NonZeroU32) -> Self {
        Self::full(u64::from(tokens.get()) * 1000, self.0.floor)
    }

    /// A full bucket to which so many tokens come back in a second, no longer shared with its
    /// clones; with 0, only successes earn retries.
    #[must_use]
    pub fn floor(self, tokens_per_second: u32) -> Self {
        Self::full(self.0.capacity, u64::from(tokens_per_second))
    }

    /// The whole tokens in the bucket now.
    #[must_use]
    pub fn available(&self) -> u64 {
        self.pay(Instant::now());
        self.0.tokens.load(Relaxed) / 1000
    }

    fn full(capacity: u64, floor: u64) -> Self {
        Self(Arc::new(Bucket {
            capacity,
            floor,
            tokens: AtomicU64::new(capacity),
            epoch: Instant::now(),
            paid: AtomicU64::new(0),
        }))
    }

    /// Whether not even the cheapest retry can be paid for.
    pub(crate) fn is_empty(&self, now: impl FnOnce() -> Instant) -> bool {
        let is_short = || self.0.tokens.load(Relaxed) < Cost::THROTTLE.0;
        is_short() && {
            self.pay(now());
            is_short()
        }
    }

    /// A call succeeded at its first attempt.
    pub(crate) fn deposit(&self) {
        self.add(Self::DEPOSIT);
    }

    /// Pays for a retry, whole or not at all.
    pub(crate) fn withdraw(&self, cost: Cost, now: Instant) -> bool {
        self.pay(now);
        self.0
            .tokens
            .fetch_update(Relaxed, Relaxed, |tokens| tokens.checked_sub(cost.0))
            .is_ok()
    }

    /// Takes what there is, for a retry that is already under way.
    pub(crate) fn charge(&self, cost: Cost) {
        // Any caller can say this of itself: its word alone takes half, and never the rest.
        let least = self.0.capacity / 2;
        let _ = self.0.tokens.fetch_update(Relaxed, Relaxed, |tokens| {
            Some(tokens.saturating_sub(cost.0).max(least.min(tokens)))
        });
    }

    /// Adds what has come back by itself since this was last asked.
    fn pay(&self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.0.epoch).as_millis();
        let elapsed = u64::try_from(elapsed).unwrap_or(u64::MAX);
        // The maximum goes up once for every millisecond, so each is paid for once.
        let paid = self.0.paid.fetch_max(elapsed, Relaxed);
        self.add(elapsed.saturating_sub(paid).saturating_mul(self.0.floor));
    }

    fn add(&self, tokens: u64) {
        // Nearly every call adds, and nearly always to a full bucket: then nothing is written,
        // and no cache line moves between cores.
        if tokens == 0 || self.0.tokens.load(Relaxed) >= self.0.capacity {
            return;
        }
        let _ = self.0.tokens.fetch_update(Relaxed, Relaxed, |held| {
            Some(held.saturating_add(tokens).min(self.0.capacity))
        });
    }
}

impl Default for RetryQuota {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for RetryQuota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryQuota")
            .field("capacity", &(self.0.capacity / 1000))
            .field("floor", &self.0.floor)
            .field("available", &self.available())
            .finish()
    }
}

// === impl Cost ===

impl Cost {
    pub(crate) const THROTTLE: Self = Self(5_000);
    const OTHER: Self = Self(10_000);

    /// What a retry takes after such a failure.
    pub(crate) const fn of(kind: FailureKind) -> Self {
        match kind {
            FailureKind::RateLimited | FailureKind::Overloaded => Self::THROTTLE,
            _ => Self::OTHER,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    #[derive(Clone, Copy, Debug)]
    enum Event {
        Success,
        Throttled,
        Reset,
        ClientRetry,
        Later(u64),
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            3 => Just(Event::Success),
            5 => Just(Event::Throttled),
            3 => Just(Event::Reset),
            1 => Just(Event::ClientRetry),
            1 => (0..5_000_u64).prop_map(Event::Later),
        ]
    }

    proptest! {
        #[test]
        fn retries_never_cost_more_than_was_held_earned_and_came_back(
            events in proptest::collection::vec(event(), 0..400),
            capacity in 1..2_000_u32,
            floor in 0..20_u32,
        ) {
            let quota = RetryQuota::new()
                .capacity(NonZeroU32::new(capacity).unwrap())
                .floor(floor);
            let start = quota.0.epoch;
            let (mut now, mut spent, mut earned) = (start, 0, 0);
            for event in events {
                let cost = match event {
                    Event::Success => {
                        quota.deposit();
                        earned += RetryQuota::DEPOSIT;
                        continue;
                    }
                    Event::Later(millis) => {
                        now += Duration::from_millis(millis);
                        earned += millis * u64::from(floor);
                        continue;
                    }
                    Event::ClientRetry => {
                        quota.charge(Cost::THROTTLE);
                        continue;
                    }
                    Event::Throttled => Cost::of(FailureKind::Overloaded),
                    Event::Reset => Cost::of(FailureKind::NotSent),
                };
                let is_empty = quota.is_empty(|| now);
                if quota.withdraw(cost, now) {
                    prop_assert!(!is_empty);
                    spent += cost.0;
                }
                prop_assert!(quota.0.tokens.load(Relaxed) <= quota.0.capacity);
                prop_assert!(spent <= quota.0.capacity + earned);
            }
        }

        #[test]
        fn at_most_one_throttle_is_retried_for_ten_successes_once_the_bucket_is_empty(
            outcomes in proptest::collection::vec(any::<bool>(), 1..1_000),
        ) {
            let quota = RetryQuota::new().floor(0);
            let now = quota.0.epoch;
            while quota.withdraw(Cost::THROTTLE, now) {}
            let (mut successes, mut retries) = (0_u64, 0_u64);
            for is_success in outcomes {
                if is_success {
                    quota.deposit();
                    successes += 1;
                } else if quota.withdraw(Cost::THROTTLE, now) {
                    retries += 1;
                }
            }
            prop_assert!(retries * 10 <= successes);
        }
    }

    #[test]
    fn every_millisecond_is_paid_once_however_often_it_is_asked() {
        let quota = RetryQuota::new();
        let start = quota.0.epoch;
        while quota.withdraw(Cost::THROTTLE, start) {}
        for millis in 1..=1_000 {
            let now = start + Duration::from_millis(millis);
            assert_eq!(quota.is_empty(|| now), millis < 1_000);
            assert_eq!(quota.is_empty(|| now), millis < 1_000);
        }
        assert!(
            !quota.is_empty(|| start),
            "time that runs back pays nothing"
        );
        assert!(quota.withdraw(Cost::THROTTLE, start));
        assert!(quota.is_empty(|| start));
    }

    #[test]
    fn many_threads_withdraw_no_more_than_there_is() {
        let quota = RetryQuota::new().floor(0);
        let now = quota.0.epoch;
        let withdrawn: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        (0..1_000)
                            .filter(|_| quota.withdraw(Cost::THROTTLE, now))
                            .count()
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum()
        });
        assert_eq!(withdrawn, 100);
    }
}
