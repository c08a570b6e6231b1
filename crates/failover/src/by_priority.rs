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

/// A candidate's place, and what decides when its turn is.
#[derive(Clone, Copy, Default)]
struct Place {
    rank: u32,
    pull: f64,
    index: usize,
}

/// How many places cost an [`Order`] no allocation, and how many there are at most.
const FEW: usize = 8;
const MANY: usize = 256;

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

    /// A number that nobody knows.
    fn draw(&self) -> u64 {
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        mix(self.random.fetch_add(STEP, Relaxed).wrapping_add(STEP))
    }

    /// Orders places by rank, and those of equal rank by pull: a conversation's, or by chance.
    ///
    /// The greatest pull of all is a draw by weight, the greatest of those left the next one.
    fn sort(&self, places: &mut [Place], call: &Call, targets: &[Candidate<'_>]) {
        // Looked for only where there is a choice, and once.
        let conversation = LazyCell::new(|| call.conversation());
        places.sort_unstable_by_key(|place| (place.rank, place.index));
        for equals in places.chunk_by_mut(|a, b| a.rank == b.rank) {
            if equals.len() < 2 {
                continue;
            }
            for place in &mut *equals {
                let target = targets[place.index].target;
                place.pull = match *conversation {
                    Some(conversation) => pull(conversation, target),
                    None => weighed(target, self.draw()),
                };
            }
            equals.sort_unstable_by(|a, b| {
                // Equal pulls are rare, and every process has to agree on those, too.
                let ties = a.index.cmp(&b.index);
                let is_chance = conversation.is_none();
                let ties = if is_chance { ties } else { ties.reverse() };
                b.pull.total_cmp(&a.pull).then(ties)
            });
        }
    }
}

impl Default for ByPriority {
    fn default() -> Self {
        Self::new()
    }
}

impl Route for ByPriority {
    fn route(&self, call: &Call, _: Option<&Tenant>, targets: &[Candidate<'_>]) -> Order {
        let (mut few, mut many);
        let places = if targets.len() <= FEW {
            few = [Place::default(); FEW];
            &mut few[..targets.len()]
        } else {
            many = [Place::default(); MANY];
            &mut many[..targets.len().min(MANY)]
        };
        for ((index, place), candidate) in places.iter_mut().enumerate().zip(targets) {
            place.rank = candidate.target.rank();
            place.index = index;
        }
        self.sort(places, call, targets);
        places.iter().map(|place| place.index).collect()
    }
}

/// How much a target draws a conversation: the one that draws most has it.
fn pull(conversation: u64, target: &Target) -> f64 {
    let name = target.name().bytes();
    let seed = name.fold(conversation, |hash, byte| mix(hash ^ u64::from(byte)));
    weighed(target, mix(seed))
}

/// How much a target draws where the word is a random one.
///
/// With `u` even in (0, 1), the greatest of `-weight / ln u` is as often a target's as its
/// weight is of all.
fn weighed(target: &Target, word: u64) -> f64 {
    // Neither 0 nor 1.
    let word = u32::try_from(word >> 32).unwrap_or(u32::MAX);
    let even = (f64::from(word) + 0.5) / 4_294_967_296.0;
    -f64::from(target.share()) / even.ln()
}

/// The finish of SplitMix64.
const fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use http::Request;
    use tower_claude_core::{CallBody, Intake, Prepare};

    use super::*;

    /// A call with a conversation, or one too short for that.
    async fn call(number: usize, is_long: bool) -> Call {
        let content = format!("{number} {}", "why? ".repeat(if is_long { 400 } else { 1 }));
        let body = format!(
            r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":"{content}"}}]}}"#
        );
        let request = Request::post("/v1/messages").body(CallBody::from(body));
        let prepared = Prepare::new(request.unwrap(), &Intake::new()).await;
        let call = prepared.map_err(|_| "no good request").unwrap().call;
        assert_eq!(call.conversation().is_some(), is_long);
        call
    }

    fn targets(count: usize) -> Vec<Target> {
        let target = |number: usize| {
            let weight = u32::try_from(number % 4).unwrap();
            Target::new(format!("target {number}")).weight(weight)
        };
        (0..count).map(target).collect()
    }

    fn route(route: &ByPriority, call: &Call, targets: &[Target]) -> Vec<usize> {
        let candidates: Vec<_> = targets.iter().map(Candidate::new).collect();
        route.route(call, None, &candidates).iter().collect()
    }

    /// The least time of several runs.
    #[expect(clippy::disallowed_methods, reason = "what is measured is real work")]
    fn least_time(call: &Call, targets: &[Target]) -> Duration {
        let by_priority = ByPriority::seeded(7);
        let run = |_| {
            let began = Instant::now();
            assert_eq!(route(&by_priority, call, targets).len(), targets.len());
            began.elapsed()
        };
        (0..7).map(run).min().unwrap()
    }

    #[tokio::test]
    async fn four_times_the_targets_take_no_sixteen_times_as_long() {
        let targets = targets(240);
        for is_long in [true, false] {
            let call = call(1, is_long).await;
            let few = least_time(&call, &targets[..60]);
            let many = least_time(&call, &targets);
            assert!(many < 16 * few, "{many:?} for 240, {few:?} for 60");
        }
    }

    #[tokio::test]
    async fn a_conversation_goes_down_the_ranks_and_in_each_by_pull() {
        for number in 0..50 {
            let call = call(number, true).await;
            let conversation = call.conversation().unwrap();
            let mut targets = targets(40);
            for (place, target) in targets.iter_mut().enumerate() {
                let priority = u32::try_from(place * 7 % 5).unwrap();
                *target = target.clone().priority(priority);
            }
            // One after the other, the greatest of those left in the least rank left.
            let mut left: Vec<usize> = (0..targets.len()).collect();
            let mut expected = Vec::new();
            while let Some(rank) = left.iter().map(|place| targets[*place].rank()).min() {
                let pull = |place: &usize| pull(conversation, &targets[*place]);
                let equals = left.iter().filter(|place| targets[**place].rank() == rank);
                let next = equals.max_by(|a, b| pull(a).total_cmp(&pull(b)));
                let next = *next.unwrap();
                left.retain(|place| *place != next);
                expected.push(next);
            }
            assert_eq!(route(&ByPriority::new(), &call, &targets), expected);
        }
    }

    #[tokio::test]
    async fn chance_draws_by_weight_without_putting_back() {
        let call = call(1, false).await;
        let weights = [3, 0, 1, 2, 0];
        let target = |weight: u32| Target::new(format!("{weight}")).weight(weight);
        let targets = weights.map(target);
        let by_priority = ByPriority::seeded(7);
        let (mut first, mut second) = ([0_u32; 5], [0_u32; 5]);
        for _ in 0..6_000 {
            let order = route(&by_priority, &call, &targets);
            assert_eq!(
                order[3..],
                [1, 4],
                "what weighs nothing comes last, as listed"
            );
            first[order[0]] += 1;
            if order[0] == 0 {
                second[order[1]] += 1;
            }
        }
        let is_near = |count: u32, expected: u32| count.abs_diff(expected) < 150;
        assert!(
            is_near(first[0], 3_000) && is_near(first[2], 1_000),
            "{first:?}"
        );
        assert!(
            is_near(second[2], 1_000) && is_near(second[3], 2_000),
            "{second:?}"
        );
    }

    #[tokio::test]
    async fn more_places_than_there_can_be_are_left_out() {
        let call = call(1, true).await;
        let mut order = route(&ByPriority::new(), &call, &targets(300));
        order.sort_unstable();
        assert!(order.iter().copied().eq(0..256));
    }
}
