use std::mem;
use std::time::Duration;

use tokio::time::Instant;
use tower_claude_core::{RateLimit, RateLimits};

use crate::bucket::Bucket;
use crate::departures::{Departures, Tick};

/// What an account has left at one target for one class of models.
///
/// Learned from the rate limit headers of answers about messages; those of other endpoints
/// tell of other limits. In between it is reckoned: a call that goes out takes what calls took
/// so far, and all limits refill. Without a word from upstream it knows nothing, and then it
/// never closes.
///
/// Input is counted as the limits count it, without what was read from the cache; output as
/// it was really made, whatever `max_tokens` was.
#[derive(Debug, Default)]
pub(crate) struct Allowance {
    buckets: [Option<Bucket>; Meter::ALL.len()],
    /// What the meter of tokens as such counts.
    tokens: Counted,
    input: Size,
    output: Size,
    departures: Departures,
}

/// A call that went out, and the duty to say when it ended.
#[derive(Debug)]
#[must_use = "the end of a call has to be told"]
pub(crate) struct Outgoing {
    left: Tick,
    has_head: bool,
}

/// What a limit counts, in the order of [`Allowance::used`].
#[derive(Clone, Copy, Debug)]
enum Meter {
    Requests,
    Tokens,
    Input,
    Output,
}

/// Which tokens the meter of tokens as such counts.
///
/// It stands for the tightest limit there is: that of the input, that of the output, or one
/// of its own, such as a workspace's, on both together.
#[derive(Clone, Copy, Debug, Default)]
enum Counted {
    Input,
    Output,
    #[default]
    Both,
}

/// What calls take; late ones weigh more. In millionths of a token.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    mean: Option<u64>,
    /// By how much calls differ from the mean, in the mean.
    deviation: u64,
}

// === impl Allowance ===

impl Allowance {
    /// The longest a reckoning is believed; by then one more call may find out.
    const LONGEST: Duration = Duration::from_secs(120);

    /// A call goes out.
    pub(crate) fn start(&mut self, now: Instant) -> Outgoing {
        for meter in Meter::ALL {
            let size = self.size(meter, Size::usual);
            if let Some(bucket) = &mut self.buckets[meter.index()] {
                bucket.take(size, now);
            }
        }
        Outgoing {
            left: self.departures.leave(now),
            has_head: false,
        }
    }

    /// The head of a call has come; without a word of a limit, what is reckoned of it stays.
    pub(crate) fn learn(&mut self, call: &mut Outgoing, told: &RateLimits, now: Instant) {
        if !mem::replace(&mut call.has_head, true) {
            self.departures.arrive(call.left);
        }
        let (new, out) = self.departures.out(now);
        if told.tokens.is_some() {
            self.tokens = Counted::of(told);
        }
        for meter in Meter::ALL {
            let Some(told) = meter.of(told) else {
                continue;
            };
            let mut bucket = Bucket::new(told, now);
            // Requests and input are counted when a call comes in, so upstream knows of all but
            // the newest; of an answer that has not begun it has not counted the output.
            let calls = match meter {
                Meter::Output => out,
                _ => new,
            };
            bucket.take(self.size(meter, Size::usual).saturating_mul(calls), now);
            self.buckets[meter.index()] = Some(bucket);
        }
    }

    /// A call has ended, or was given up; what it took, as far as that is known.
    pub(crate) fn end(&mut self, call: Outgoing, input: Option<u64>, output: Option<u64>) {
        let Outgoing { left, has_head } = call;
        if !has_head {
            self.departures.arrive(left);
        }
        self.input.learn(input);
        self.output.learn(output);
    }

    /// How long it takes until one more call fits in every limit; `None` if it does now.
    ///
    /// At most two minutes. A call that is larger than a limit fits when all of it is left.
    pub(crate) fn closed_for(&self, now: Instant) -> Option<Duration> {
        Meter::ALL
            .into_iter()
            .filter_map(|meter| {
                let bucket = self.buckets[meter.index()].as_ref()?;
                bucket.wait_for(self.size(meter, Size::large), now)
            })
            .max()
            .map(|wait| wait.min(Self::LONGEST))
    }

    /// The share of each limit that is used or taken by calls under way, from 0 to 1: requests,
    /// tokens, input and output tokens; `None` where nothing is known.
    pub(crate) fn used(&self, now: Instant) -> [Option<f64>; Meter::ALL.len()] {
        self.buckets
            .map(|bucket| bucket.and_then(|bucket| bucket.used(now)))
    }

