use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

/// How long it takes until an answer is known to be good, of late.
///
/// A histogram whose buckets are a quarter of an octave wide, from 16 milliseconds to 17
/// minutes. All counts are halved again and again, so that the last few thousand answers
/// decide. It takes no lock; counts that are halved meanwhile may be off by a few.
pub(crate) struct Latency {
    counts: [AtomicU32; Latency::BUCKETS],
    recorded: AtomicU32,
}

// === impl Latency ===

impl Latency {
    const BUCKETS: usize = 64;

    /// Four buckets an octave.
    const PARTS: u32 = 2;

    /// The octaves that are below the first bucket's end: 16 milliseconds.
    const SKIPPED: u32 = 4;

    /// Fewer samples say nothing.
    const FEWEST: u64 = 20;

    /// All counts are halved after so many samples; it divides what a `u32` can hold.
    const HALVED_AFTER: u32 = 4_096;

    pub(crate) fn record(&self, latency: Duration) {
        self.counts[Self::bucket(latency)].fetch_add(1, Relaxed);
        let recorded = self.recorded.fetch_add(1, Relaxed).wrapping_add(1);
        // Only one thread gets each number.
        if recorded.is_multiple_of(Self::HALVED_AFTER) {
            for count in &self.counts {
                let half = |count| Some(count / 2);
                let _ = count.fetch_update(Relaxed, Relaxed, half);
            }
        }
    }

    /// The time within which so many of a thousand answers were good: the upper end of its
    /// bucket, so up to a quarter too long; `None` as long as there are too few.
    pub(crate) fn quantile(&self, per_mille: u16) -> Option<Duration> {
        let counts = self.counts.each_ref().map(|count| count.load(Relaxed));
        let total = counts.iter().copied().map(u64::from).sum::<u64>();
        if total < Self::FEWEST {
            return None;
        }
        let rank = (total * u64::from(per_mille))
            .div_ceil(1_000)
            .clamp(1, total);
        let mut below = 0;
        let bucket = counts.into_iter().position(|count| {
            below += u64::from(count);
            below >= rank
        })?;
        Some(Self::end(bucket))
    }

    fn bucket(latency: Duration) -> usize {
        let millis = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX);
        let Some(octave) = millis
            .checked_ilog2()
            .and_then(|octave| octave.checked_sub(Self::SKIPPED))
        else {
            return 0;
        };
        let part = millis >> (octave + Self::SKIPPED - Self::PARTS);
        // The highest bit of a part says no more than the octave does.
        let bucket = (u64::from(octave) << Self::PARTS) + (part & ((1 << Self::PARTS) - 1));
        usize::try_from(bucket).map_or(Self::BUCKETS - 1, |bucket| bucket.min(Self::BUCKETS - 1))
    }

    /// Where the next bucket begins.
    fn end(bucket: usize) -> Duration {
        let next = u64::try_from(bucket).map_or(u64::MAX, |bucket| bucket.saturating_add(1));
        let (octave, part) = (next >> Self::PARTS, next & ((1 << Self::PARTS) - 1));
        let parts = part + (1 << Self::PARTS);
        Duration::from_millis(parts << (octave + u64::from(Self::SKIPPED - Self::PARTS)))
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self {
            counts: [const { AtomicU32::new(0) }; Self::BUCKETS],
            recorded: AtomicU32::new(0),
        }
    }
}

impl fmt::Debug for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latency")
            .field("median", &self.quantile(500))
            .field("recorded", &self.recorded)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MILLI: Duration = Duration::from_millis(1);

    #[test]
    fn says_nothing_before_twenty_samples() {
        let latency = Latency::default();
        for _ in 0..19 {
            latency.record(100 * MILLI);
        }
        assert_eq!(latency.quantile(500), None);
        latency.record(100 * MILLI);
        assert_eq!(latency.quantile(500), Some(112 * MILLI));
    }

    #[test]
    fn a_quantile_is_at_most_a_quarter_too_long() {
        let latency = Latency::default();
        for millis in 1..=1_000 {
            latency.record(millis * MILLI);
        }
        for (per_mille, millis) in [
            (0, 20),
            (500, 512),
            (900, 1_024),
            (950, 1_024),
            (999, 1_024),
        ] {
            assert_eq!(
                latency.quantile(per_mille),
                Some(millis * MILLI),
                "{per_mille}"
            );
        }
        assert_eq!(latency.quantile(u16::MAX), latency.quantile(1_000));
    }

    #[test]
    fn what_was_long_ago_is_forgotten() {
        let latency = Latency::default();
        for _ in 0..100_000 {
            latency.record(60_000 * MILLI);
        }
        for _ in 0..3 * 4_096 {
            latency.record(100 * MILLI);
        }
        assert_eq!(latency.quantile(500), Some(112 * MILLI));
        let counts = latency.counts.iter().map(|count| count.load(Relaxed));
        assert!(counts.sum::<u32>() <= 2 * 4_096);
    }

    #[test]
    fn many_threads_halve_each_time_once() {
        let latency = Latency::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..40_960).for_each(|_| latency.record(100 * MILLI)));
            }
        });
        let count: u32 = latency.counts.iter().map(|count| count.load(Relaxed)).sum();
        assert!((4_000..=4_200).contains(&count), "{count}");
    }

    proptest! {
        #[test]
        fn each_sample_is_below_its_buckets_end_and_not_far(millis: u64) {
            // Small ones as likely as large ones.
            let millis = millis >> (millis % 64);
            let bucket = Latency::bucket(Duration::from_millis(millis));
            prop_assert!(bucket < Latency::BUCKETS);
            let end = Latency::end(bucket).as_millis();
            let is_last = bucket == Latency::BUCKETS - 1;
            prop_assert!(is_last || u128::from(millis) < end);
            prop_assert!(millis < 16 || u128::from(millis) * 5 >= end * 4 - 5);
            prop_assert!(bucket == 0 || end > Latency::end(bucket - 1).as_millis());
        }
    }
}
