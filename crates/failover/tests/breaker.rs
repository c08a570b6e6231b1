//! When a target is taken out of use, and when it comes back.

mod support;

use std::time::Duration;

use futures_join::join_all;
use support::{Fleet, a_then_b, ask, ask_model, good, hear, in_order};
use tower::Layer as _;
use tower_claude_core::FailureKind;
use tower_claude_failover::{FailoverLayer, ModelClass};
use tower_claude_testkit::{Answer, FakeClaude};

/// Runs futures at the same time, without a crate for it.
mod futures_join {
    use std::future::Future;

    pub(crate) async fn join_all<F>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let tasks: Vec<_> = futures.into_iter().map(tokio::spawn).collect();
        let mut outputs = Vec::new();
        for task in tasks {
            outputs.push(task.await.expect("no panic"));
        }
        outputs
    }
}

async fn pass(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
}

/// Answers like the first for so many calls, then like the second.
fn at_first(times: usize, first: &Answer, then: Answer) -> FakeClaude {
    FakeClaude::sequence((0..times).map(|_| first.clone()).chain([then]))
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_down_costs_five_attempts_and_no_call() {
    let fleet = Fleet::answering([("a", Answer::refused_connection()), ("b", good())]);
    let service = a_then_b(&fleet);
    for _ in 0..100 {
        assert_eq!(hear(&service, ask()).await.status, 200);
    }
    assert_eq!(fleet.calls("a"), 5);
    assert_eq!(fleet.calls("b"), 100);
}

#[tokio::test(start_paused = true)]
async fn one_probe_at_a_time_goes_to_a_target_that_was_down() {
    let slow = good().head_delay(Duration::from_secs(2));
    let fleet = Fleet::new([
        ("a", at_first(5, &Answer::overloaded(), slow)),
        ("b", FakeClaude::sequence([good()])),
    ]);
    let service = a_then_b(&fleet);
    for _ in 0..10 {
        hear(&service, ask()).await;
    }
    assert_eq!(fleet.calls("a"), 5);
    pass(15).await;
    let calls = (0..20).map(|_| {
        let service = service.clone();
        async move { hear(&service, ask()).await.status }
    });
    let statuses = join_all(calls).await;
    assert!(statuses.iter().all(|status| *status == 200));
    assert_eq!(fleet.calls("a"), 6, "one probe");
    hear(&service, ask()).await;
    assert_eq!(fleet.calls("a"), 7, "back in use");
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_fails_closes_the_target_again() {
    let fleet = Fleet::new([
        ("a", at_first(6, &Answer::overloaded(), good())),
        ("b", FakeClaude::sequence([good()])),
    ]);
    let layer = FailoverLayer::new(in_order(["a", "b"])).unwrap();
    let service = layer.layer(fleet.clone());
    for _ in 0..6 {
        hear(&service, ask()).await;
    }
    pass(15).await;
    assert_eq!(hear(&service, ask()).await.status, 200, "moved on to b");
    assert_eq!(fleet.calls("a"), 6);
    pass(14).await;
    hear(&service, ask()).await;
    assert_eq!(fleet.calls("a"), 6, "closed again");
    let health = layer.health().snapshot().remove(0);
    assert_eq!(health.open_classes, [ModelClass::Opus]);
    assert_eq!(health.closed_for, Some(Duration::from_secs(1)));
    assert_eq!(health.last_failure, Some(FailureKind::Overloaded));
    pass(1).await;
    hear(&service, ask()).await;
    assert_eq!(fleet.calls("a"), 7);
    let health = layer.health().snapshot().remove(0);
    assert!(health.is_up && health.closed_for.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_class_of_models_that_is_down_leaves_the_others_in_use() {
    let fleet = Fleet::new([
        (
            "a",
            FakeClaude::new(|asked| match asked.model() {
                Some(model) if model.contains("opus") => Answer::overloaded(),
                _ => good(),
            }),
        ),
        ("b", FakeClaude::sequence([good()])),
    ]);
    let service = a_then_b(&fleet);
    for _ in 0..20 {
        hear(&service, ask_model("claude-opus-5-5")).await;
        hear(&service, ask_model("claude-haiku-5")).await;
    }
    assert_eq!(fleet.calls("a"), 5 + 20);
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_cools_the_class_down_until_its_reset() {
    let fleet = Fleet::new([
        ("a", at_first(1, &Answer::rate_limited(30), good())),
        ("b", FakeClaude::sequence([good()])),
    ]);
    let service = a_then_b(&fleet);
    hear(&service, ask()).await;
    pass(29).await;
    hear(&service, ask()).await;
    assert_eq!((fleet.calls("a"), fleet.calls("b")), (1, 2));
    hear(&service, ask_model("claude-haiku-5")).await;
    assert_eq!(fleet.calls("a"), 2, "another class");
    pass(1).await;
    hear(&service, ask()).await;
    assert_eq!(fleet.calls("a"), 3);
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_without_a_reset_cools_for_seconds_and_a_lie_for_an_hour_at_most() {
    for (answer, seconds) in [
        (Answer::error(429, "rate_limit_error", "slow down"), 5),
        (Answer::rate_limited(9_999_999), 3600),
    ] {
        let fleet = Fleet::new([
            ("a", at_first(1, &answer, good())),
            ("b", FakeClaude::sequence([good()])),
        ]);
        let service = a_then_b(&fleet);
        hear(&service, ask()).await;
        pass(seconds - 1).await;
        hear(&service, ask()).await;
        assert_eq!(fleet.calls("a"), 1);
        pass(1).await;
        hear(&service, ask()).await;
        assert_eq!(fleet.calls("a"), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn rate_limits_do_not_open_the_breaker() {
    let limited = Answer::error(429, "rate_limit_error", "slow down");
    let fleet = Fleet::answering([("a", limited), ("b", good())]);
    let layer = FailoverLayer::new(in_order(["a", "b"])).unwrap();
    let service = layer.layer(fleet.clone());
    for _ in 0..10 {
        hear(&service, ask()).await;
        pass(5).await;
    }
    assert_eq!(fleet.calls("a"), 10);
    assert!(layer.health().snapshot()[0].is_up);
}

#[tokio::test(start_paused = true)]
async fn the_later_of_two_deadlines_wins() {
    let soon = Duration::from_secs(1);
    let fleet = Fleet::new([
        (
            "a",
            FakeClaude::sequence([
                Answer::rate_limited(40).head_delay(soon),
                Answer::rate_limited(10).head_delay(soon * 2),
                good(),
            ]),
        ),
        ("b", FakeClaude::sequence([good()])),
    ]);
    let service = a_then_b(&fleet);
    let calls = (0..2).map(|_| {
        let service = service.clone();
        async move { hear(&service, ask()).await.status }
    });
    assert_eq!(join_all(calls).await, [200, 200]);
    pass(30).await;
    hear(&service, ask()).await;
    assert_eq!(fleet.calls("a"), 2, "the earlier word still holds");
    pass(9).await;
    hear(&service, ask()).await;
    assert_eq!(fleet.calls("a"), 3);
}

#[tokio::test(start_paused = true)]
async fn a_spent_account_is_closed_to_every_class_until_its_date() {
    for spent in [Answer::spend_cap(), Answer::spend_limit()] {
        let fleet = Fleet::new([
            ("a", at_first(1, &spent, good())),
            ("b", FakeClaude::sequence([good()])),
        ]);
        let layer = FailoverLayer::new(in_order(["a", "b"])).unwrap();
        let service = layer.layer(fleet.clone());
        hear(&service, ask()).await;
        let health = layer.health().snapshot().remove(0);
        assert!(!health.is_up && health.open_classes.is_empty());
        let wait = health.closed_for.unwrap();
        hear(&service, ask_model("claude-haiku-5")).await;
        assert_eq!((fleet.calls("a"), fleet.calls("b")), (1, 2));
        tokio::time::advance(wait).await;
        assert!(layer.health().snapshot()[0].is_up);
        hear(&service, ask()).await;
        assert_eq!(fleet.calls("a"), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_finds_every_target_closed_is_told_when_the_first_opens() {
    let fleet = Fleet::answering([
        ("a", Answer::rate_limited(90)),
        ("b", Answer::rate_limited(30)),
    ]);
    let service = a_then_b(&fleet);
    assert_eq!(hear(&service, ask()).await.status, 429, "upstream's own");
    pass(5).await;
    let heard = hear(&service, ask()).await;
    assert_eq!(heard.status, 529);
    assert!(heard.text().contains("overloaded_error"));
    assert_eq!(heard.header("retry-after"), Some("25"));
    assert_eq!((fleet.calls("a"), fleet.calls("b")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_single_target_that_is_down_is_left_alone_and_comes_back() {
    let fleet = Fleet::new([("a", at_first(5, &Answer::refused_connection(), good()))]);
    let layer = FailoverLayer::new(in_order(["a"])).unwrap();
    let service = layer.layer(fleet.clone());
    for _ in 0..5 {
        let answer = tower::ServiceExt::oneshot(service.clone(), ask()).await;
        assert!(answer.is_err());
    }
    let heard = hear(&service, ask()).await;
    assert_eq!(heard.status, 529);
    assert_eq!(heard.header("retry-after"), Some("15"));
    pass(15).await;
    assert_eq!(hear(&service, ask()).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn the_callers_own_mistakes_close_nothing() {
    let fleet = Fleet::answering([("a", Answer::error(400, "invalid_request_error", "no"))]);
    let layer = FailoverLayer::new(in_order(["a"])).unwrap();
    let service = layer.layer(fleet.clone());
    for _ in 0..50 {
        assert_eq!(hear(&service, ask()).await.status, 400);
    }
    let health = layer.health().snapshot().remove(0);
    assert!(health.is_up && health.last_failure.is_none());
}
