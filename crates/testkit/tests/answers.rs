//! What an answer sends, frame by frame.

mod support;

use std::time::Duration;

use http::HeaderMap;
use http_body::Body as _;
use http_body_util::BodyExt as _;
use support::{bytes, call, frames, json, say};
use tokio::time::Instant;
use tokio_test::{assert_pending, assert_ready};
use tower_claude_core::Sent;
use tower_claude_testkit::{Answer, FakeClaude, Split, wire};

fn every_split() -> [Split; 6] {
    [
        Split::Whole,
        Split::EveryByte,
        Split::Every(7),
        Split::Every(0),
        Split::At(vec![900, 3, 500, 3]),
        Split::Events,
    ]
}

#[tokio::test]
async fn sends_the_same_bytes_under_every_split() {
    for sample in [wire::STREAM_THINKING_TOOL_USE, wire::STREAM_CRLF_COMMENTS] {
        for split in every_split() {
            let response = Answer::sse(sample).split(split).response().unwrap();
            assert_eq!(bytes(response).await, sample);
        }
    }
}

#[tokio::test]
async fn sends_one_frame_an_event_unless_told_otherwise() {
    let response = Answer::crlf_comments().response().unwrap();
    let (frames, _) = frames(response).await;
    assert_eq!(frames.len(), 8);
    assert!(frames[1].starts_with(b"event: message_start\r\n"));
    assert!(frames.iter().all(|frame| frame.ends_with(b"\r\n\r\n")));
}

#[tokio::test]
async fn keeps_a_document_whole_and_tells_its_length() {
    let body = Answer::cached_message().response().unwrap().into_body();
    let length = wire::MESSAGE.len() as u64;
    assert_eq!(body.size_hint().exact(), Some(length));
    assert!(!body.is_end_stream());
}

#[tokio::test]
async fn does_not_tell_the_length_of_a_stream() {
    let body = Answer::thinking_tool_use().response().unwrap().into_body();
    assert_eq!(body.size_hint().exact(), None);
}

#[tokio::test]
async fn holds_whatever_order_the_modifiers_come_in() {
    let one = Answer::thinking_tool_use()
        .split(Split::Every(50))
        .reset_after(3)
        .error_event_after(4, "api_error", "Internal server error");
    let other = Answer::thinking_tool_use()
        .error_event_after(4, "api_error", "Internal server error")
        .reset_after(3)
        .split(Split::Every(50));
    let one = frames(one.response().unwrap()).await;
    assert_eq!(one, frames(other.response().unwrap()).await);
    assert_eq!(one.0.len(), 3);
    assert_eq!(one.1.as_deref(), Some("connection reset by peer"));
}

#[tokio::test]
async fn ends_in_an_error_event_after_so_many_events() {
    let answer = Answer::message("claude-opus-5-5")
        .text("one two three four five six seven eight")
        .into_stream()
        .error_event_after(4, "overloaded_error", "Overloaded");
    let (frames, error) = frames(answer.response().unwrap()).await;
    assert_eq!(frames.len(), 5);
    assert!(frames[3].starts_with(b"event: content_block_delta\n"));
    assert_eq!(
        frames[4],
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"details\":null,\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n"
    );
    assert_eq!(error, None);
}

#[tokio::test]
async fn ends_cleanly_where_it_is_truncated() {
    let answer = Answer::cached_message()
        .split(Split::Every(10))
        .truncate_after(2);
    let body = answer.response().unwrap().into_body();
    assert_eq!(body.size_hint().exact(), None);
    assert_eq!(body.collect().await.unwrap().to_bytes().len(), 20);
}

#[tokio::test]
async fn stalls_for_ever_after_so_many_frames() {
    let answer = Answer::thinking_tool_use().stall_after(1);
    let mut body = answer.response().unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    let mut frame = tokio_test::task::spawn(body.frame());
    assert_pending!(frame.poll());
    assert!(!frame.is_woken());
}

