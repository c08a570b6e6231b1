//! Streams: nothing moves after content, and a target is judged by how they end.

mod support;

use std::time::Duration;

use http_body_util::BodyExt as _;
use support::{Fleet, a_then_b, ask, good_stream, hear, in_order, log, prepared};
use tokio::time::Instant;
use tower::{Layer as _, ServiceExt as _};
use tower_claude_core::FailureKind;
use tower_claude_failover::{Failover, FailoverBody, FailoverLayer, Health};
use tower_claude_testkit::{Answer, FakeClaude, ScriptedBody, Split, wire};

type Body = tower_claude_core::ResponseBody<FailoverBody<ScriptedBody>>;

fn a_alone(answer: Answer) -> (Failover<Fleet>, Health) {
    let layer = FailoverLayer::new(in_order(["a"])).expect("targets");
    (
        layer.layer(Fleet::answering([("a", answer)])),
        layer.health(),
    )
}

async fn begin(service: &Failover<Fleet>) -> Body {
    let response = service.clone().oneshot(ask()).await.expect("an answer");
    assert_eq!(response.status(), 200);
    response.into_body()
}

fn is_up(health: &Health) -> bool {
    health.snapshot()[0].is_up
}

#[tokio::test]
async fn an_error_event_before_content_moves_on() {
    for (answer, failure) in [
        (Answer::error_before_content(), FailureKind::Overloaded),
        (Answer::error_after_start(), FailureKind::ServerError),
    ] {
        let fleet = Fleet::answering([("a", answer), ("b", good_stream())]);
        let (request, call) = prepared().await;
        let heard = hear(&a_then_b(&fleet), request).await;
        assert!(
            heard
                .text()
                .ends_with("data: {\"type\":\"message_stop\"}\n\n")
        );
        assert!(!heard.text().contains("event: error"));
        assert_eq!(heard.text().matches("message_start\n").count(), 1);
        let first = log(&call).remove(0);
        assert_eq!(first.1, Some(200));
        assert_eq!(first.2, Some(failure), "not billed, so it moved");
    }
}

#[tokio::test]
async fn an_error_event_after_content_never_moves_on() {
    let fleet = Fleet::answering([("a", Answer::error_midway()), ("b", good_stream())]);
    let heard = hear(&a_then_b(&fleet), ask()).await;
    assert_eq!(heard.text(), wire::STREAM_ERROR_MIDWAY);
    assert_eq!(fleet.calls("b"), 0);
}

#[tokio::test]
async fn wherever_a_stream_breaks_the_caller_gets_one_answer() {
    let whole = good_stream();
    let body = whole.response().unwrap().into_body().collect().await;
    let body = body.unwrap().to_bytes();
    let events = body
        .split(|byte| *byte == b'\n')
        .filter(|line| line.starts_with(b"event: "))
        .count();
    let streams = (0..events).flat_map(|events| {
        [
            whole
                .clone()
                .error_event_after(events, "overloaded_error", "x"),
            whole.clone().truncate_after(events),
            whole.clone().reset_after(events),
            whole
                .clone()
                .error_event_after(events, "overloaded_error", "x")
                .split(Split::EveryByte),
        ]
    });
    for (number, answer) in streams.enumerate() {
        let fleet = Fleet::answering([("a", answer), ("b", whole.clone())]);
        let service = FailoverLayer::new(in_order(["a", "b"]))
            .unwrap()
            .possibly_billed(true)
            .layer(fleet.clone());
        let heard = hear(&service, ask()).await;
        let starts = heard.text().matches("event: message_start").count();
        assert_eq!(starts, 1, "stream {number}");
        if fleet.calls("b") == 1 {
            assert!(!heard.text().contains("event: error"), "stream {number}");
        }
    }
}

#[tokio::test]
async fn a_stream_cut_before_content_may_have_been_billed() {
    let fleet = Fleet::answering([("a", good_stream().truncate_after(1)), ("b", good_stream())]);
    let heard = hear(&a_then_b(&fleet), ask()).await;
    assert!(heard.text().contains("event: error"), "told, not moved");
    assert_eq!(fleet.calls("b"), 0);
}

