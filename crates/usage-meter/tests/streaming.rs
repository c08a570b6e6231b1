//! Streams: what passes, when content begins, and what is left of one that is cut.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

mod support;

use std::io::Write as _;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use support::{Records, cost, message, record_of, take};
use tower::{ServiceExt as _, service_fn};
use tower_claude_core::RequestId;
use tower_claude_testkit::{Answer, FakeClaude, Split, wire};
use tower_claude_usage_meter::{Outcome, UsageSource};

#[tokio::test]
async fn bytes_pass_untouched_and_any_split_gives_the_same_usage() {
    for split in [
        Split::Whole,
        Split::EveryByte,
        Split::Every(7),
        Split::Events,
    ] {
        let records = Records::default();
        let fake = FakeClaude::sequence([Answer::thinking_tool_use().split(split)]);
        let meter = records.meter(fake);
        let response = meter.oneshot(message("claude-opus-5-5", true)).await;
        let bytes = take(response.unwrap().into_body()).await;
        assert_eq!(bytes, wire::STREAM_THINKING_TOOL_USE.as_bytes());
        assert_eq!(cost(&records.only()).unwrap(), "0.0139464");
    }
}

#[tokio::test]
async fn a_caller_who_leaves_at_any_event_leaves_one_record() {
    let events = wire::STREAM_THINKING_TOOL_USE.matches("\n\n").count();
    for taken in 0..=events {
        let records = Records::default();
        let fake = FakeClaude::sequence([Answer::thinking_tool_use()]);
        let truth = fake.truth();
        let response = records
            .meter(fake)
            .oneshot(message("claude-opus-5-5", true))
            .await
            .unwrap();
        let mut body = response.into_body();
        for _ in 0..taken {
            body.frame().await.unwrap().unwrap();
        }
        drop(body);

        let record = records.only();
        assert_eq!(record.status, Some(200));
        let is_told = truth.entries()[0].final_usage_delivered;
        match taken {
            0 => {
                assert_eq!(record.usage_source, UsageSource::None);
                assert_eq!((record.input_tokens, record.cost), (None, None));
            }
            _ if is_told => {
                assert_eq!(record.usage_source, UsageSource::Exact, "after {taken}");
                assert_eq!(record.output_tokens, Some(163));
                assert_eq!(cost(&record).unwrap(), "0.0139464");
            }
            _ => {
                assert_eq!(record.usage_source, UsageSource::Partial, "after {taken}");
                assert_eq!(record.input_tokens, Some(512));
                assert!(record.output_tokens >= Some(4));
                assert!(record.cost.is_some());
            }
        }
        let expected = if taken == events {
            Outcome::Complete
        } else {
            Outcome::Dropped
        };
        assert_eq!(record.outcome, expected, "after {taken} events");
    }
}

#[tokio::test(start_paused = true)]
async fn times_run_from_the_call_to_the_first_content_and_to_the_end() {
    let pace = Duration::from_millis(10);
    let answer = Answer::thinking_tool_use()
        .head_delay(Duration::from_millis(300))
        .pace(pace);
    let events = wire::STREAM_THINKING_TOOL_USE.matches("\n\n").count();
    let before = wire::STREAM_THINKING_TOOL_USE
        .split("\n\n")
        .position(|event| event.starts_with("event: content_block_delta"))
        .unwrap();
    let record = record_of(answer, true).await;
    let millis = |events: usize| 300 + 10 * u128::try_from(events).unwrap();
    assert_eq!(
        record.time_to_first_token.unwrap().as_millis(),
        millis(before)
    );
    assert_eq!(record.latency.unwrap().as_millis(), millis(events - 1));
}