#[tokio::test(start_paused = true)]
async fn waits_before_the_head_and_between_frames() {
    let answer = Answer::thinking_tool_use()
        .split(Split::At(vec![100, 200]))
        .head_delay(Duration::from_secs(3))
        .pace(Duration::from_millis(20));
    let fake = FakeClaude::sequence([answer]);
    let start = Instant::now();
    let response = call(&fake, say("hello", true)).await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(3));

    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(3));
    body.frame().await.unwrap().unwrap();
    assert_eq!(start.elapsed(), Duration::from_millis(3020));
    body.frame().await.unwrap().unwrap();
    assert_eq!(start.elapsed(), Duration::from_millis(3040));
    assert!(body.is_end_stream());
}

#[tokio::test]
async fn sends_trailers_last() {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    let answer = Answer::raw(200, "application/grpc", "x").trailers(trailers.clone());
    let collected = answer.response().unwrap().into_body().collect().await;
    assert_eq!(collected.unwrap().trailers(), Some(&trailers));
}

#[tokio::test]
async fn answers_in_order_and_repeats_the_last() {
    let fake = FakeClaude::sequence([Answer::overloaded(), Answer::count_tokens(7)]);
    for expected in [529, 200, 200] {
        let response = call(&fake, say("hello", false)).await.unwrap();
        assert_eq!(response.status(), expected);
    }
    assert_eq!(fake.calls(), 3);
}

#[tokio::test]
async fn wraps_errors_in_the_envelope_with_one_request_id() {
    let response = Answer::error(403, "permission_error", "say \"please\"")
        .response()
        .unwrap();
    let id = response.headers()["request-id"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(id.starts_with("req_"));
    let body = json(response).await;
    assert_eq!(body["type"], "error");
    assert_eq!(body["error"]["type"], "permission_error");
    assert_eq!(body["error"]["message"], "say \"please\"");
    assert_eq!(body["request_id"], id);
}

#[tokio::test]
async fn tells_a_rate_limit_from_a_spend_cap() {
    let limited = Answer::rate_limited(23).response().unwrap();
    assert_eq!(limited.headers()["retry-after"], "23");
    let reset = &limited.headers()["anthropic-ratelimit-input-tokens-reset"];
    assert!(reset.to_str().unwrap().ends_with('Z'));

    let capped = Answer::spend_cap().response().unwrap();
    assert_eq!(capped.status(), 429);
    assert!(!capped.headers().contains_key("retry-after"));
    let body = json(capped).await;
    assert_eq!(
        body["error"]["details"]["error_code"],
        "enforced_spend_limit_reached"
    );
}

#[tokio::test]
async fn tells_a_refused_connection_from_a_broken_one() {
    for (answer, sent) in [
        (Answer::refused_connection(), Sent::No),
        (Answer::reset(), Sent::Maybe),
    ] {
        let fake = FakeClaude::sequence([answer]);
        let error = call(&fake, say("hello", false)).await.unwrap_err();
        assert_eq!(error.sent(), sent);
    }
}

#[tokio::test]
async fn renders_the_same_message_whole_and_streamed() {
    let message = Answer::message("claude-sonnet-5-5")
        .thinking("hm")
        .text("one two three four five")
        .tool_use("tide_height", r#"{"pier":"North"}"#)
        .output_tokens(30);
    let whole = json(message.clone().into_json().response().unwrap()).await;
    assert_eq!(whole["stop_reason"], "tool_use");
    assert_eq!(whole["usage"]["output_tokens"], 30);

    let (frames, _) = frames(message.into_stream().response().unwrap()).await;
    let mut text = String::new();
    for frame in &frames {
        let frame = std::str::from_utf8(frame).unwrap();
        let (name, data) = frame.split_once("\ndata: ").unwrap();
        let data: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
        text.push_str(data["delta"]["text"].as_str().unwrap_or(""));
    }
    assert_eq!(whole["content"][1]["text"], text);
}

#[test]
fn clones_without_copying_a_frame() {
    let answer = Answer::thinking_tool_use();
    let first = |answer: &Answer| {
        let mut body = answer.response().unwrap().into_body();
        let mut frame = tokio_test::task::spawn(body.frame());
        let frame = assert_ready!(frame.poll()).unwrap().unwrap();
        frame.into_data().unwrap().as_ptr()
    };
    assert_eq!(first(&answer), first(&answer.clone()));
}
