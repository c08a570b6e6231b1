//! What the log says of each call.

mod support;

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use support::{bytes, call, frames, say};
use tokio_test::assert_pending;
use tower::ServiceExt as _;
use tower_claude_testkit::{
    Answer, Ended, FakeClaude, ScriptedBody, Split, Step, TruthEntry, wire,
};

/// The entry of a fake that answered once.
fn only(fake: &FakeClaude) -> TruthEntry {
    let entries = fake.truth().entries();
    assert_eq!(entries.len(), 1);
    entries[0].clone()
}

#[tokio::test]
async fn knows_a_complete_stream_under_every_split() {
    for split in [
        Split::Whole,
        Split::EveryByte,
        Split::Every(64),
        Split::Events,
    ] {
        let fake = FakeClaude::sequence([Answer::thinking_tool_use().split(split)]);
        bytes(call(&fake, say("hello", true)).await.unwrap()).await;

        let entry = only(&fake);
        assert_eq!(entry.call, 1);
        assert_eq!(entry.method, "POST");
        assert_eq!(entry.path, "/v1/messages");
        assert_eq!(entry.model.as_deref(), Some("claude-opus-5-5"));
        assert!(entry.stream);
        assert_eq!(entry.status, Some(200));
        assert_eq!(entry.error_type, None);
        assert_eq!(entry.usage.input_tokens, 512);
        assert_eq!(entry.usage.output_tokens, 163);
        assert_eq!(entry.usage.cache_read, 8192);
        assert_eq!(entry.usage.cache_creation_5m, 1400);
        assert_eq!(entry.ended, Ended::Complete);
        assert_eq!(entry.events, 21);
        assert!(entry.final_usage_delivered);
        assert_eq!(fake.truth().totals(), entry.usage);
    }
}

#[tokio::test]
async fn is_complete_with_the_last_frame_taken() {
    let fake = FakeClaude::sequence([Answer::cached_message()]);
    let mut body = call(&fake, say("hello", false)).await.unwrap().into_body();
    assert_eq!(only(&fake).ended, Ended::InProgress);
    body.frame().await.unwrap().unwrap();
    assert_eq!(only(&fake).ended, Ended::Complete);
    assert!(only(&fake).final_usage_delivered);
}

#[tokio::test]
async fn knows_a_cut_stream() {
    for answer in [
        Answer::truncated(),
        Answer::thinking_tool_use().truncate_after(9),
    ] {
        let fake = FakeClaude::sequence([answer]);
        bytes(call(&fake, say("hello", true)).await.unwrap()).await;
        let entry = only(&fake);
        assert_eq!(entry.ended, Ended::Cut);
        assert_eq!(entry.events, 9);
        assert!(!entry.final_usage_delivered);
        assert_eq!(fake.truth().totals().output_tokens, 0);
    }
}

#[tokio::test]
async fn knows_a_final_usage_that_arrived_before_the_cut() {
    let fake = FakeClaude::sequence([Answer::thinking_tool_use().truncate_after(20)]);
    bytes(call(&fake, say("hello", true)).await.unwrap()).await;
    assert_eq!(only(&fake).ended, Ended::Cut);
    assert!(only(&fake).final_usage_delivered);
}

#[tokio::test]
async fn knows_a_dropped_stream() {
    let fake = FakeClaude::sequence([Answer::thinking_tool_use()]);
    let mut body = call(&fake, say("hello", true)).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    body.frame().await.unwrap().unwrap();
    drop(body);
    let entry = only(&fake);
    assert_eq!(entry.ended, Ended::DroppedByReceiver);
    assert_eq!(entry.frames, 2);
    assert_eq!(entry.events, 2);
    assert!(!entry.final_usage_delivered);
}

#[tokio::test]
async fn knows_a_stalled_stream_that_was_then_dropped() {
    let fake = FakeClaude::sequence([Answer::thinking_tool_use().stall_after(1)]);
    let mut body = call(&fake, say("hello", true)).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    assert_pending!(tokio_test::task::spawn(body.frame()).poll());
    assert_eq!(only(&fake).ended, Ended::Stalled);
    drop(body);
    assert_eq!(only(&fake).ended, Ended::Stalled);
    assert_eq!(only(&fake).frames, 1);
}

