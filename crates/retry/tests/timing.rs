//! When the next attempt begins, and when none does.

mod support;

use std::num::NonZeroU32;
use std::time::Duration;

use http::Request;
use support::{CallsClaude as _, attempts, good, layer, play, prepared, request};
use tokio::time::Instant;
use tower::Layer as _;
use tower_claude_core::{CallBody, Failure, FailureKind};
use tower_claude_retry::{AttemptContext, FullJitter, RetryLayer, Verdict};
use tower_claude_testkit::{Answer, FakeClaude};

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn many() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(19)
}

fn starts(outcome: &support::Outcome) -> Vec<Duration> {
    let first = outcome.attempts[0].started;
    outcome.attempts.iter().map(|a| a.started - first).collect()
}

#[tokio::test(start_paused = true)]
async fn backs_off_twice_as_long_each_time_up_to_the_most() {
    let layer = layer()
        .attempts(NonZeroU32::new(7).unwrap())
        .total_timeout(Duration::MAX);
    let outcome = play(&layer, [Answer::overloaded()]).await;
    let expected = [0, 500, 1_500, 3_500, 7_500, 15_500, 23_500].map(millis);
    assert_eq!(starts(&outcome), expected);
}

#[tokio::test(start_paused = true)]
async fn draws_anything_up_to_the_backoff_the_same_for_a_seed() {
    let layer = |seed| RetryLayer::default().jitter(FullJitter::seeded(seed));
    let one = play(&layer(1), [Answer::overloaded()]).await;
    let same = play(&layer(1), [Answer::overloaded()]).await;
    let other = play(&layer(2), [Answer::overloaded()]).await;
    assert_eq!(starts(&one), starts(&same));
    assert_ne!(starts(&one), starts(&other));
    for outcome in [one, other] {
        let starts = starts(&outcome);
        assert!(starts[1] <= millis(501) && starts[2] - starts[1] <= millis(1_001));
    }
}

#[tokio::test(start_paused = true)]
async fn a_backoff_that_is_too_long_is_cut() {
    let layer = RetryLayer::default().jitter(|_: Duration| Duration::MAX);
    let outcome = play(&layer, [Answer::overloaded(), good()]).await;
    assert_eq!(starts(&outcome), [0, 500].map(millis));
}