#[tokio::test]
async fn trailers_and_size_hints_pass() {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", HeaderValue::from_static("1"));
    let fake = FakeClaude::sequence([
        Answer::thinking_tool_use().trailers(trailers.clone()),
        Answer::cached_message(),
    ]);
    let records = Records::default();
    let meter = records.meter(fake);
    let call = || meter.clone().oneshot(message("claude-opus-5-5", true));

    let body = call().await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(body.trailers(), Some(&trailers));
    let body = call().await.unwrap().into_body();
    let length = u64::try_from(wire::MESSAGE.len()).unwrap();
    assert_eq!(body.size_hint().exact(), Some(length));
    assert!(!body.is_end_stream());
    drop(body);
    let outcomes: Vec<_> = records.all().iter().map(|record| record.outcome).collect();
    assert_eq!(outcomes, [Outcome::Complete, Outcome::Dropped]);
}

#[tokio::test]
async fn a_record_is_written_with_the_last_frame_if_the_length_is_known() {
    let records = Records::default();
    let fake = FakeClaude::sequence([Answer::cached_message()]);
    let response = records
        .meter(fake)
        .oneshot(message("claude-opus-5-5", false))
        .await
        .unwrap();
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    assert_eq!(records.only().outcome, Outcome::Complete);
    assert!(body.frame().await.is_none());
    drop(body);
    records.only();
}

#[tokio::test]
async fn an_id_of_ours_in_the_answer_is_not_upstreams() {
    let records = Records::default();
    let id = RequestId::generate();
    let inner = service_fn(move |_| async move {
        let answer = Answer::cached_message().header("request-id", id.as_str());
        answer.response()
    });
    let mut request = message("claude-opus-5-5", false);
    request.extensions_mut().insert(id);
    support::ask(&records, inner, request).await.unwrap();
    assert_eq!(records.only().request_id, id);
    assert_eq!(records.only().upstream_request_id, None);
}

#[tokio::test]
async fn junk_in_a_stream_is_passed_on_and_recorded_as_unknown() {
    let junk = Bytes::from_static(b"event: message_start\ndata: {\"message\":3}\n\ndata: \xff\n\n");
    let records = Records::default();
    let fake = FakeClaude::sequence([Answer::sse(junk.clone())]);
    let meter = records.meter(fake);
    let response = meter.oneshot(message("claude-opus-5-5", true)).await;
    assert_eq!(take(response.unwrap().into_body()).await, junk);
    let record = records.only();
    assert_eq!(record.outcome, Outcome::Truncated);
    assert_eq!((record.cost, record.input_tokens), (None, None));
    assert_eq!(record.usage_source, UsageSource::None);
}

#[tokio::test]
async fn a_compressed_answer_is_metered_and_passes_untouched() {
    for (plain, stream) in [
        (wire::STREAM_THINKING_TOOL_USE, true),
        (wire::MESSAGE, false),
    ] {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(plain.as_bytes()).unwrap();
        let packed = encoder.finish().unwrap();
        let answer = match stream {
            true => Answer::sse(packed.clone()),
            false => Answer::json(200, packed.clone()),
        };
        let records = Records::default();
        let answer = answer
            .header("content-encoding", "gzip")
            .split(Split::Every(9));
        let meter = records.meter(FakeClaude::sequence([answer]));
        let response = meter.oneshot(message("claude-opus-5-5", stream)).await;
        let response = response.unwrap();
        assert_eq!(response.headers()["content-encoding"], "gzip");
        assert_eq!(take(response.into_body()).await, packed);
        let record = records.only();
        assert_eq!(record.outcome, Outcome::Complete);
        assert_eq!(record.usage_source, UsageSource::Exact);
        let expected = if stream { "0.0139464" } else { "0.017556" };
        assert_eq!(cost(&record).unwrap(), expected);
    }
}

#[tokio::test]
async fn a_stream_that_cannot_be_read_has_no_cost() {
    for (coding, outcome) in [
        // What is no gzip was cut or broken, as far as anybody can see.
        ("gzip", Outcome::Truncated),
        // Nobody looks into these: they are whole when their bodies are.
        ("gzip, br", Outcome::Complete),
        ("unheard-of", Outcome::Complete),
    ] {
        let packed = Answer::sse(&b"not to be read"[..]).header("content-encoding", coding);
        let record = record_of(packed, true).await;
        assert_eq!(record.outcome, outcome, "{coding}");
        assert_eq!(record.usage_source, UsageSource::None);
        assert_eq!(cost(&record), None);
    }
}
