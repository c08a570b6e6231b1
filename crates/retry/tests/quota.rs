//! Retries are paid for, so that an upstream in trouble is not asked more, but less.

mod support;

use std::num::NonZeroU32;
use std::time::Duration;

use http::Request;
use proptest::prelude::*;
use support::{CallsClaude as _, good, layer, play, request};
use tower::Layer as _;
use tower_claude_core::CallBody;
use tower_claude_retry::{RetryLayer, RetryQuota};
use tower_claude_testkit::{Answer, FakeClaude};

/// The cost of 429, 503 and 529; any other retry takes twice as much.
const THROTTLE: u32 = 5;

fn tokens(tokens: u32) -> RetryQuota {
    RetryQuota::new()
        .capacity(NonZeroU32::new(tokens).expect("not zero"))
        .floor(0)
}

#[tokio::test(start_paused = true)]
async fn sixty_seconds_of_nothing_but_529_cost_a_tenth_more_and_the_floor() {
    const PER_SECOND: u64 = 50;
    let fake = FakeClaude::sequence([Answer::overloaded()]).unlogged();
    let service = RetryLayer::default().layer(fake.clone());
    let mut tasks = Vec::new();
    for _ in 0..60 * PER_SECOND {
        tasks.push(tokio::spawn(service.clone().ask(request())));
        tokio::time::sleep(Duration::from_secs(1) / u32::try_from(PER_SECOND).unwrap()).await;
    }
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap().status(), 529);
    }
    let (requests, attempts) = (60 * PER_SECOND, fake.calls());
    // A full bucket of 100 retries, and one a second.
    assert!(attempts <= requests + 100 + 62, "{attempts}");
    assert!(attempts <= requests * 11 / 10, "{attempts}");
    assert!(
        attempts >= requests + 150,
        "what there is may be used: {attempts}"
    );
}

#[tokio::test(start_paused = true)]
async fn throttles_cost_half_of_what_other_failures_do() {
    for (answer, retries) in [
        (Answer::overloaded(), 4),
        (Answer::rate_limited(1), 4),
        (Answer::error(503, "api_error", "no"), 4),
        (Answer::error(408, "timeout_error", "no"), 2),
        (Answer::refused_connection(), 2),
    ] {
        let layer = layer()
            .attempts(NonZeroU32::new(9).unwrap())
            .quota(tokens(4 * THROTTLE));
        let outcome = play(&layer, [answer]).await;
        assert_eq!(outcome.calls, 1 + retries);
    }
}

#[tokio::test(start_paused = true)]
async fn the_failure_is_the_answer_when_the_quota_is_spent() {
    let quota = tokens(THROTTLE);
    let layer = layer().quota(quota.clone());
    let outcome = play(&layer, [Answer::overloaded(), good()]).await;
    assert_eq!((outcome.status(), outcome.calls), (200, 2));
    assert_eq!(quota.available(), 0, "only a first attempt earns");
    let outcome = play(&layer, [Answer::overloaded(), good()]).await;
    assert_eq!((outcome.status(), outcome.calls), (529, 1));
    assert_eq!(outcome.elapsed, Duration::ZERO);
    assert_eq!(outcome.header("x-should-retry"), None);
}

#[tokio::test(start_paused = true)]
async fn ten_successes_earn_one_retry() {
    let quota = tokens(THROTTLE);
    let layer = layer().quota(quota.clone());
    play(&layer, [Answer::overloaded(), good()]).await;
    for calls in 1..=10 {
        play(&layer, [good()]).await;
        assert_eq!(quota.available(), calls / 2);
    }
    let outcome = play(&layer, [Answer::overloaded(), good()]).await;
    assert_eq!(outcome.calls, 2);
}

#[tokio::test(start_paused = true)]
async fn the_floor_comes_back_whatever_happens() {
    let quota = RetryQuota::new().capacity(NonZeroU32::new(THROTTLE).unwrap());
    let layer = layer().quota(quota).base(Duration::ZERO);
    let calls = async || play(&layer, [Answer::overloaded(), good()]).await.calls;
    assert_eq!(calls().await, 2);
    assert_eq!(calls().await, 1);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(calls().await, 2);
}

#[tokio::test(start_paused = true)]
async fn callers_that_retry_by_themselves_pay_and_earn_nothing() {
    let quota = tokens(100);
    let service = layer()
        .quota(quota.clone())
        .layer(FakeClaude::sequence([good()]));
    for (count, left) in [("0", 100), ("1", 95), ("2", 90), ("many", 85)] {
        let request = Request::post("/v1/messages")
            .header("x-stainless-retry-count", count)
            .body(CallBody::from(support::ASK))
            .unwrap();
        service.clone().ask(request).await.unwrap();
        assert_eq!(quota.available(), left, "{count}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_handed_over_is_not_paid_for() {
    let quota = tokens(100);
    let layer = layer().quota(quota.clone());
    for answer in [
        Answer::rate_limited(60),
        Answer::error(400, "invalid_request_error", "no"),
    ] {
        play(&layer, [answer]).await;
    }
    assert_eq!(quota.available(), 100);
}

#[tokio::test(start_paused = true)]
async fn layers_and_their_clones_share_a_quota() {
    let quota = tokens(2 * THROTTLE);
    let one = layer().quota(quota.clone());
    let other = layer().quota(quota).clone();
    assert_eq!(play(&one, [Answer::overloaded(), good()]).await.calls, 2);
    assert_eq!(play(&other, [Answer::overloaded(), good()]).await.calls, 2);
    assert_eq!(play(&one, [Answer::overloaded(), good()]).await.calls, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn attempts_stay_within_a_tenth_of_the_requests_and_the_floor(
        // For each call: how many attempts fail before one does not, and how.
        calls in proptest::collection::vec((0..4_usize, any::<bool>()), 1..400),
        gap in 0..400_u64,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let (requests, attempts, elapsed) = runtime.block_on(async {
            let layer = RetryLayer::default().jitter(|_: Duration| Duration::ZERO);
            let began = tokio::time::Instant::now();
            let mut attempts = 0;
            for (failures, is_throttle) in &calls {
                let failure = if *is_throttle {
                    Answer::overloaded()
                } else {
                    Answer::refused_connection()
                };
                let answers = std::iter::repeat_n(failure, *failures).chain([good()]);
                attempts += play(&layer, answers).await.calls;
                tokio::time::advance(Duration::from_millis(gap)).await;
            }
            (calls.len() as u64, attempts, began.elapsed().as_secs())
        });
        // The full bucket pays for 100 retries, the floor for one a second.
        prop_assert!(attempts * 10 <= requests * 11 + 10 * (100 + elapsed + 1));
    }
}