    /// What a call takes of a limit, in millionths, by what it takes of input and output.
    fn size(&self, meter: Meter, of: impl Fn(&Size) -> u64) -> u64 {
        let (input, output) = (of(&self.input), of(&self.output));
        match (meter, self.tokens) {
            (Meter::Requests, _) => Bucket::ONE,
            (Meter::Input, _) | (Meter::Tokens, Counted::Input) => input,
            (Meter::Output, _) | (Meter::Tokens, Counted::Output) => output,
            (Meter::Tokens, Counted::Both) => input.saturating_add(output),
        }
    }
}

// === impl Meter ===

impl Meter {
    const ALL: [Self; 4] = [Self::Requests, Self::Tokens, Self::Input, Self::Output];

    const fn index(self) -> usize {
        match self {
            Self::Requests => 0,
            Self::Tokens => 1,
            Self::Input => 2,
            Self::Output => 3,
        }
    }

    const fn of(self, told: &RateLimits) -> Option<&RateLimit> {
        match self {
            Self::Requests => told.requests.as_ref(),
            Self::Tokens => told.tokens.as_ref(),
            Self::Input => told.input_tokens.as_ref(),
            Self::Output => told.output_tokens.as_ref(),
        }
    }
}

// === impl Counted ===

impl Counted {
    fn of(told: &RateLimits) -> Self {
        let limit = |meter: Meter| meter.of(told).map(|told| told.limit);
        let tokens = limit(Meter::Tokens);
        if tokens == limit(Meter::Input) {
            Self::Input
        } else if tokens == limit(Meter::Output) {
            Self::Output
        } else {
            Self::Both
        }
    }
}

// === impl Size ===

impl Size {
    const WEIGHT: u64 = 8;

    fn learn(&mut self, count: Option<u64>) {
        let Some(sample) = count.map(Bucket::units) else {
            return;
        };
        let Some(mean) = self.mean else {
            self.mean = Some(sample);
            return;
        };
        self.deviation = Self::blend(self.deviation, sample.abs_diff(mean));
        self.mean = Some(Self::blend(mean, sample));
    }

    /// Nobody knows of a first call more than that it takes something.
    fn usual(&self) -> u64 {
        self.mean.unwrap_or(Bucket::ONE)
    }

    /// What hardly any call is larger than.
    fn large(&self) -> u64 {
        self.usual()
            .saturating_add(self.deviation.saturating_mul(2))
    }

