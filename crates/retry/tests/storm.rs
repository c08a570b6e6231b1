//! However an upstream fails for a minute, retries add no more than the quota has.

mod support;

use std::time::Duration;

use support::{CallsClaude as _, good, stream_request};
use tokio::time::Instant;
use tower::Layer as _;
use tower_claude_retry::{RetryLayer, RetryQuota};
use tower_claude_testkit::{Answer, FakeClaude};

/// How long upstream fails.
const OUTAGE: Duration = Duration::from_secs(60);

/// A steady rate of calls, and what came of them.
#[derive(Clone, Copy, Debug)]
struct Storm {
    requests: u64,
    attempts: u64,
    /// From the first call to the last answer, in whole seconds.
    seconds: u64,
}

// === impl Storm ===

impl Storm {
    /// Makes so many calls a second for a minute of nothing but this answer.
    async fn of(answer: Answer, per_second: u64, layer: &RetryLayer) -> Self {
        let fake = FakeClaude::sequence([answer]).unlogged();
        let service = layer.layer(fake.clone());
        let began = Instant::now();
        let mut tasks = Vec::new();
        let requests = OUTAGE.as_secs() * per_second;
        for number in 0..requests {
            let at = began + Duration::from_millis(number * 1000 / per_second);
            tokio::time::sleep_until(at).await;
            tasks.push(tokio::spawn(service.clone().ask(stream_request())));
        }
        for task in tasks {
            // Every caller is answered, if only that it has failed.
            let _ = task.await.expect("no panic");
        }
        Self {
            requests,
            attempts: fake.calls(),
            seconds: began.elapsed().as_secs() + 1,
        }
    }

    /// What the quota promises: what is in it, and what comes back by itself.
    fn floor(self, cost: u64) -> u64 {
        let capacity = u64::from(RetryQuota::CAPACITY.get());
        let back = self.seconds * u64::from(RetryQuota::FLOOR);
        (capacity + back) / cost
    }
}

#[tokio::test(start_paused = true)]
async fn a_minute_of_overload_costs_a_tenth_more_and_the_floor() {
    for (answer, cost) in [
        (Answer::overloaded(), 5),
        (Answer::overloaded().header("x-should-retry", "true"), 5),
        (Answer::overloaded().header("retry-after", "1"), 5),
        (Answer::error_before_content(), 5),
        (Answer::error(503, "api_error", "no"), 5),
        (Answer::rate_limited(1), 5),
        (Answer::refused_connection(), 10),
        (Answer::error(408, "timeout_error", "no"), 10),
    ] {
        for per_second in [1, 5, 50] {
            let storm = Storm::of(answer.clone(), per_second, &RetryLayer::default()).await;
            let floor = storm.floor(cost);
            println!(
                "{:?} {storm:?}, floor {floor}",
                answer.response().map(|it| it.status())
            );
            // Nothing succeeds, so nothing is earned: not even the tenth.
            assert!(storm.attempts <= storm.requests + floor, "{storm:?}");
            assert!(
                storm.attempts <= storm.requests * 11 / 10 + floor,
                "{storm:?}"
            );
            let least = storm.requests + (storm.requests * 2).min(floor / 2);
            assert!(storm.attempts >= least, "gives up early: {storm:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_have_been_billed_and_is_repeated_all_the_same_costs_no_more() {
    for answer in [
        Answer::reset(),
        Answer::error(500, "api_error", "oh"),
        Answer::error(504, "timeout_error", "late"),
        Answer::thinking_tool_use().truncate_after(1),
        Answer::thinking_tool_use().reset_after(1),
    ] {
        let layer = RetryLayer::default().possibly_billed(true);
        let storm = Storm::of(answer, 50, &layer).await;
        println!("{storm:?}");
        assert!(
            storm.attempts <= storm.requests + storm.floor(10),
            "{storm:?}"
        );
        assert!(storm.attempts > storm.requests, "{storm:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_storm_finds_no_fuller_quota_than_successes_have_earned() {
    let quota = RetryQuota::new().floor(0);
    let layer = RetryLayer::default().quota(quota.clone());
    let first = Storm::of(Answer::overloaded(), 20, &layer).await;
    assert_eq!(first.attempts, first.requests + 100, "all that was in it");
    let earned = 400;
    let calm = layer.layer(FakeClaude::sequence([good()]));
    for _ in 0..earned {
        calm.clone().ask(stream_request()).await.expect("an answer");
    }
    let second = Storm::of(Answer::overloaded(), 20, &layer).await;
    println!("{first:?} {second:?} after {earned} successes");
    assert_eq!(second.attempts, second.requests + earned / 10);
}

#[tokio::test(start_paused = true)]
async fn layers_that_share_a_quota_share_the_floor() {
    let quota = RetryQuota::new();
    let layers = [0, 1, 2].map(|_| RetryLayer::default().quota(quota.clone()));
    let storms = layers.map(|layer| {
        tokio::spawn(async move { Storm::of(Answer::overloaded(), 20, &layer).await })
    });
    let (mut requests, mut attempts, mut floor) = (0, 0, 0);
    for storm in storms {
        let storm = storm.await.expect("no panic");
        requests += storm.requests;
        attempts += storm.attempts;
        floor = floor.max(storm.floor(5));
    }
    println!("{requests} requests, {attempts} attempts, floor {floor}");
    assert!(attempts <= requests + floor, "{attempts}");
}
