//! What the headers of an account say, before it has to say 429.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

mod support;

use std::time::{Duration, SystemTime};

use support::{Fleet, ask, good, hear, in_order};
use tokio::time::Instant;
use tower::Layer as _;
use tower_claude_core::{Consent, Consider, Considering, Refusal, RefusalKind, Target, Timestamp};
use tower_claude_failover::{FailoverLayer, ModelClass, Waiting};
use tower_claude_testkit::{Answer, FakeClaude};

/// An answer that says how many requests are left, and in how many seconds all are.
fn left(limit: u64, remaining: u64, reset: u64) -> Answer {
    let reset = Timestamp::from(SystemTime::now() + Duration::from_secs(reset));
    good()
        .header("anthropic-ratelimit-requests-limit", limit.to_string())
        .header(
            "anthropic-ratelimit-requests-remaining",
            remaining.to_string(),
        )
        .header("anthropic-ratelimit-requests-reset", reset.to_string())
}

#[tokio::test(start_paused = true)]
async fn a_target_that_has_nothing_left_is_passed_over_before_it_says_so() {
    let fleet = Fleet::answering([("a", left(60, 0, 60)), ("b", good())]);
    let layer = FailoverLayer::new(in_order(["a", "b"])).unwrap();
    let service = layer.layer(fleet.clone());
    for _ in 0..3 {
        assert_eq!(hear(&service, ask()).await.status, 200);
    }
    assert_eq!((fleet.calls("a"), fleet.calls("b")), (1, 2));
    // A request a second comes back.
    tokio::time::advance(Duration::from_secs(2)).await;
    hear(&service, ask()).await;
    assert_eq!(fleet.calls("a"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_what_comes_back() {
    let fleet = Fleet::new([("a", FakeClaude::sequence([left(60, 0, 60), good()]))]);
    let layer = FailoverLayer::new(in_order(["a"])).unwrap();
    let service = layer.waiting(Waiting::new()).layer(fleet.clone());
    hear(&service, ask()).await;
    let began = Instant::now();
    assert_eq!(hear(&service, ask()).await.status, 200);
    let waited = began.elapsed();
    let about_one = Duration::from_millis(900)..Duration::from_millis(1_200);
    assert!(about_one.contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_only_reckoned_refuses_nobody() {
    // Neither at once, nor when the wait is over.
    for waiting in [None, Some(Waiting::new())] {
        let answers = [left(1, 0, 120), good()];
        let fleet = Fleet::new([("a", FakeClaude::sequence(answers))]);
        let layer = FailoverLayer::new(in_order(["a"])).unwrap();
        let layer = match waiting {
            Some(waiting) => layer.waiting(waiting),
            None => layer,
        };
        let service = layer.layer(fleet.clone());
        hear(&service, ask()).await;
        assert_eq!(hear(&service, ask()).await.status, 200);
        assert_eq!(fleet.calls("a"), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn how_much_of_an_account_is_used_can_be_seen() {
    let fleet = Fleet::answering([("a", left(1000, 300, 60))]);
    let layer = FailoverLayer::new(in_order(["a"])).unwrap();
    hear(&layer.layer(fleet), ask()).await;
    let health = layer.health().snapshot().remove(0);
    assert_eq!(health.used.len(), 1);
    let used = health.used[0];
    assert_eq!(used.class, ModelClass::Opus);
    assert!((used.requests.unwrap() - 0.7).abs() < 0.01, "{used:?}");
    assert_eq!(used.input_tokens, None);
    let limits: Vec<_> = used.limits().map(|(name, _)| name).collect();
    assert_eq!(limits, ["requests"]);
}

#[tokio::test(start_paused = true)]
async fn headers_that_lie_are_counted_and_change_nothing() {
    let lies = [
        good()
            .header("anthropic-ratelimit-requests-limit", "-1")
            .header("anthropic-ratelimit-requests-remaining", "0")
            .header("anthropic-ratelimit-requests-reset", "2026-01-01T00:00:00Z"),
        left(60, 0, 9_999_999),
        Answer::rate_limited(7).header("retry-after", "-5"),
        Answer::rate_limited(7).header("retry-after", "99999999999999999999"),
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        let fleet = Fleet::answering([("a", lie)]);
        let layer = FailoverLayer::new([Target::new("a")]).unwrap();
        hear(&layer.layer(fleet), ask()).await;
        let health = layer.health().snapshot().remove(0);
        assert!(health.distrusted_headers > 0, "lie {number}");
        let closed = health.closed_for.unwrap_or_default();
        assert!(
            closed <= Duration::from_secs(3600),
            "lie {number}: {closed:?}"
        );
    }
}

/// Pays for nothing.
struct Broke;

impl Consider for Broke {
    fn consider(&self, _: &Target) -> Option<Considering> {
        let refusal = Refusal::new(RefusalKind::RateLimited, "no money");
        Some(Box::pin(async { Err(refusal) }))
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_nobody_pays_for_take_nothing_from_the_account() {
    let fleet = Fleet::answering([("a", left(1000, 900, 60))]);
    let layer = FailoverLayer::new(in_order(["a"])).unwrap();
    let service = layer.layer(fleet.clone());
    hear(&service, ask()).await;
    let used = || layer.health().snapshot()[0].used[0].requests.unwrap();
    let before = used();
    for _ in 0..1000 {
        let mut request = ask();
        request.extensions_mut().insert(Consent::new(Broke));
        assert_eq!(hear(&service, request).await.status, 429);
    }
    assert_eq!((used(), fleet.calls("a")), (before, 1));
}
