use std::time::Duration;

use crate::latency::Latency;

/// When a call that has no content yet is also asked elsewhere, and how often that may be.
///
/// The first answer that is good is the caller's, the other one is given up; both are in the
/// call's log. What was given up may be billed all the same, which is why it has a budget: at
/// most so many hedges for each hundred calls, whatever their latency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Hedge {
    quantile: u16,
    at_least: Duration,
    budget: u8,
}

// === impl Hedge ===

impl Hedge {
    /// After longer than 950 of 1000 calls take, and at least one second; for at most 5 % of
    /// the calls.
    pub const fn new() -> Self {
        Self {
            quantile: 950,
            at_least: Duration::from_secs(1),
            budget: 5,
        }
    }

    /// Sets how many calls of a thousand are good by the time another target is asked; more
    /// than 1000 is taken for 1000.
    pub const fn quantile(mut self, per_mille: u16) -> Self {
        self.quantile = if per_mille > 1_000 { 1_000 } else { per_mille };
        self
    }

    /// Sets the least time before another target is asked, however fast most calls are.
    pub const fn at_least(mut self, wait: Duration) -> Self {
        self.at_least = wait;
        self
    }

    /// Sets how many of a hundred calls may be hedged; more than 100 is taken for 100.
    pub const fn budget(mut self, percent: u8) -> Self {
        self.budget = if percent > 100 { 100 } else { percent };
        self
    }

    /// How long a call is waited for; `None` if too little is known of how long calls take.
    pub(crate) fn wait(&self, latency: &Latency) -> Option<Duration> {
        let quantile = latency.quantile(self.quantile)?;
        Some(quantile.max(self.at_least))
    }

    pub(crate) const fn percent(&self) -> u8 {
        self.budget
    }
}

impl Default for Hedge {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_for_the_quantile_but_not_less_than_the_least() {
        let latency = Latency::default();
        let hedge = Hedge::new();
        assert_eq!(hedge.wait(&latency), None);
        for millis in [100, 6_000] {
            for _ in 0..20 {
                latency.record(Duration::from_millis(millis));
            }
        }
        assert_eq!(hedge.wait(&latency), Some(Duration::from_millis(6_144)));
        let early = hedge.quantile(500);
        assert_eq!(early.wait(&latency), Some(Duration::from_secs(1)));
        let earlier = early.at_least(Duration::ZERO);
        assert_eq!(earlier.wait(&latency), Some(Duration::from_millis(112)));
        let late = hedge.at_least(Duration::from_secs(60));
        assert_eq!(late.wait(&latency), Some(Duration::from_secs(60)));
    }

    #[test]
    fn what_is_more_than_all_is_all() {
        assert_eq!(Hedge::new().quantile(1_001), Hedge::new().quantile(1_000));
        assert_eq!(Hedge::new().budget(255), Hedge::new().budget(100));
    }
}
