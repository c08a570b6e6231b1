//! Asking a second target while the first is silent.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

mod support;

use std::time::Duration;

use http_body_util::BodyExt as _;
use support::{Fleet, ask, good, good_stream, hear, in_order, log, prepared};
use tokio::time::Instant;
use tokio_test::{assert_pending, task};
use tower::{Layer as _, ServiceExt as _};
use tower_claude_core::{CallBody, FailureKind};
use tower_claude_failover::{Failover, FailoverLayer, Hedge, ModelFallbacks};
use tower_claude_testkit::{Answer, Ended, FakeClaude, ServiceProbe};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Two targets that were quick so far; then these answers come.
async fn warm(a: Answer, b: Answer, hedge: Hedge) -> (Failover<Fleet>, Fleet) {
    let scripts = [("a", a), ("b", b)].map(|(name, last)| {
        let mut answers = vec![good(); if name == "a" { 40 } else { 0 }];
        answers.push(last);
        (name, FakeClaude::sequence(answers))
    });
    let fleet = Fleet::new(scripts);
    let layer = FailoverLayer::new(in_order(["a", "b"]))
        .unwrap()
        .hedge(hedge);
    let service = layer.layer(fleet.clone());
    for _ in 0..40 {
        let (request, _) = prepared().await;
        assert_eq!(hear(&service, request).await.status, 200);
    }
    assert_eq!(fleet.calls("b"), 0, "nothing was slow");
    (service, fleet)
}

fn slow() -> Answer {
    good().head_delay(seconds(30))
}

#[tokio::test(start_paused = true)]
async fn a_second_target_answers_for_one_that_is_silent() {
    let (service, fleet) = warm(slow(), good(), Hedge::new()).await;
    let (request, call) = prepared().await;
    let began = Instant::now();
    let heard = hear(&service, request).await;
    assert_eq!((heard.status, began.elapsed()), (200, seconds(1)));
    assert_eq!((fleet.calls("a"), fleet.calls("b")), (41, 1));
    let mut log = log(&call);
    log.sort_by(|one, other| one.0.cmp(&other.0));
    let expected = [
        ("a".into(), None, None, None, false),
        ("b".into(), Some(200), None, Some(FailureKind::Slow), true),
    ];
    assert_eq!(log, expected, "the one that was given up is there too");
    let given_up = fleet.fake("a").truth().entries().pop().unwrap();
    assert_eq!(given_up.ended, Ended::DroppedByReceiver);
}

#[tokio::test(start_paused = true)]
async fn the_first_may_still_win() {
    let late = good().head_delay(seconds(2));
    let (service, fleet) = warm(late, slow(), Hedge::new()).await;
    let (request, call) = prepared().await;
    let began = Instant::now();
    assert_eq!(hear(&service, request).await.status, 200);
    assert_eq!((began.elapsed(), fleet.calls("b")), (seconds(2), 1));
    let finals: Vec<_> = log(&call).into_iter().filter(|line| line.4).collect();
    assert_eq!(finals.len(), 1);
    assert_eq!(finals[0].0, "a");
}