#[tokio::test]
async fn knows_a_reset_stream() {
    let fake = FakeClaude::sequence([Answer::thinking_tool_use().reset_after(2)]);
    let (frames, error) = frames(call(&fake, say("hello", true)).await.unwrap()).await;
    assert!(error.is_some());
    assert_eq!(only(&fake).ended, Ended::Reset);
    assert_eq!(only(&fake).frames, frames.len() as u64);
}

#[tokio::test]
async fn knows_an_error_event_from_a_cut() {
    let fake = FakeClaude::sequence([Answer::thinking_tool_use().error_event_after(
        3,
        "overloaded_error",
        "Overloaded",
    )]);
    bytes(call(&fake, say("hello", true)).await.unwrap()).await;
    let entry = only(&fake);
    assert_eq!(entry.ended, Ended::Complete);
    assert_eq!(entry.status, Some(200));
    assert_eq!(entry.error_type.as_deref(), Some("overloaded_error"));
    assert!(!entry.final_usage_delivered);
}

#[tokio::test]
async fn knows_that_there_was_no_answer() {
    let fake = FakeClaude::sequence([Answer::refused_connection()]);
    call(&fake, say("hello", true)).await.unwrap_err();
    assert_eq!(only(&fake).ended, Ended::NoAnswer);
    assert_eq!(only(&fake).status, None);
}

#[tokio::test]
async fn knows_that_the_request_broke_off() {
    let fake = FakeClaude::default();
    let body = ScriptedBody::new([Step::Data("{".into()), Step::Fail("gone".into())]);
    let request = http::Request::post("/v1/messages").body(body).unwrap();
    fake.clone().oneshot(request).await.unwrap_err();
    assert_eq!(only(&fake).ended, Ended::NoAnswer);
}

#[tokio::test(start_paused = true)]
async fn knows_a_call_that_was_dropped_before_the_head() {
    let answer = Answer::cached_message().head_delay(Duration::from_secs(1));
    let fake = FakeClaude::sequence([answer]);
    let mut calling = tokio_test::task::spawn(call(&fake, say("hello", false)));
    assert_pending!(calling.poll());
    assert_eq!(only(&fake).ended, Ended::InProgress);
    drop(calling);
    assert_eq!(only(&fake).ended, Ended::DroppedByReceiver);
    assert_eq!(only(&fake).status, None);
}

#[tokio::test]
async fn reads_a_request_in_as_many_frames_as_it_comes() {
    let fake = FakeClaude::default().recording();
    let (parts, body) = say("hello", false).into_parts();
    let whole = body.collect().await.unwrap().to_bytes();
    let pieces: Vec<Step> = whole
        .chunks(10)
        .map(|piece| Step::Data(Bytes::copy_from_slice(piece)))
        .collect();
    let request = http::Request::from_parts(parts, ScriptedBody::new(pieces));
    assert_eq!(fake.clone().oneshot(request).await.unwrap().status(), 200);
    assert_eq!(fake.asked()[0].body(), &whole);
    assert_eq!(fake.asked()[0].last_user_text().unwrap(), "hello");
    assert_eq!(fake.asked()[0].uri(), "/v1/messages?beta=true");
}

#[tokio::test]
async fn writes_one_json_object_a_line() {
    let fake = FakeClaude::sequence([Answer::cached_message(), Answer::overloaded()]);
    bytes(call(&fake, say("hello", false)).await.unwrap()).await;
    bytes(call(&fake, say("hello", false)).await.unwrap()).await;
    let lines = fake.truth().to_jsonl();
    let lines: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["usage"]["cache_creation_1h"], 500);
    assert_eq!(lines[0]["ended"], "complete");
    assert_eq!(lines[1]["status"], 529);
    assert_eq!(lines[1]["error_type"], "overloaded_error");
    assert_eq!(lines.len(), 2);
}

#[tokio::test]
async fn keeps_nothing_when_unlogged() {
    let fake = FakeClaude::sequence([Answer::sse(wire::STREAM_REFUSAL)]).unlogged();
    bytes(call(&fake, say("hello", true)).await.unwrap()).await;
    assert!(fake.truth().entries().is_empty());
    assert_eq!(fake.calls(), 1);
}

#[test]
fn makes_futures_that_can_be_sent() {
    fn is_send<T: Send>(_: &T) {}
    let mut fake = FakeClaude::default();
    let request = http::Request::new(ScriptedBody::new([]));
    is_send(&tower::Service::call(&mut fake, request));
}
