use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tower_claude_core::{Call, Endpoint, Tenant};

use crate::{Candidate, Order, Route};

/// The default [`Route`]: by priority, within equal priority at random by weight.
///
/// Closed targets are left out. What lives at one target, batches and files, is asked at the
/// first by priority only: elsewhere it would not be found.
#[derive(Debug)]
pub struct ByPriority {
    /// A counter; what it shows is mixed (SplitMix64).
    random: AtomicU64,
}

// === impl ByPriority ===

impl ByPriority {
    /// A route that draws differently in every process.
    #[must_use]
    pub fn new() -> Self {
        Self::seeded(RandomState::new().build_hasher().finish())
    }

    /// A route that always draws the same.
    #[must_use]
    pub const fn seeded(seed: u64) -> Self {
        Self {
            random: AtomicU64::new(seed),
        }
    }

    /// A number below `bound`, which is not 0.
    fn draw(&self, bound: u64) -> u64 {
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let word = self.random.fetch_add(STEP, Relaxed).wrapping_add(STEP);
        let word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let word = word ^ (word >> 31);
        // The high half of the product is even enough: weights are far below 2^64.
        u64::try_from((u128::from(word) * u128::from(bound)) >> 64).unwrap_or(0)
    }

    /// The place that comes next: of the least priority left, one drawn by weight.
    fn next(&self, targets: &[Candidate<'_>], taken: &Order) -> Option<usize> {
        let left = |(place, candidate): &(usize, &Candidate<'_>)| {
            candidate.is_available() && !taken.iter().any(|other| other == *place)
        };
        let left = || targets.iter().enumerate().filter(left);
        let rank = left().map(|(_, candidate)| candidate.target.rank()).min()?;
        let equals = || left().filter(|(_, candidate)| candidate.target.rank() == rank);
        if equals().nth(1).is_none() {
            return equals().next().map(|(place, _)| place);
        }
        let share = |candidate: &Candidate<'_>| u64::from(candidate.target.share());
        let sum: u64 = equals().map(|(_, candidate)| share(candidate)).sum();
        let mut ticket = self.draw(sum.max(1));
        for (place, candidate) in equals() {
            match ticket.checked_sub(share(candidate)) {
                Some(rest) => ticket = rest,
                None => return Some(place),
            }
        }
        equals().next().map(|(place, _)| place)
    }
}

impl Default for ByPriority {
    fn default() -> Self {
        Self::new()
    }
}

impl Route for ByPriority {
    fn route(&self, call: &Call, _: Option<&Tenant>, targets: &[Candidate<'_>]) -> Order {
        let mut order = Order::new();
        if lives_at_one_target(call.endpoint()) {
            let ranked = targets.iter().enumerate();
            let first = ranked.min_by_key(|(_, candidate)| candidate.target.rank());
            order.extend(first.map(|(place, _)| place));
            return order;
        }
        while let Some(place) = self.next(targets, &order) {
            order.push(place);
        }
        order
    }
}

/// Whether what a call is about exists at one target only.
pub(crate) const fn lives_at_one_target(endpoint: Endpoint) -> bool {
    matches!(endpoint, Endpoint::Batches | Endpoint::Files)
}