#[tokio::test(start_paused = true)]
async fn a_bad_answer_does_not_win_over_one_that_may_be_good() {
    // The second fails while the first is asked, and the other way round.
    let error = || Answer::error(500, "api_error", "?");
    let (service, _) = warm(good().head_delay(seconds(9)), error(), Hedge::new()).await;
    let (request, call) = prepared().await;
    assert_eq!(hear(&service, request).await.status, 200);
    assert_eq!(log(&call).iter().filter(|line| line.4).count(), 1);

    let late_error = error().head_delay(seconds(2));
    let (service, _) = warm(late_error, good().head_delay(seconds(5)), Hedge::new()).await;
    let (request, call) = prepared().await;
    assert_eq!(hear(&service, request).await.status, 200);
    let finals: Vec<_> = log(&call).into_iter().filter(|line| line.4).collect();
    assert_eq!(finals.len(), 1);
    assert_eq!(finals[0].0, "b");

    let (service, _) = warm(error().head_delay(seconds(2)), error(), Hedge::new()).await;
    let (request, _) = prepared().await;
    assert_eq!(hear(&service, request).await.status, 500, "both are bad");
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_hedged_until_its_first_content() {
    let silent = good_stream().stall_after(1);
    let scripts = [("a", 40), ("b", 0)].map(|(name, warm)| {
        let mut answers = vec![good_stream(); warm];
        answers.push(if name == "a" {
            silent.clone()
        } else {
            good_stream()
        });
        (name, FakeClaude::sequence(answers))
    });
    let fleet = Fleet::new(scripts);
    let layer = FailoverLayer::new(in_order(["a", "b"]))
        .unwrap()
        .hedge(Hedge::new());
    let service = layer.layer(fleet.clone());
    let ask_stream = || {
        http::Request::post("/v1/messages")
            .body(CallBody::from(
                r#"{"model":"claude-opus-5-5","max_tokens":9,"stream":true,"messages":[]}"#,
            ))
            .unwrap()
    };
    for _ in 0..40 {
        hear(&service, ask_stream()).await;
    }
    let began = Instant::now();
    let response = service.clone().oneshot(ask_stream()).await.unwrap();
    assert_eq!(began.elapsed(), seconds(1));
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    assert_eq!(text.matches("event: message_start").count(), 1);
    assert!(text.ends_with("data: {\"type\":\"message_stop\"}\n\n"));
}

#[tokio::test(start_paused = true)]
async fn hedges_keep_within_their_budget() {
    // Slow calls are soon most of them, and then no longer slow: so by the fastest tenth.
    let hedge = Hedge::new().quantile(100);
    let (service, fleet) = warm(slow(), slow(), hedge.budget(5)).await;
    for _ in 0..100 {
        let (request, _) = prepared().await;
        hear(&service, request).await;
    }
    assert!((5..=7).contains(&fleet.calls("b")), "{}", fleet.calls("b"));

    let (service, fleet) = warm(slow(), slow(), hedge.budget(0)).await;
    let (request, _) = prepared().await;
    hear(&service, request).await;
    assert_eq!(fleet.calls("b"), 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_hedged_unasked_or_before_anything_is_known() {
    let fleet = Fleet::answering([("a", slow()), ("b", good())]);
    let layer = FailoverLayer::new(in_order(["a", "b"])).unwrap();
    for layer in [layer.clone(), layer.hedge(Hedge::new())] {
        let (request, _) = prepared().await;
        hear(&layer.layer(fleet.clone()), request).await;
    }
    assert_eq!(fleet.calls("b"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_gives_both_up() {
    let (service, fleet) = warm(slow(), slow(), Hedge::new()).await;
    let (request, call) = prepared().await;
    let asked = tokio::time::timeout(seconds(5), service.oneshot(request));
    assert!(asked.await.is_err());
    for name in ["a", "b"] {
        let last = fleet.fake(name).truth().entries().pop().unwrap();
        assert_eq!(last.ended, Ended::DroppedByReceiver);
    }
    assert_eq!(log(&call).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_hedge_that_is_not_made_takes_no_target_away() {
    let mut answers = vec![good(); 40];
    answers.push(Answer::overloaded().head_delay(Duration::from_millis(900)));
    let fleet = Fleet::new([
        ("a", FakeClaude::sequence(answers)),
        ("b", FakeClaude::sequence([Answer::overloaded()])),
        ("c", FakeClaude::sequence([good()])),
    ]);
    let probe = ServiceProbe::new(fleet.clone());
    let handle = probe.handle();
    let layer = FailoverLayer::new(in_order(["a", "b", "c"])).unwrap();
    let service = layer.hedge(Hedge::new()).layer(probe);
    for _ in 0..40 {
        service.clone().oneshot(ask()).await.unwrap();
    }
    let mut call = task::spawn(service.oneshot(ask()));
    assert_pending!(call.poll());
    handle.hold_ready();
    tokio::time::sleep(Duration::from_millis(950)).await;
    assert_pending!(call.poll());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_pending!(call.poll());
    handle.release_ready();
    let response = call.await.unwrap();
    assert_eq!((response.status().as_u16(), fleet.calls("c")), (200, 1));
}

#[tokio::test(start_paused = true)]
async fn of_two_bad_answers_the_log_says_which_one_the_caller_got() {
    let late = |status, seconds| {
        Answer::error(status, "api_error", "?").head_delay(self::seconds(seconds))
    };
    for (first, rival, status) in [(2, 5, 500), (5, 2, 500)] {
        let (service, _) = warm(late(500, first), late(400, rival), Hedge::new()).await;
        let (request, call) = prepared().await;
        assert_eq!(hear(&service, request).await.status, status);
        let finals: Vec<_> = log(&call).into_iter().filter(|line| line.4).collect();
        assert_eq!(finals.len(), 1, "{:?}", log(&call));
        assert_eq!((finals[0].0.as_str(), finals[0].1), ("a", Some(status)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_only_slow_is_not_answered_by_a_lesser_model() {
    let scripts = [
        ("a", 40, good().head_delay(seconds(9))),
        ("b", 0, Answer::overloaded()),
    ];
    let fleet = Fleet::new(scripts.map(|(name, quick, last)| {
        let mut answers = vec![good(); quick];
        answers.push(last);
        (name, FakeClaude::sequence(answers))
    }));
    let fallbacks = ModelFallbacks::new().of("claude-opus-*", ["claude-haiku-5-5"]);
    let layer = FailoverLayer::new(in_order(["a", "b"])).unwrap();
    let layer = layer
        .hedge(Hedge::new())
        .model_fallbacks(fallbacks.unwrap());
    let service = layer.layer(fleet.clone());
    for _ in 0..40 {
        hear(&service, ask()).await;
    }
    let began = Instant::now();
    let heard = hear(&service, ask()).await;
    assert_eq!(
        (heard.status, heard.header("x-claude-degraded")),
        (200, None)
    );
    assert_eq!((began.elapsed(), fleet.calls("b")), (seconds(9), 1));
}

#[tokio::test(start_paused = true)]
async fn the_one_that_is_left_moves_on() {
    let scripts = [
        ("a", 40, Answer::overloaded().head_delay(seconds(2))),
        ("b", 0, Answer::overloaded().head_delay(seconds(3))),
        ("c", 0, good()),
    ];
    let fleet = Fleet::new(scripts.map(|(name, quick, last)| {
        let mut answers = vec![good(); quick];
        answers.push(last);
        (name, FakeClaude::sequence(answers))
    }));
    let layer = FailoverLayer::new(in_order(["a", "b", "c"])).unwrap();
    let service = layer.hedge(Hedge::new()).layer(fleet.clone());
    for _ in 0..40 {
        hear(&service, ask()).await;
    }
    let (request, call) = prepared().await;
    assert_eq!(hear(&service, request).await.status, 200);
    let finals: Vec<_> = log(&call).into_iter().filter(|line| line.4).collect();
    assert_eq!((finals.len(), finals[0].0.as_str()), (1, "c"));
}
