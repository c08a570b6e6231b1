use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::sync::{Mutex, PoisonError};

use tower_claude_core::Usage;

use crate::books::Seed;

/// How the input of calls has compared with their raw estimates lately, by model.
///
/// A table of fixed size, so that nobody can make it grow: the model that has gone longest
/// without an observation is forgotten first, and estimated as if new.
pub(crate) struct Calibration {
    seed: Seed,
    sets: Box<[Mutex<Set>]>,
}

/// The model last observed comes first.
type Set = [Slot; WAYS];

/// A smoothed mean and mean deviation of the ratio of input to raw estimate.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// 0 where there is none.
    key: u64,
    /// As parts of [`ONE`].
    mean: u64,
    deviation: u64,
    /// How many ratios are in it, up to [`MOST_SEEN`].
    seen: u64,
}

const SETS: u64 = 32;
const WAYS: usize = 8;
/// The ratio of a right estimate.
const ONE: u64 = 1 << 16;
/// No estimate is changed by more than this factor, whatever is observed.
const MOST_CHANGED: u64 = 4;
/// A mean moves to a new ratio by a part of the way: a smaller part the more it has seen, as
/// far as that.
const MOST_SEEN: u64 = 16;
/// The same of a deviation, which is to follow faster.
const MOST_SEEN_APART: u64 = 8;
/// What a model deviates at first, before anything is known: an eighth.
const FIRST_DEVIATION: u64 = ONE / 8;
/// Two mean deviations above the mean lie 94 % of a normal distribution and all of an even
/// one; what is left once mean and deviation are themselves only smoothed is above 90 %.
const DEVIATIONS: u64 = 2;
/// The least deviation: a 64th of the mean, for rounding.
const LEAST_DEVIATION: u64 = 64;
/// Shorter prompts teach nothing: what surrounds their text outweighs it.
const LEAST_TOKENS: u64 = 64;

// === impl Calibration ===

impl Calibration {
    /// Where a model is found in the table; never 0.
    pub(crate) fn key(&self, model: &str) -> u64 {
        let mut hasher = self.seed.build_hasher();
        hasher.write(model.as_bytes());
        hasher.finish().max(1)
    }

    /// What a raw estimate is to be, so that about nine of ten calls need no more.
    pub(crate) fn correct(&self, key: u64, raw: u64) -> u64 {
        let factor = self.with(key, |set| {
            let slot = set.iter().find(|slot| slot.key == key);
            slot.map_or(ONE, Slot::factor)
        });
        let corrected = (u128::from(raw) * u128::from(factor)).div_ceil(u128::from(ONE));
        u64::try_from(corrected).unwrap_or(u64::MAX)
    }

    /// Takes note of what the input really was.
    pub(crate) fn observe(&self, key: u64, raw: u64, input: u64) {
        // No prompt is of nothing, and what is counted as the most was more than there can be.
        if key == 0 || raw < LEAST_TOKENS || input == 0 || input >= Usage::MOST {
            return;
        }
        let ratio = (input.saturating_mul(ONE) / raw).clamp(ONE / MOST_CHANGED, ONE * MOST_CHANGED);
        self.with(key, |set| {
            let found = set.iter().position(|slot| slot.key == key);
            set[..=found.unwrap_or(WAYS - 1)].rotate_right(1);
            if found.is_none() {
                set[0] = Slot::new(key);
            }
            set[0].observe(ratio);
        });
    }

    fn with<R>(&self, key: u64, look: impl FnOnce(&mut Set) -> R) -> R {
        let index = usize::try_from(key % SETS).unwrap_or(0);
        let mut set = self.sets[index]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        look(&mut set)
    }
}

impl Default for Calibration {
    fn default() -> Self {
        Self {
            seed: Seed::default(),
            sets: (0..SETS).map(|_| Mutex::default()).collect(),
        }
    }
}

impl fmt::Debug for Calibration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calibration").finish_non_exhaustive()
    }
}

// === impl Slot ===

