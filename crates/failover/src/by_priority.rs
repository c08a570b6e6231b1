use std::cell::LazyCell;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tower_claude_core::{Call, Target, Tenant};

use crate::{Candidate, Order, Route};

/// The default [`Route`]: by priority; within equal priority by weight, each conversation at
/// the same target.
///
/// Which target that is follows from the conversation and the names of the targets alone
/// (weighted rendezvous hashing), so every process agrees, nothing is kept, and a target that
/// comes or goes moves no conversation but its own. A cache of the prompt that one turn wrote
/// is there for the next. What is no conversation, or too short to be cached, goes by chance.
///
/// Closed targets have their place too; they are passed over while they are closed.
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
        let word = mix(word);
        // The high half of the product is even enough: weights are far below 2^64.
        u64::try_from((u128::from(word) * u128::from(bound)) >> 64).unwrap_or(0)
    }

    /// The place that comes next: of the least priority left, the one where the conversation
    /// is, or one drawn by weight.
    fn next(
        &self,
        targets: &[Candidate<'_>],
        taken: &Order,
        conversation: impl FnOnce() -> Option<u64>,
    ) -> Option<usize> {
        let is_left = |(place, _): &(usize, &Candidate<'_>)| {
            let is_taken = |other| other == *place;
            !taken.iter().any(is_taken)
        };
        let left = || targets.iter().enumerate().filter(is_left);
        let rank = left().map(|(_, candidate)| candidate.target.rank()).min()?;
        let equals = || left().filter(|(_, candidate)| candidate.target.rank() == rank);
        if equals().nth(1).is_none() {
            return equals().next().map(|(place, _)| place);
        }
        if let Some(conversation) = conversation() {
            let pull = |candidate: &Candidate<'_>| pull(conversation, candidate.target);
            return equals()
                .max_by(|(_, a), (_, b)| pull(a).total_cmp(&pull(b)))
                .map(|(place, _)| place);
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
        // Looked for only where there is a choice, and once.
        let conversation = LazyCell::new(|| call.conversation());
        while let Some(place) = self.next(targets, &order, || *conversation) {
            order.push(place);
        }
        order
    }
}

/// How much a target draws a conversation: the one that draws most has it.
///
/// With `u` even in (0, 1), the greatest of `-weight / ln u` is as often a target's as its
/// weight is of all.
fn pull(conversation: u64, target: &Target) -> f64 {
    let name = target.name().bytes();
    let seed = name.fold(conversation, |hash, byte| mix(hash ^ u64::from(byte)));
    // Neither 0 nor 1.
    let word = u32::try_from(mix(seed) >> 32).unwrap_or(u32::MAX);
    let even = (f64::from(word) + 0.5) / 4_294_967_296.0;
    -f64::from(target.share()) / even.ln()
}

/// The finish of SplitMix64.
const fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}
