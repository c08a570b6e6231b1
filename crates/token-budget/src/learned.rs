use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::books::Seed;
use crate::{Owner, ReserveOutput};

/// What calls have needed of output lately, by owner and model.
///
/// A table of fixed size, so that no caller can make it grow: two pairs that fall on one
/// place push each other out, and who is pushed out is estimated as if new.
#[derive(Debug)]
pub(crate) struct Learned {
    seed: Seed,
    slots: Box<[Mutex<Slot>]>,
}

/// Where an owner and a model are found in the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LearnedKey(u64);

/// A smoothed mean and mean deviation, as in the round-trip estimate of TCP.
#[derive(Debug, Default)]
struct Slot {
    key: u64,
    /// In sixteenths of a token.
    mean: u64,
    deviation: u64,
    /// How long the calls lasted, in milliseconds.
    lasting: u64,
}

const SLOTS: u64 = 1024;
const FRACTION: u64 = 16;
/// The least that `Balanced` sets aside.
const LEAST: u64 = 256;
/// What is set aside where nothing is known.
const FIRST_BALANCED: u64 = 1024;
const FIRST_OPTIMISTIC: u64 = 256;

// === impl Learned ===

impl Learned {
    pub(crate) fn key(&self, owner: &Owner, model: &str) -> LearnedKey {
        let mut hasher = self.seed.build_hasher();
        owner.hash(&mut hasher);
        hasher.write(model.as_bytes());
        LearnedKey(hasher.finish())
    }

    /// How much output to set aside, before `max_tokens` caps it.
    pub(crate) fn output(&self, key: LearnedKey, policy: ReserveOutput) -> u64 {
        if policy == ReserveOutput::Strict {
            return u64::MAX;
        }
        let known = self.with(key, |slot| {
            (slot.key == key.0 && slot.mean > 0).then_some((slot.mean, slot.deviation))
        });
        match (known, policy) {
            (Some((mean, _)), ReserveOutput::Optimistic) => mean.div_ceil(FRACTION),
            (None, ReserveOutput::Optimistic) => FIRST_OPTIMISTIC,
            // Three mean deviations are the 95th percentile of an exponential distribution,
            // and more of one with a thinner tail; a third on top for what comes next.
            (Some((mean, deviation)), _) => {
                let quantile = mean.saturating_add(deviation.saturating_mul(3)) / FRACTION;
                (quantile.saturating_mul(13) / 10).max(LEAST)
            }
            (None, _) => FIRST_BALANCED,
        }
    }

    /// How long such calls last; `None` if that is not known.
    pub(crate) fn lasting(&self, key: LearnedKey) -> Option<Duration> {
        self.with(key, |slot| {
            (slot.key == key.0 && slot.mean > 0).then(|| Duration::from_millis(slot.lasting))
        })
    }

    /// Takes note of what a call really needed.
    pub(crate) fn observe(&self, key: LearnedKey, output: u64, lasted: Duration) {
        let lasted = u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX);
        let output = output.max(1).saturating_mul(FRACTION);
        self.with(key, |slot| {
            if slot.key != key.0 || slot.mean == 0 {
                *slot = Slot {
                    key: key.0,
                    mean: output,
                    deviation: output / 2,
                    lasting: lasted,
                };
                return;
            }
            let apart = output.abs_diff(slot.mean);
            slot.mean = smoothed(slot.mean, output, 8);
            slot.deviation = smoothed(slot.deviation, apart, 4);
            slot.lasting = smoothed(slot.lasting, lasted, 8);
        });
    }

    fn with<R>(&self, key: LearnedKey, look: impl FnOnce(&mut Slot) -> R) -> R {
        let index = usize::try_from(key.0 % SLOTS).unwrap_or(0);
        let mut slot = self.slots[index]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        look(&mut slot)
    }
}

impl Default for Learned {
    fn default() -> Self {
        Self {
            seed: Seed::default(),
            slots: (0..SLOTS).map(|_| Mutex::default()).collect(),
        }
    }
}

/// Moves a part of the way from `old` to `new`.
const fn smoothed(old: u64, new: u64, part: u64) -> u64 {
    if new >= old {
        old.saturating_add((new - old) / part)
    } else {
        old - (old - new) / part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learn(outputs: impl IntoIterator<Item = u64>) -> (Learned, LearnedKey) {
        let learned = Learned::default();
        let key = learned.key(&Owner::Anonymous, "claude-opus-5-5");
        for output in outputs {
            learned.observe(key, output, Duration::from_millis(500));
        }
        (learned, key)
    }

    #[test]
    fn nothing_known_is_a_guess() {
        let (learned, key) = learn([]);
        assert_eq!(learned.output(key, ReserveOutput::Balanced), 1024);
        assert_eq!(learned.output(key, ReserveOutput::Strict), u64::MAX);
    }

    #[test]
    fn steady_calls_set_aside_a_little_more_than_they_need() {
        let (learned, key) = learn([1000; 100]);
        let balanced = learned.output(key, ReserveOutput::Balanced);
        assert!((1300..1400).contains(&balanced), "{balanced}");
        assert_eq!(learned.output(key, ReserveOutput::Optimistic), 1000);
    }

    #[test]
    fn changing_calls_set_aside_what_nearly_all_of_them_need() {
        let outputs = (0..1000).map(|n: u64| 100 + n * 7919 % 1000);
        let (learned, key) = learn(outputs.clone());
        let balanced = learned.output(key, ReserveOutput::Balanced);
        let fit = outputs.filter(|output| *output <= balanced).count();
        assert!(fit >= 950, "{balanced} fits {fit} of 1000");
        assert!(balanced < 3000, "{balanced}");
    }

    #[test]
    fn short_calls_still_set_aside_the_least() {
        let (learned, key) = learn([3; 50]);
        assert_eq!(learned.output(key, ReserveOutput::Balanced), 256);
    }

    #[test]
    fn zero_and_absurd_outputs_do_no_harm() {
        let (learned, key) = learn([0, u64::MAX, 0, u64::MAX]);
        assert!(learned.output(key, ReserveOutput::Balanced) >= 256);
    }
}
