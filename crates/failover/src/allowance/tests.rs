use proptest::prelude::*;

use super::*;

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
