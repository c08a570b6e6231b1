//! The head of a stream is held until it is known to be good, and no longer.

mod support;

use std::time::Duration;

use http_body_util::BodyExt as _;
use support::{good, layer, play, stream_request};
use tokio::time::Instant;
use tower::{Layer as _, ServiceExt as _};
use tower_claude_core::{Failure, FailureKind, Intake, UsageCell};
use tower_claude_testkit::{Answer, Ended, FakeClaude, Split, wire};

fn stream() -> Answer {
    Answer::thinking_tool_use()
}

#[tokio::test(start_paused = true)]
async fn repeats_an_error_event_before_content() {
    for broken in [
        Answer::error_before_content(),
        Answer::error_after_start(),
        stream().error_event_after(2, "rate_limit_error", "slow down"),
        stream().error_event_after(1, "api_error", "not billed in band"),
    ] {
        for split in [Split::Events, Split::EveryByte] {
            let answers = [broken.clone().split(split), stream()];
            let outcome = play(&layer(), answers).await;
            assert_eq!((outcome.status(), outcome.calls), (200, 2), "{broken:?}");
            assert_eq!(outcome.text(), wire::STREAM_THINKING_TOOL_USE);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn never_repeats_after_content() {
    for broken in [
        Answer::error_midway(),
        Answer::truncated(),
        stream().reset_after(6),
        stream().truncate_after(6),
    ] {
        let outcome = play(&layer().possibly_billed(true), [broken.clone(), stream()]).await;
        assert_eq!((outcome.status(), outcome.calls), (200, 1), "{broken:?}");
        assert!(outcome.text().contains("event: error"));
        assert_eq!(outcome.attempts[0].failure, None, "not known at the head");
        assert!(outcome.attempts[0].is_final);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_cut_before_content_may_have_been_billed() {
    for cut in [stream().truncate_after(1), stream().reset_after(2)] {
        let outcome = play(&layer(), [cut.clone(), stream()]).await;
        assert_eq!(outcome.calls, 1);
        assert_eq!(outcome.attempts[0].failure, Some(FailureKind::Truncated));
        assert!(outcome.text().contains("event: error"));
        let outcome = play(&layer().possibly_billed(true), [cut, stream()]).await;
        assert_eq!(outcome.calls, 2);
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_event_that_the_request_is_to_blame_for_is_the_answer() {
    let broken = stream().error_event_after(1, "invalid_request_error", "no");
    let outcome = play(&layer(), [broken, stream()]).await;
    assert_eq!(outcome.calls, 1);
    assert!(
        outcome.text().starts_with("event: message_start"),
        "all of it"
    );
    assert!(outcome.text().contains("invalid_request_error"));
}

#[tokio::test(start_paused = true)]
async fn the_last_error_event_reaches_the_caller_with_a_mark() {
    let outcome = play(&layer(), [Answer::error_after_start()]).await;
    assert_eq!((outcome.status(), outcome.calls), (200, 3));
    assert_eq!(outcome.text(), wire::STREAM_ERROR_AFTER_START);
    assert_eq!(outcome.header("x-should-retry"), Some("false"));
}

#[tokio::test(start_paused = true)]
async fn the_held_head_comes_out_byte_for_byte_and_read_along() {
    for split in [Split::Events, Split::Every(7), Split::EveryByte] {
        let outcome = play(&layer(), [stream().split(split)]).await;
        assert_eq!(outcome.text(), wire::STREAM_THINKING_TOOL_USE);
        let usage = outcome.attempts[0].usage.as_ref().unwrap();
        assert!(usage.read(|metered| metered.is_exact() && metered.has_content));
    }
}

#[tokio::test(start_paused = true)]
async fn lets_the_head_of_a_silent_stream_go_when_the_time_is_over() {
    for patience in [Duration::ZERO, Duration::from_secs(3)] {
        let fake = FakeClaude::sequence([stream().stall_after(1), good()]);
        let service = layer().gate_time(patience).layer(fake.clone());
        let began = Instant::now();
        let response = service.oneshot(stream_request()).await.unwrap();
        assert_eq!(began.elapsed(), patience);
        assert_eq!((response.status().as_u16(), fake.calls()), (200, 1));
        assert!(response.extensions().get::<Failure>().is_none());

        let mut body = response.into_body();
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert!(first.starts_with(b"event: message_start"));
        drop(body);
        assert_eq!(fake.truth().entries()[0].ended, Ended::Stalled);
    }
}

#[tokio::test(start_paused = true)]
async fn holds_for_ten_seconds_by_default_and_forwards_each_event_after_it() {
    let fake = FakeClaude::sequence([stream().pace(Duration::from_secs(8))]);
    let began = Instant::now();
    let service = layer().layer(fake);
    let response = service.oneshot(stream_request()).await.unwrap();
    assert_eq!(began.elapsed(), Duration::from_secs(10));
    let whole = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(whole, wire::STREAM_THINKING_TOOL_USE);
}

#[tokio::test(start_paused = true)]
async fn an_error_whose_body_never_comes_is_still_judged_by_its_status() {
    let silent = Answer::overloaded().stall_after(0);
    let outcome = play(&layer(), [silent, good()]).await;
    assert_eq!((outcome.status(), outcome.calls), (200, 2));
    assert_eq!(outcome.elapsed, Duration::from_millis(10_500));
}

#[tokio::test(start_paused = true)]
async fn other_streams_than_those_of_messages_are_not_held() {
    let fake = FakeClaude::sequence([Answer::sse("event: tick\ndata: 1\n\n").stall_after(1)]);
    let service = layer()
        .intake(Intake::new().passthrough(["/v1/skills"]))
        .layer(fake);
    let request = http::Request::get("/v1/skills/events")
        .body(tower_claude_core::CallBody::empty())
        .unwrap();
    let began = Instant::now();
    let mut body = service.oneshot(request).await.unwrap().into_body();
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert!(body.frame().await.unwrap().is_ok());
}

#[test]
fn a_plain_call_needs_no_runtime() {
    let fake = FakeClaude::sequence([stream()]);
    let service = layer().layer(fake);
    let mut call = tokio_test::task::spawn(service.oneshot(stream_request()));
    let response = tokio_test::assert_ready!(call.poll()).unwrap();
    assert!(UsageCell::of(&response).is_some());
}
