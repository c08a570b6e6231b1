use std::time::Duration;

use crate::{Limit, Plan};

/// What a store answers to a reservation.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Reserved {
    /// All of it is set aside, until it is settled or expires.
    Granted {
        /// How the limits of the plan stand now.
        standings: Standings,
    },
    /// Nothing is set aside: a limit is spent for now. It cost nothing.
    Denied {
        /// The limit that it takes longest to wait for.
        limit: Limit,
        /// After this long it fits, if nobody else takes it.
        retry_after: Duration,
        /// After this long the limit is whole again, if nobody spends.
        resets_in: Duration,
        /// How the limits of the plan stand.
        standings: Standings,
    },
    /// Nothing is set aside: it is more than the whole limit, so it never fits.
    Never {
        /// The limit.
        limit: Limit,
        /// What was asked of it.
        requested: u64,
    },
}

/// How the limits of a plan stand, in the plan's order.
#[derive(Clone, Copy, Debug)]
pub struct Standings {
    standings: [Standing; Plan::MOST_LIMITS],
    len: usize,
}

/// How a limit stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    remaining: u64,
    resets_in_millis: u32,
    is_exceeded: bool,
}

/// How a limit stands, for a page that a person reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitUsage {
    /// The limit.
    pub limit: Limit,
    /// What has been spent and still counts; above the limit where calls overran.
    pub spent: u64,
    /// What is set aside for calls that run.
    pub held: u64,
    /// After this long the limit is whole again, if nobody spends.
    pub resets_in: Duration,
}

// === impl Standings ===

impl Standings {
    /// No standings yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            standings: [Standing {
                remaining: 0,
                resets_in_millis: 0,
                is_exceeded: false,
            }; Plan::MOST_LIMITS],
            len: 0,
        }
    }

    /// Adds the standing of the plan's next limit; what is more than a plan can have is left
    /// out.
    pub fn push(&mut self, standing: Standing) {
        if let Some(slot) = self.standings.get_mut(self.len) {
            *slot = standing;
            self.len += 1;
        }
    }

    /// The standings, in the plan's order.
    #[must_use]
    pub fn as_slice(&self) -> &[Standing] {
        &self.standings[..self.len]
    }
}

impl Default for Standings {
    fn default() -> Self {
        Self::new()
    }
}

// === impl Standing ===

impl Standing {
    /// So much is left, and after so long all of it, if nobody spends.
    #[must_use]
    pub fn new(remaining: u64, resets_in: Duration) -> Self {
        let up = u64::from(resets_in.subsec_nanos().div_ceil(1_000_000));
        let millis = resets_in.as_secs().saturating_mul(1_000).saturating_add(up);
        Self::of_millis(remaining, millis, false)
    }

    /// More than all of it is taken: calls pass only because the limit merely warns.
    #[must_use]
    pub const fn exceeded(mut self) -> Self {
        self.is_exceeded = true;
        self
    }

    pub(crate) fn of_millis(remaining: u64, resets_in: u64, is_exceeded: bool) -> Self {
        Self {
            remaining,
            // No period is as long as the 49 days that fit.
            resets_in_millis: u32::try_from(resets_in).unwrap_or(u32::MAX),
            is_exceeded,
        }
    }

    /// Whether more is taken than there is.
    #[must_use]
    pub const fn is_exceeded(self) -> bool {
        self.is_exceeded
    }

    /// What is left.
    #[must_use]
    pub const fn remaining(self) -> u64 {
        self.remaining
    }

    /// After this long the limit is whole again, to the millisecond.
    #[must_use]
    pub const fn resets_in(self) -> Duration {
        Duration::from_millis(self.resets_in_millis as u64)
    }
}

// === impl LimitUsage ===

impl LimitUsage {
    /// A limit of which so much is spent and held.
    #[must_use]
    pub const fn new(limit: Limit, spent: u64, held: u64, resets_in: Duration) -> Self {
        Self {
            limit,
            spent,
            held,
            resets_in,
        }
    }

    /// What is left.
    #[must_use]
    pub const fn remaining(&self) -> u64 {
        let used = self.spent.saturating_add(self.held);
        self.limit.capacity().saturating_sub(used)
    }
}
