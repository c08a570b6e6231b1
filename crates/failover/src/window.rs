use std::time::Duration;

use tokio::time::Instant;

/// What came of the attempts of the last while, in a ring of a few buckets.
#[derive(Debug, Default)]
pub(crate) struct Window {
    /// The newest first.
    buckets: [Tally; Window::BUCKETS],
    /// When the newest bucket begins; `None` before the first sample.
    began: Option<Instant>,
}

/// How many attempts ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) failures: u32,
    pub(crate) successes: u32,
}

// === impl Window ===

impl Window {
    const BUCKETS: usize = 6;

    /// Counts one attempt and says what the window holds with it.
    pub(crate) fn count(&mut self, is_failure: bool, length: Duration, now: Instant) -> Tally {
        self.turn(length, now);
        let newest = &mut self.buckets[0];
        let count = if is_failure {
            &mut newest.failures
        } else {
            &mut newest.successes
        };
        *count = count.saturating_add(1);
        self.buckets
            .iter()
            .fold(Tally::default(), |sum, tally| Tally {
                failures: sum.failures.saturating_add(tally.failures),
                successes: sum.successes.saturating_add(tally.successes),
            })
    }

    /// Whether it holds a failure.
    pub(crate) fn has_failures(&self, length: Duration, now: Instant) -> bool {
        let is_past = self
            .began
            .is_none_or(|began| now.saturating_duration_since(began) >= length);
        !is_past && self.buckets.iter().any(|tally| tally.failures > 0)
    }

    /// Moves on to the bucket of `now`.
    fn turn(&mut self, length: Duration, now: Instant) {
        let width = (length / 6).max(Duration::from_millis(1));
        let Some(began) = self.began else {
            self.began = Some(now);
            return;
        };
        let passed = now.saturating_duration_since(began);
        let steps = usize::try_from(passed.as_nanos() / width.as_nanos()).unwrap_or(usize::MAX);
        if steps == 0 {
            return;
        }
        if steps >= Self::BUCKETS {
            *self = Self {
                began: Some(now),
                ..Self::default()
            };
            return;
        }
        self.buckets.rotate_right(steps);
        self.buckets[..steps].fill(Tally::default());
        self.began = Some((0..steps).fold(began, |began, _| began + width));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn forgets_what_is_older_than_the_window() {
        let mut window = Window::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut failures = |seconds| window.count(true, LENGTH, at(seconds)).failures;
        assert_eq!(failures(0), 1);
        assert_eq!(failures(4), 2);
        assert_eq!(failures(12), 3);
        assert_eq!(failures(29), 4);
        assert_eq!(failures(30), 3, "the bucket of the first two is gone");
        assert_eq!(failures(39), 4);
        assert_eq!(failures(40), 4);
        assert_eq!(failures(500), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_goes_back_and_a_window_of_nothing_do_no_harm() {
        let mut window = Window::default();
        let now = Instant::now() + Duration::from_secs(1);
        window.count(true, LENGTH, now);
        let tally = window.count(false, LENGTH, now - Duration::from_secs(1));
        assert_eq!((tally.failures, tally.successes), (1, 1));
        assert_eq!(window.count(true, Duration::ZERO, now).failures, 2);
    }
}