#[tokio::test]
async fn a_stream_passes_byte_for_byte() {
    for text in [
        wire::STREAM_THINKING_TOOL_USE,
        wire::STREAM_SERVER_TOOL,
        wire::STREAM_CRLF_COMMENTS,
    ] {
        for split in [Split::Events, Split::EveryByte] {
            let fleet = Fleet::answering([("a", Answer::sse(text).split(split))]);
            let service = FailoverLayer::new(in_order(["a"])).unwrap().layer(fleet);
            assert_eq!(hear(&service, ask()).await.text(), text);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_is_judged_when_its_stream_ends_and_not_before() {
    for answer in [
        Answer::truncated(),
        Answer::error_midway(),
        good_stream().reset_after(5),
    ] {
        let (service, health) = a_alone(answer);
        let mut bodies = Vec::new();
        for _ in 0..5 {
            bodies.push(begin(&service).await);
        }
        assert!(is_up(&health), "all have only begun");
        for (read, body) in (1..).zip(bodies) {
            let _ = body.collect().await;
            assert_eq!(is_up(&health), read < 5);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_read_to_its_end_counts_once_even_if_it_is_kept() {
    let (service, health) = a_alone(Answer::truncated());
    let mut kept = Vec::new();
    for _ in 0..4 {
        let mut body = begin(&service).await;
        while let Some(frame) = body.frame().await {
            frame.unwrap();
        }
        kept.push(body);
    }
    drop(kept);
    assert!(is_up(&health), "four, not eight");
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_says_nothing_of_the_target() {
    let (service, health) = a_alone(Answer::truncated());
    for _ in 0..50 {
        let mut body = begin(&service).await;
        body.frame().await.unwrap().unwrap();
    }
    assert!(is_up(&health));
    assert_eq!(health.snapshot()[0].last_failure, None);
}

#[tokio::test(start_paused = true)]
async fn a_probe_is_judged_at_the_end_of_its_stream() {
    let outage = (0..5).map(|_| Answer::overloaded());
    let fleet = Fleet::new([
        ("a", FakeClaude::sequence(outage.chain([good_stream()]))),
        ("b", FakeClaude::sequence([good_stream()])),
    ]);
    let layer = FailoverLayer::new(in_order(["a", "b"])).unwrap();
    let (service, health) = (layer.layer(fleet.clone()), layer.health());
    for _ in 0..5 {
        hear(&service, ask()).await;
    }
    tokio::time::advance(std::time::Duration::from_secs(15)).await;

    let probe = begin(&service).await;
    hear(&service, ask()).await;
    assert_eq!(fleet.calls("a"), 6, "the probe holds the others back");
    drop(probe);
    let open = || health.snapshot()[0].open_classes.len();
    assert_eq!(open(), 1, "it left without a judgement");

    let probe = begin(&service).await;
    assert_eq!(fleet.calls("a"), 7, "and made room");
    probe.collect().await.unwrap();
    assert!(is_up(&health));
}

#[tokio::test]
async fn the_log_holds_the_usage_of_every_attempt() {
    let fleet = Fleet::answering([("a", Answer::error_after_start()), ("b", good_stream())]);
    let (request, call) = prepared().await;
    hear(&a_then_b(&fleet), request).await;
    let mut known = Vec::new();
    call.attempts().for_each(|attempt| {
        let usage = attempt.usage.as_ref().unwrap();
        known.push(usage.read(|metered| metered.usage.is_known()));
    });
    assert_eq!(known, [true, true]);
}

#[tokio::test(start_paused = true)]
async fn the_head_of_a_silent_stream_goes_on_when_the_time_is_over() {
    for patience in [Duration::ZERO, Duration::from_secs(3)] {
        let silent = good_stream().stall_after(1);
        let fleet = Fleet::answering([("a", silent), ("b", good_stream())]);
        let layer = FailoverLayer::new(in_order(["a", "b"])).expect("targets");
        let service = layer.gate_time(patience).layer(fleet.clone());
        let began = Instant::now();
        let mut body = begin(&service).await;
        assert_eq!(began.elapsed(), patience);
        let first = body.frame().await.expect("a frame").expect("no error");
        let first = first.into_data().expect("data");
        assert!(first.starts_with(b"event: message_start"));
        assert_eq!(fleet.calls("b"), 0, "silence is no failure yet");
    }
}
