use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Spreads retries in time, so that callers who failed together do not come back together.
///
/// A closure is one, which makes tests exact:
///
/// ```
/// use std::time::Duration;
/// use tower_claude_retry::RetryLayer;
///
/// // 500 ms, 1 s, 2 s, …
/// let layer = RetryLayer::default().jitter(|most: Duration| most);
/// # let _ = layer;
/// ```
pub trait Jitter {
    /// The backoff to take, of at most `most`; a longer one is cut to it.
    fn jitter(&self, most: Duration) -> Duration;
}

/// Any backoff from zero to the most, each as likely: the default.
pub struct FullJitter(Mutex<fastrand::Rng>);

// === impl FullJitter ===

impl FullJitter {
    /// Another sequence in every process.
    #[must_use]
    pub fn new() -> Self {
        Self(Mutex::new(fastrand::Rng::new()))
    }

    /// The same sequence for the same seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Mutex::new(fastrand::Rng::with_seed(seed)))
    }
}

impl Default for FullJitter {
    fn default() -> Self {
        Self::new()
    }
}

impl Jitter for FullJitter {
    fn jitter(&self, most: Duration) -> Duration {
        let most = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
        let mut random = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Duration::from_nanos(random.u64(0..=most))
    }
}

impl fmt::Debug for FullJitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FullJitter(..)")
    }
}

// === impl Jitter ===

impl<F> Jitter for F
where
    F: Fn(Duration) -> Duration,
{
    fn jitter(&self, most: Duration) -> Duration {
        self(most)
    }
}

impl<T> Jitter for Arc<T>
where
    T: Jitter + ?Sized,
{
    fn jitter(&self, most: Duration) -> Duration {
        (**self).jitter(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_and_never_more_than_the_most() {
        let (a, b) = (FullJitter::seeded(7), FullJitter::seeded(7));
        let most = Duration::from_millis(500);
        let drawn: Vec<_> = (0..1000).map(|_| a.jitter(most)).collect();
        assert!(
            drawn
                .iter()
                .all(|delay| *delay <= most && *delay == b.jitter(most))
        );
        let mean = drawn.iter().sum::<Duration>() / 1000;
        assert!(mean > most * 45 / 100 && mean < most * 55 / 100, "{mean:?}");
        assert_eq!(a.jitter(Duration::ZERO), Duration::ZERO);
    }
}
