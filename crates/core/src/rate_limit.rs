use std::time::Duration;

/// What an account has left of one of its limits, as the head of an answer said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimit {
    /// What the account may use in a minute: requests, or tokens.
    pub limit: u64,
    /// What is left of it, never more than the limit. Tokens are rounded to thousands.
    pub remaining: u64,
    /// How long until the limit is full again, from the answer's head on: 5 minutes at most.
    pub reset_after: Duration,
}

// === impl RateLimit ===

impl RateLimit {
    /// The longest reset that is believed. The limits fill up within a minute.
    pub const LONGEST_RESET: Duration = Duration::from_secs(300);

    /// A limit with so much left, which is full again so long from now.
    ///
    /// What is left is clamped to the limit, and the reset to [`Self::LONGEST_RESET`].
    #[must_use]
    pub fn new(limit: u64, remaining: u64, reset_after: Duration) -> Self {
        Self {
            limit,
            remaining: remaining.min(limit),
            reset_after: reset_after.min(Self::LONGEST_RESET),
        }
    }

    /// How much of the limit is used, in percent, rounded down; a limit of zero is all used.
    #[must_use]
    pub fn used_percent(&self) -> u8 {
        let used = u128::from(self.limit.saturating_sub(self.remaining)) * 100;
        used.checked_div(u128::from(self.limit))
            .and_then(|percent| u8::try_from(percent).ok())
            .unwrap_or(100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_how_much_is_used() {
        let used =
            |limit, remaining| RateLimit::new(limit, remaining, Duration::ZERO).used_percent();
        assert_eq!(used(1_000, 1_000), 0);
        assert_eq!(used(1_000, 501), 49);
        assert_eq!(used(1_000, 500), 50);
        assert_eq!(used(u64::MAX, 0), 100);
        assert_eq!(used(u64::MAX, u64::MAX / 2), 50);
        assert_eq!(used(10, 1_000), 0, "no more is left than there is");
        assert_eq!(used(0, 0), 100, "of nothing all is used");
    }

    #[test]
    fn is_clamped_to_what_is_believed() {
        let limit = RateLimit::new(10, 11, Duration::MAX);
        assert_eq!(limit.remaining, 10);
        assert_eq!(limit.reset_after, Duration::from_secs(300));
    }
}
