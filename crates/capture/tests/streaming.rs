//! Streams: the same record however they are split, and the same bytes out.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

mod support;

use http::{HeaderMap, HeaderValue};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use support::{Records, message, record_of, said, take};
use tower::ServiceExt as _;
use tower_claude_core::End;
use tower_claude_testkit::{Answer, FakeClaude, Split, wire};

const HELLO: &str = r#"[{"role":"user","content":"Hello."}]"#;

#[tokio::test]
async fn every_split_gives_the_same_record_and_the_same_bytes() {
    for stream in [
        wire::STREAM_THINKING_TOOL_USE,
        wire::STREAM_SERVER_TOOL,
        wire::STREAM_CRLF_COMMENTS,
        wire::STREAM_REFUSAL,
        wire::STREAM_ERROR_MIDWAY,
        wire::STREAM_TRUNCATED,
    ] {
        let whole = record_of(HELLO, Answer::sse(stream)).await;
        assert!(!whole.response.texts.is_empty());
        let splits = (1..stream.len()).map(|at| Split::At(vec![at]));
        for split in splits.chain([Split::EveryByte, Split::Every(7), Split::Events]) {
            let records = Records::default();
            let fake = FakeClaude::sequence([Answer::sse(stream).split(split.clone())]);
            let response = records
                .capture(fake.unlogged())
                .oneshot(message(HELLO))
                .await;
            let bytes = take(response.unwrap().into_body()).await;
            assert_eq!(bytes, stream.as_bytes());
            let record = records.only();
            assert_eq!(record.response, whole.response, "{split:?}");
            assert_eq!(record.end, whole.end, "{split:?}");
        }
    }
}

#[tokio::test]
async fn a_secret_that_is_split_over_deltas_is_redacted() {
    let text = "Card 4111 1111 1111 1111, key sk-ant-api03-abcdefgh, mail ann@example.org.";
    let input = r#"{"note":"a\nann\u0040example.org","card":4111111111111111}"#;
    let streamed = Answer::message("claude-opus-5-5")
        .thinking(text)
        .text(text)
        .tool_use("send", input)
        .deltas(text.len());
    let record = record_of(HELLO, streamed.clone().into_stream()).await;
    let redacted = "Card [card], key [key], mail [email].";
    assert_eq!(
        said(&record.response),
        [
            format!("thinking: {redacted}"),
            format!("assistant: {redacted}"),
            "tool_use send: {\"note\":\"a\n[email]\",\"card\":[card]}".to_owned(),
        ]
    );
    assert_eq!(record.redactions.of("card"), 3);
    let plain = record_of(HELLO, streamed.into_json()).await;
    assert_eq!(said(&plain.response), said(&record.response));
}

#[tokio::test]
async fn a_caller_who_leaves_at_any_event_leaves_one_record_of_what_passed() {
    let events = wire::STREAM_THINKING_TOOL_USE.matches("\n\n").count();
    let whole = record_of(HELLO, Answer::thinking_tool_use()).await;
    let mut length = 0;
    for taken in 0..=events {
        let records = Records::default();
        let fake = FakeClaude::sequence([Answer::thinking_tool_use().split(Split::Events)]);
        let response = records.capture(fake).oneshot(message(HELLO)).await;
        let mut body = response.unwrap().into_body();
        for _ in 0..taken {
            body.frame().await.unwrap().unwrap();
        }
        drop(body);
        let record = records.only();
        let heard: usize = record
            .response
            .texts
            .iter()
            .map(|text| text.text.len())
            .sum();
        assert!(heard >= length, "after {taken}");
        length = heard;
        let end = if taken == events {
            End::Complete
        } else {
            End::Dropped
        };
        assert_eq!(
            (record.end, record.status),
            (end, Some(200)),
            "after {taken}"
        );
        assert_eq!(record.request, whole.request);
    }
    let all = whole
        .response
        .texts
        .iter()
        .map(|text| text.text.len())
        .sum::<usize>();
    assert_eq!(length, all);
}

#[tokio::test]
async fn a_stream_that_breaks_is_kept_as_far_as_it_came_and_its_error_passes() {
    let records = Records::default();
    let fake = FakeClaude::sequence([Answer::thinking_tool_use()
        .split(Split::Events)
        .reset_after(5)]);
    let response = records.capture(fake).oneshot(message(HELLO)).await.unwrap();
    assert!(response.into_body().collect().await.is_err());
    let record = records.only();
    assert_eq!(record.end, End::Truncated);
    assert!(!record.response.texts.is_empty());
}

#[tokio::test]
async fn damaged_streams_pass_and_give_the_same_record_whatever_the_split() {
    const BYTES: &[u8] = b"\"{}[],:\\\n\r\0\xff9";
    for seed in 0..200_usize {
        let mut stream = wire::STREAM_THINKING_TOOL_USE.as_bytes().to_vec();
        for step in 0..1 + seed % 9 {
            let word = (seed * 31 + step + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let at = word % stream.len();
            stream[at] = BYTES[(word >> 32) % BYTES.len()];
        }
        let mut responses = Vec::new();
        for split in [Split::Whole, Split::EveryByte] {
            let records = Records::default();
            let fake = FakeClaude::sequence([Answer::sse(stream.clone()).split(split)]);
            let response = records.capture(fake).oneshot(message(HELLO)).await;
            assert_eq!(take(response.unwrap().into_body()).await, stream);
            responses.push(records.only().response);
        }
        assert_eq!(responses[0], responses[1], "seed {seed}");
    }
}

#[tokio::test]
async fn trailers_and_size_hints_pass() {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", HeaderValue::from_static("1"));
    let records = Records::default();
    let fake = FakeClaude::sequence([
        Answer::cached_message(),
        Answer::cached_message().trailers(trailers.clone()),
    ]);
    let response = records.capture(fake.clone()).oneshot(message(HELLO)).await;
    let body = response.unwrap().into_body();
    assert_eq!(body.size_hint().exact(), Some(wire::MESSAGE.len() as u64));
    drop(body);
    let response = records.capture(fake).oneshot(message(HELLO)).await.unwrap();
    let collected = response.into_body().collect().await.unwrap();
    assert_eq!(collected.trailers(), Some(&trailers));
    let ends: Vec<End> = records.all().iter().map(|record| record.end).collect();
    assert_eq!(ends, [End::Dropped, End::Complete]);
}