impl Slot {
    /// That the raw estimate is right counts as the first thing seen.
    const fn new(key: u64) -> Self {
        Self {
            key,
            mean: ONE,
            deviation: FIRST_DEVIATION,
            seen: 1,
        }
    }

    fn factor(&self) -> u64 {
        let deviation = self.deviation.max(self.mean / LEAST_DEVIATION);
        (self.mean + deviation * DEVIATIONS).clamp(ONE / MOST_CHANGED, ONE * MOST_CHANGED)
    }

    fn observe(&mut self, ratio: u64) {
        let apart = ratio.abs_diff(self.mean);
        self.seen = (self.seen + 1).min(MOST_SEEN);
        self.mean = smoothed(self.mean, ratio, self.seen);
        self.deviation = smoothed(self.deviation, apart, self.seen.min(MOST_SEEN_APART));
    }
}

/// Moves a part of the way from `old` to `new`.
const fn smoothed(old: u64, new: u64, part: u64) -> u64 {
    if new >= old {
        old + (new - old) / part
    } else {
        old - (old - new) / part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_model_is_estimated_as_it_stands() {
        let calibration = Calibration::default();
        let key = calibration.key("claude-opus-5-5");
        assert_eq!(calibration.correct(key, 12_345), 12_345);
        calibration.observe(calibration.key("claude-opus-5"), 1_000, 2_000);
        assert_eq!(calibration.correct(key, 12_345), 12_345);
    }

    #[test]
    fn a_steady_ratio_is_met_and_hardly_exceeded() {
        for percent in [30, 60, 100, 180, 350] {
            let calibration = Calibration::default();
            let key = calibration.key("m");
            (0..200).for_each(|_| calibration.observe(key, 1_000, percent * 10));
            let corrected = calibration.correct(key, 1_000);
            let least = percent * 10;
            assert!(
                (least..=least * 105 / 100).contains(&corrected),
                "{corrected}, {least}"
            );
        }
    }

    #[test]
    fn the_first_calls_of_a_dearer_model_already_raise_it() {
        let calibration = Calibration::default();
        let key = calibration.key("m");
        calibration.observe(key, 1_000, 1_800);
        assert!(calibration.correct(key, 1_000) >= 1_800);
    }

    #[test]
    fn nothing_changes_an_estimate_by_more_than_a_factor_of_four() {
        let calibration = Calibration::default();
        let (low, high) = (calibration.key("low"), calibration.key("high"));
        for _ in 0..200 {
            calibration.observe(low, 1_000_000, 1);
            calibration.observe(high, 100, 999_999_999);
        }
        assert!((250..=260).contains(&calibration.correct(low, 1_000)));
        assert_eq!(calibration.correct(high, 1_000), 4_000);
        assert_eq!(calibration.correct(high, u64::MAX), u64::MAX);
    }

    #[test]
    fn absurd_observations_are_none() {
        let calibration = Calibration::default();
        let key = calibration.key("m");
        for (key, raw, input) in [
            (key, 1_000, 0),
            (key, 1_000, u64::MAX),
            (key, 1_000, Usage::MOST),
            (key, 0, 5),
            (key, LEAST_TOKENS - 1, 500),
            (0, 1_000, 4_000),
        ] {
            calibration.observe(key, raw, input);
        }
        calibration.observe(key, u64::MAX, 1_000);
        let corrected = calibration.correct(key, 1_000);
        assert!(
            (600..2_000).contains(&corrected),
            "one observation: {corrected}"
        );
    }

    #[test]
    fn more_models_than_there_are_places_push_out_those_not_heard_of_longest() {
        let calibration = Calibration::default();
        let key = calibration.key("in use");
        for index in 0..10_000 {
            (0..4).for_each(|_| calibration.observe(key, 1_000, 2_000));
            calibration.observe(calibration.key(&format!("model {index}")), 1_000, 500);
        }
        assert!(calibration.correct(key, 1_000) >= 2_000);
        let places: usize = calibration
            .sets
            .iter()
            .map(|set| set.lock().unwrap().len())
            .sum();
        assert_eq!(places, 256);
    }
}