    const fn blend(mean: u64, sample: u64) -> u64 {
        let rest = mean.saturating_sub(mean / Self::WEIGHT);
        rest.saturating_add(sample / Self::WEIGHT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    const SECOND: Duration = Duration::from_secs(1);

    fn limit(limit: u64, remaining: u64, seconds: u64) -> Option<RateLimit> {
        Some(RateLimit::new(
            limit,
            remaining,
            SECOND * u32::try_from(seconds).unwrap(),
        ))
    }

    fn limits(
        requests: Option<RateLimit>,
        tokens: Option<RateLimit>,
        input: Option<RateLimit>,
        output: Option<RateLimit>,
    ) -> RateLimits {
        let mut told = RateLimits::default();
        told.requests = requests;
        told.tokens = tokens;
        told.input_tokens = input;
        told.output_tokens = output;
        told
    }

    /// One whole call that takes so much, and whose head says so.
    fn call(allowance: &mut Allowance, told: &RateLimits, took: [u64; 2], now: Instant) {
        let mut call = allowance.start(now);
        allowance.learn(&mut call, told, now);
        allowance.end(call, Some(took[0]), Some(took[1]));
    }

    #[test]
    fn knows_nothing_and_takes_everything_without_a_word_from_upstream() {
        let mut allowance = Allowance::default();
        let now = Instant::now();
        for _ in 0..10_000 {
            assert_eq!(allowance.closed_for(now), None);
            call(&mut allowance, &RateLimits::default(), [1_000_000; 2], now);
        }
        assert_eq!(allowance.used(now), [None; 4]);
    }

    #[test]
    fn closes_when_one_more_call_of_mean_size_does_not_fit() {
        let mut allowance = Allowance::default();
        let now = Instant::now();
        let told = limits(None, None, limit(60_000, 5_000, 55), None);
        call(&mut allowance, &told, [4_000, 10], now);
        assert_eq!(allowance.closed_for(now), None);
        let second = allowance.start(now);
        assert_eq!(allowance.closed_for(now), Some(3 * SECOND));
        assert_eq!(allowance.closed_for(now + 3 * SECOND), None);
        allowance.end(second, None, None);
    }

    #[test]
    fn the_fullest_limit_decides_and_at_most_for_two_minutes() {
        let mut allowance = Allowance::default();
        let now = Instant::now();
        let told = limits(limit(60, 0, 60), None, limit(60_000, 60_000, 0), None);
        call(&mut allowance, &told, [1_000, 10], now);
        assert_eq!(allowance.closed_for(now), Some(SECOND));
        let told = limits(limit(1, 0, 300), None, None, None);
        call(&mut allowance, &told, [1_000, 10], now);
        assert_eq!(allowance.closed_for(now), Some(120 * SECOND));
    }

    #[test]
    fn calls_whose_head_has_not_come_keep_their_place() {
        let mut allowance = Allowance::default();
        let now = Instant::now();
        let told = limits(limit(100, 10, 60), None, None, limit(10_000, 5_000, 30));
        call(&mut allowance, &told, [10, 500], now);
        let mut calls: Vec<_> = (0..6).map(|_| allowance.start(now)).collect();
        // Upstream says again what it said before: it has not seen the other five.
        allowance.learn(&mut calls[0], &told, now);
        let [requests, _, _, output] = allowance.used(now);
        assert_eq!((requests, output), (Some(0.95), Some(0.75)));
        // Told twice, it still is one call.
        allowance.learn(&mut calls[0], &told, now);
        assert_eq!(allowance.used(now)[0], Some(0.95));
        for call in calls.drain(1..) {
            allowance.end(call, None, None);
        }
        allowance.learn(&mut calls[0], &told, now);
        assert_eq!(allowance.used(now)[0], Some(0.9));
    }

    #[test]
    fn long_calls_are_counted_by_upstream_but_for_their_output() {
        let mut allowance = Allowance::default();
        let start = Instant::now();
        let told = limits(limit(100, 50, 30), None, None, limit(10_000, 10_000, 0));
        call(&mut allowance, &told, [10, 500], start);
        let mut calls: Vec<_> = (0..5).map(|_| allowance.start(start)).collect();
        let later = start + 10 * SECOND;
        allowance.learn(&mut calls[0], &told, later);
        let [requests, _, _, output] = allowance.used(later);
        assert_eq!((requests, output), (Some(0.5), Some(0.2)));
        // However many of them there are, they do not close it for good.
        for _ in 0..10_000 {
            calls.push(allowance.start(later));
        }
        assert!(allowance.closed_for(later).is_some());
        assert_eq!(allowance.closed_for(later + 60 * SECOND), None);
    }

    #[test]
    fn tokens_as_such_count_what_the_limit_they_stand_for_counts() {
        let now = Instant::now();
        let told = |tokens| limits(None, tokens, limit(1_000, 900, 6), limit(100, 100, 0));
        for (tokens, is_open) in [
            (limit(1_000, 100, 54), true),
            (limit(1_000, 99, 54), false),
            (limit(100, 50, 30), true),
            (limit(100, 49, 30), false),
            (limit(500, 150, 30), true),
            (limit(500, 149, 30), false),
        ] {
            let mut allowance = Allowance::default();
            call(&mut allowance, &told(tokens), [100, 50], now);
            assert_eq!(allowance.closed_for(now).is_none(), is_open, "{tokens:?}");
        }
    }

    #[test]
    fn the_mean_follows_what_calls_take() {
        let mut size = Size::default();
        size.learn(None);
        assert_eq!(size.usual(), Bucket::ONE);
        size.learn(Some(1_000));
        assert_eq!(
            (size.usual(), size.large()),
            (Bucket::units(1_000), Bucket::units(1_000))
        );
        for _ in 0..50 {
            size.learn(Some(100));
        }
        let (usual, large) = (size.usual() / Bucket::ONE, size.large() / Bucket::ONE);
        assert!((100..=105).contains(&usual), "{usual}");
        assert!((usual..=usual + 20).contains(&large), "{large}");
    }

    /// An account's input tokens, as upstream keeps them, in thousandths.
    struct Account {
        limit: u64,
        left: u64,
    }

    impl Account {
        fn new(limit: u64) -> Self {
            let limit = limit * 1_000;
            Self { limit, left: limit }
        }

        fn pass_100_millis(&mut self) {
            self.left = (self.left + self.limit / 600).min(self.limit);
        }

        fn ask(&mut self, tokens: u64) -> bool {
            let left = self.left.checked_sub(tokens * 1_000);
            self.left = left.unwrap_or(self.left);
            left.is_some()
        }

        /// In whole thousands and whole seconds, as it sends them.
        fn head(&self) -> RateLimits {
            let reset = SECOND * u32::try_from((self.limit - self.left) * 60 / self.limit).unwrap();
            let remaining = (self.left / 1_000 + 500) / 1_000 * 1_000;
            let input = RateLimit::new(self.limit / 1_000, remaining, reset);
            limits(None, None, Some(input), None)
        }
    }

    /// Ten minutes of far more calls than an account takes, the largest of a hundredth of its
    /// limit a minute or so: the share of it that is used, and of the calls that are refused,
    /// in percent.
    fn flood(limit: u64, largest: u64) -> (u64, u64) {
        let mut account = Account::new(limit);
        let mut allowance = Allowance::default();
        let mut now = Instant::now();
        let mut under_way = VecDeque::new();
        let (mut used, mut served, mut refused) = (0, 0, 0);
        let mut random = 0_u64;
        for step in 0..6_000 {
            now += Duration::from_millis(100);
            account.pass_100_millis();
            for _ in 0..5 {
                if allowance.closed_for(now).is_some() {
                    break;
                }
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let size = largest / 10 + (random >> 33) % (largest * 9 / 10);
                let is_served = account.ask(size);
                if is_served {
                    used += size;
                    served += 1;
                } else {
                    refused += 1;
                }
                let took = is_served.then_some(size);
                under_way.push_back((step, allowance.start(now), account.head(), took));
            }
            // Heads come after 300 ms, calls end after two seconds.
            for (begun, call, head, _) in &mut under_way {
                if *begun + 3 == step {
                    allowance.learn(call, head, now);
                }
            }
            while let Some((_, call, _, took)) =
                under_way.pop_front_if(|(begun, ..)| *begun + 20 <= step)
            {
                allowance.end(call, took, Some(1));
            }
        }
        // What was there at first, and what came back since.
        (
            used * 100 / (limit * 11),
            refused * 100 / (served + refused),
        )
    }

    #[test]
    fn far_more_calls_than_fit_use_an_account_up_and_are_hardly_ever_refused() {
        for (limit, largest) in [
            (60_000, 2_000),
            (600_000, 20_000),
            (600_000, 2_000),
            (2_000_000, 60_000),
        ] {
            let (used, refused) = flood(limit, largest);
            eprintln!("{limit} {largest}: {used} {refused}");
        }
        panic!();
    }

    prop_compose! {
        fn any_limit()(is_told: bool, limit: u64, remaining: u64, nanos: u64)
            -> Option<RateLimit> {
            is_told.then(|| RateLimit::new(limit, remaining, Duration::from_nanos(nanos)))
        }
    }

    proptest! {
        #[test]
        fn whatever_the_numbers_it_opens_again_by_itself(
            events in proptest::collection::vec(
                ([any_limit(), any_limit(), any_limit(), any_limit()], any::<Option<u64>>(),
                 any::<Option<u64>>(), 0..1_000_000_000_000_u64, 0..4_u8),
                1..40,
            ),
        ) {
            let start = Instant::now();
            let mut allowance = Allowance::default();
            let mut now = start;
            let mut open = Vec::new();
            for ([requests, tokens, input, output], took, made, nanos, what) in events {
                now = start + Duration::from_nanos(nanos);
                let told = limits(requests, tokens, input, output);
                match what {
                    0 => open.push(allowance.start(now)),
                    1 => call(&mut allowance, &told, [took.unwrap_or(0), made.unwrap_or(0)], now),
                    2 => if let Some(call) = open.last_mut() {
                        allowance.learn(call, &told, now);
                    },
                    _ => if let Some(call) = open.pop() {
                        allowance.end(call, took, made);
                    },
                }
                for used in allowance.used(now).into_iter().flatten() {
                    prop_assert!((0.0..=1.0).contains(&used));
                }
                let wait = allowance.closed_for(now).unwrap_or_default();
                prop_assert!(wait <= Allowance::LONGEST);
            }
            let far = start + Duration::from_secs(100_000);
            prop_assert_eq!(allowance.closed_for(far.max(now)), None);
        }
    }
}