#[tokio::test(start_paused = true)]
async fn waits_as_long_as_the_server_says_and_never_less() {
    for (answer, wait) in [
        (Answer::rate_limited(3), 3_000),
        (Answer::rate_limited(8), 8_000),
        (Answer::overloaded().header("retry-after", "2"), 2_000),
        (Answer::overloaded().header("retry-after-ms", "750.5"), 751),
        // Our own backoff is the larger.
        (Answer::overloaded().header("retry-after-ms", "20"), 500),
        // No word, and words that mean nothing.
        (Answer::overloaded(), 500),
        (Answer::overloaded().header("retry-after", "-7"), 500),
        (Answer::overloaded().header("retry-after", "soon"), 500),
    ] {
        let outcome = play(&layer(), [answer.clone(), good()]).await;
        assert_eq!(starts(&outcome), [0, wait].map(millis), "{answer:?}");
        assert_eq!(outcome.status(), 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_longer_word_than_the_most_is_handed_over_at_once() {
    for seconds in [9, 60, 86_400] {
        let outcome = play(&layer(), [Answer::rate_limited(seconds), good()]).await;
        assert_eq!((outcome.status(), outcome.calls), (429, 1));
        assert_eq!(outcome.elapsed, Duration::ZERO);
        let word = seconds.to_string();
        assert_eq!(outcome.header("retry-after"), Some(&*word), "not shortened");
        assert_eq!(
            outcome.header("x-should-retry"),
            None,
            "nothing was repeated"
        );
    }
    let answers = [Answer::overloaded(), Answer::rate_limited(9), good()];
    let outcome = play(&layer(), answers).await;
    assert_eq!((outcome.status(), outcome.calls), (429, 2));
    assert_eq!(outcome.elapsed, millis(500));
    assert_eq!(outcome.header("x-should-retry"), Some("false"));
}

#[tokio::test(start_paused = true)]
async fn the_reset_of_what_is_spent_counts_where_no_retry_after_is() {
    let reset = |seconds| {
        let (spent, reset) = (
            "anthropic-ratelimit-requests-remaining",
            "anthropic-ratelimit-requests-reset",
        );
        let date = tower_claude_core::Timestamp::from(
            std::time::SystemTime::now() + Duration::from_secs(seconds),
        );
        Answer::error(429, "rate_limit_error", "slow down")
            .header(spent, "0")
            .header(reset, date.to_string())
    };
    let outcome = play(&layer(), [reset(6), good()]).await;
    assert_eq!(outcome.calls, 2);
    let waited = starts(&outcome)[1];
    assert!(
        waited > millis(4_000) && waited <= millis(6_001),
        "{waited:?}"
    );
    let outcome = play(&layer(), [reset(30), good()]).await;
    assert_eq!((outcome.calls, outcome.elapsed), (1, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn begins_no_attempt_after_the_total_timeout() {
    let layer = layer()
        .attempts(many())
        .total_timeout(Duration::from_secs(20));
    let outcome = play(&layer, [Answer::overloaded()]).await;
    let expected = [0, 500, 1_500, 3_500, 7_500, 15_500].map(millis);
    assert_eq!(starts(&outcome), expected);
    assert_eq!(
        outcome.elapsed,
        millis(15_500),
        "and does not sleep in vain"
    );
    assert_eq!(outcome.header("x-should-retry"), Some("false"));
}

#[tokio::test(start_paused = true)]
async fn a_word_past_the_total_timeout_is_handed_over_at_once() {
    let layer = layer().total_timeout(Duration::from_secs(5));
    let outcome = play(&layer, [Answer::rate_limited(6), good()]).await;
    assert_eq!((outcome.calls, outcome.elapsed), (1, Duration::ZERO));
    let outcome = play(&layer, [Answer::rate_limited(5), good()]).await;
    assert_eq!(
        (outcome.calls, outcome.elapsed),
        (2, Duration::from_secs(5))
    );
}

#[tokio::test(start_paused = true)]
async fn the_time_of_an_attempt_counts_and_the_attempt_is_not_cut() {
    let slow = Answer::overloaded().head_delay(Duration::from_secs(70));
    let outcome = play(&layer(), [slow, good()]).await;
    assert_eq!((outcome.status(), outcome.calls), (529, 1));
    assert_eq!(outcome.elapsed, Duration::from_secs(70));
}

#[tokio::test(start_paused = true)]
async fn the_total_timeout_is_one_for_all_targets_and_the_attempts_are_for_each() {
    let layer = layer()
        .attempts(many())
        .total_timeout(Duration::from_secs(20));
    let (request, call) = prepared(request()).await;
    let again = Request::post("/v1/messages")
        .extension(call.clone())
        .body(CallBody::full(call.body().unwrap().clone()))
        .unwrap();
    let (east, west) = (
        FakeClaude::sequence([Answer::overloaded()]),
        FakeClaude::sequence([Answer::overloaded()]),
    );
    let began = Instant::now();
    layer.layer(east.clone()).ask(request).await.unwrap();
    layer.layer(west.clone()).ask(again).await.unwrap();
    assert_eq!((east.calls(), west.calls()), (6, 4));
    // 15.5 s at the first, then 0.5, 1 and 2 s; another 4 s would be over the 20.
    assert_eq!(began.elapsed(), millis(19_000));
    let log = attempts(&call);
    assert_eq!(log[6].reason, Some(FailureKind::Overloaded));
}

#[tokio::test(start_paused = true)]
async fn a_wait_without_end_is_handed_over_even_if_the_limits_are_off() {
    let forever = |_: &AttemptContext<'_>, _: &Failure| Verdict::Retry {
        wait: Some(Duration::MAX),
    };
    let layer = RetryLayer::new(forever).total_timeout(Duration::from_secs(1_000));
    let outcome = play(&layer, [Answer::overloaded(), good()]).await;
    assert_eq!((outcome.calls, outcome.elapsed), (1, Duration::ZERO));
}
