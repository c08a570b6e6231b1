//! However much is said, so much is kept and not more; however it is made, it takes no longer.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

mod support;

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use allocation_counter::AllocationInfo;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use support::{Records, message, post, record_of, said, take};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_claude_capture::{Redactor, Unread};
use tower_claude_core::{CallBody, End};
use tower_claude_testkit::Answer;

const HELLO: &str = r#"[{"role":"user","content":"Hello."}]"#;
const MIB: usize = 1024 * 1024;

/// A body that gives one piece again and again.
struct Again {
    piece: Bytes,
    left: usize,
}

impl Body for Again {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.left.checked_sub(1).map(|left| {
            self.left = left;
            Ok(Frame::data(self.piece.clone()))
        }))
    }
}

/// What a call takes whose answer is so many MiB of this piece.
fn answered(kind: &'static str, piece: &str, mebibytes: usize) -> (AllocationInfo, Records) {
    let piece = Bytes::from(piece.repeat((64 * 1024 / piece.len()).max(1)));
    let left = mebibytes * MIB / piece.len();
    let records = Records::default();
    let inner = service_fn(move |_: Request<CallBody>| {
        let piece = piece.clone();
        let response = Response::builder().header("content-type", kind);
        std::future::ready(Ok::<_, Infallible>(
            response.body(Again { piece, left }).unwrap(),
        ))
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let capture = records.capture(inner);
    let info = allocation_counter::measure(|| {
        runtime.block_on(async {
            let response = capture.oneshot(message(HELLO)).await.unwrap();
            let mut body = std::pin::pin!(response.into_body());
            while let Some(frame) = http_body_util::BodyExt::frame(&mut body).await {
                frame.unwrap();
            }
        });
    });
    (info, records)
}

#[test]
fn an_answer_of_any_size_takes_a_bounded_part_of_it() {
    let delta = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\
        \"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Some words, and so on. \"}}\n\n";
    let block = "event: content_block_start\ndata: {\"index\":0,\"content_block\":\
        {\"type\":\"tool_use\",\"name\":\"x\"}}\n\n";
    for (name, kind, piece, most) in [
        ("deltas", "text/event-stream", delta, MIB),
        ("blocks", "text/event-stream", block, MIB),
        (
            "one endless line",
            "text/event-stream",
            "data: xxxxxxxx",
            4 * MIB,
        ),
        (
            "one endless event",
            "text/event-stream",
            "data: xxxxxxxx\n",
            4 * MIB,
        ),
        ("empty events", "text/event-stream", "event: error\n\n", MIB),
        ("plain", "application/json", "[[[[[[[[[[[[", 4 * MIB),
        ("other", "text/plain", "xxxxxxxx", MIB),
    ] {
        let mebibytes = if name == "deltas" { 100 } else { 20 };
        let (info, records) = answered(kind, piece, mebibytes);
        let record = records.only();
        println!("{name}: {} KiB at most", info.bytes_max / 1024);
        assert!(info.bytes_max < most as u64, "{name}: {}", info.bytes_max);
        let is_marked = record.response.truncated || record.response.unread.is_some();
        assert!(is_marked, "{name}: {record:?}");
        let length: usize = record
            .response
            .texts
            .iter()
            .map(|text| text.text.len())
            .sum();
        assert!(length <= 64 * 1024, "{name}: {length}");
    }
}

#[tokio::test]
async fn a_plain_answer_of_too_many_bytes_is_recorded_as_such() {
    let text = "x".repeat(2 * MIB);
    let body = format!(r#"{{"role":"assistant","content":[{{"type":"text","text":"{text}"}}]}}"#);
    let record = record_of(HELLO, Answer::json(200, body)).await;
    assert_eq!(record.response.unread, Some(Unread::TooLarge));
    assert_eq!(record.end, End::Complete);
}

#[tokio::test]
async fn of_a_long_conversation_the_end_is_kept_and_it_is_said() {
    let turns: Vec<String> = (0..2_000)
        .map(|turn| format!(r#"{{"role":"user","content":"Turn {turn}, and more words."}}"#))
        .collect();
    let records = Records::default();
    let layer = records.layer().limit(2_000);
    let fake = tower_claude_testkit::FakeClaude::sequence([Answer::cached_message()]);
    let request = post(
        "/v1/messages",
        format!(
            r#"{{"model":"m","max_tokens":1,"system":"{}","messages":[{}]}}"#,
            "s".repeat(5_000),
            turns.join(",")
        ),
    );
    let response = layer.layer(fake).oneshot(request).await.unwrap();
    take(response.into_body()).await;
    let record = records.only();
    let texts = said(&record.request);
    assert!(texts[0].starts_with("system: sss") && texts[0].len() < 1_000);
    assert_eq!(texts.last().unwrap(), "user: Turn 1999, and more words.");
    assert!(texts.len() > 5 && record.request.truncated);
}

#[tokio::test]
async fn with_a_limit_of_nothing_there_are_facts_and_no_text() {
    let records = Records::default();
    let layer = records.layer().limit(0);
    let fake = tower_claude_testkit::FakeClaude::sequence([Answer::thinking_tool_use()]);
    let response = layer.layer(fake).oneshot(message(HELLO)).await.unwrap();
    take(response.into_body()).await;
    let record = records.only();
    assert!(record.request.texts.is_empty() && record.response.texts.is_empty());
    assert!(record.request.truncated && record.response.truncated);
    assert!(record.system_prompt_sha256.is_some());
}

#[tokio::test]
async fn a_million_levels_of_nesting_are_recorded_as_unreadable() {
    let deep = "[".repeat(1_000_000);
    let record = record_of(
        &format!(
            r#"[{{"role":"user","content":"Hi."}},{{"role":"user","content":{deep}{}}}]"#,
            "]".repeat(1_000_000)
        ),
        Answer::json(200, format!(r#"{{"content":{deep}"#)),
    )
    .await;
    assert_eq!(record.request.unread, Some(Unread::Malformed));
    assert_eq!(
        said(&record.request)[1],
        "user: Hi.",
        "what came before is kept"
    );
    assert!(record.response.unread.is_some());
}

#[expect(clippy::disallowed_methods, reason = "it is about time that passes")]
fn redact_a_mebibyte_of_each(pieces: &[&str]) {
    let redactor = Redactor::standard()
        .pattern("own", r"(?i)[a-z]+-[0-9]+")
        .unwrap();
    for piece in pieces {
        let text = piece.repeat(MIB / piece.len());
        let begun = Instant::now();
        let redacted = redactor.redact(&text);
        let took = begun.elapsed();
        println!("{piece:?}: {took:?}");
        // A square would take hours.
        assert!(took.as_secs() < 20, "{piece:?} took {took:?}");
        assert!(redacted.len() < 4 * MIB, "{piece:?}");
    }
}

#[test]
fn a_mebibyte_of_signs_and_digits_is_redacted_in_time() {
    redact_a_mebibyte_of_each(&[
        "a",
        "1",
        " ",
        "@",
        "a@",
        "@a.",
        "%40",
        "\\u0040a",
        ".",
        "a.",
        "'",
        "-",
        "1 ",
        "1-",
        "4111 ",
        "4111111111111111",
        "0612 ",
        "+1",
        "+1 ",
        "(0",
        "00",
        "12.",
        "1111-",
        "%20",
        "1%20",
        "de",
        "de89",
        "DE89 3704 ",
        "AA00",
    ]);
}

#[test]
fn a_mebibyte_of_what_begins_as_keys_do_is_redacted_in_time() {
    redact_a_mebibyte_of_each(&[
        "A0",
        "sk-",
        "task-",
        "sk-ant-",
        "_sk-a",
        "cg_a_",
        "cg_a-",
        "AKIA",
        "eyJ",
        "eyJaaaaaa.",
        "eyJaaaaaa.eyJ",
        "bearer ",
        "bearer+",
        "api-key=",
        "api_key\": \"",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN ",
        "-----",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END ",
        "é",
        "ééé@é.",
        "\u{a0}1",
        "\\n",
        "xoxb-",
        "github_pat_",
        "ghp_",
        "AIza",
        "é1",
        "x1x-",
    ]);
}
