//! What passes and when: whole events, at once, and untouched.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use http::Request;
use http_body::Body as _;
use http_body_util::BodyExt as _;
use support::{
    Gated, TEXT, bytes_of, claude, hear, layer, prefill, request, rest, sequence, whole,
};
use tower::{Layer as _, ServiceExt};
use tower_claude_continuation::ContinuationLayer;
use tower_claude_core::{CallBody, Degraded, End, Metered, UsageCell};
use tower_claude_testkit::{Answer, FakeClaude, Split, wire};

#[tokio::test]
async fn answers_that_lack_nothing_pass_byte_for_byte() {
    let whole = bytes_of(&whole());
    let streams = [
        wire::STREAM_THINKING_TOOL_USE.as_bytes(),
        wire::STREAM_SERVER_TOOL.as_bytes(),
        wire::STREAM_CRLF_COMMENTS.as_bytes(),
        wire::STREAM_REFUSAL.as_bytes(),
        wire::STREAM_ERROR_BEFORE_CONTENT.as_bytes(),
        wire::STREAM_ERROR_AFTER_START.as_bytes(),
        wire::STREAM_TRUNCATED.as_bytes(),
        &whole,
        b"",
        b"junk\r\r\n\n\0data: {",
    ];
    for stream in streams {
        for split in [
            Split::Whole,
            Split::Events,
            Split::Every(7),
            Split::EveryByte,
        ] {
            let answer = Answer::sse(Bytes::copy_from_slice(stream)).split(split);
            let fake = FakeClaude::sequence([answer]);
            let layer = ContinuationLayer::new(|_: &str| true);
            let heard = hear(layer.layer(fake.clone()), request()).await;
            assert_eq!(heard.bytes, stream);
            assert_eq!(fake.calls(), 1);
        }
    }
}

#[tokio::test]
async fn a_stream_cut_anywhere_is_continued_without_a_seam_or_ends_as_it_was() {
    let stream = bytes_of(&whole());
    let text_begins = find(&stream, b"text_delta");
    let last = find(&stream, b"event: content_block_stop");
    let mut continued = 0;
    for at in (0..stream.len()).step_by(5) {
        for split in [Split::Events, Split::EveryByte, Split::Whole] {
            if split == Split::EveryByte && at % 45 != 0 {
                continue;
            }
            let first = Answer::sse(stream.slice(..at)).split(split);
            let fake = claude(first);
            let heard = hear(layer().layer(fake.clone()), request()).await;
            if fake.calls() == 1 {
                assert_eq!(heard.bytes, &stream[..at], "cut at {at}");
                assert!(at < text_begins + 200 || at > last || ends_in_space(&stream[..at]));
                continue;
            }
            let heard = heard.read();
            assert!(heard.is_continued(), "cut at {at}");
            assert_eq!(heard.blocks, [TEXT], "cut at {at}");
            assert_eq!(heard.metered.end, Some(End::Complete));
            continued += 1;
        }
    }
    assert!(continued > 1_000, "{continued}");
}

#[tokio::test]
async fn so_it_is_below_a_gate_that_ends_such_streams_with_an_event() {
    let stream = bytes_of(&whole());
    let begins = find(&stream, b"text_delta");
    let last = find(&stream, b"event: content_block_stop");
    for at in (begins + 200..last).step_by(5) {
        let fake = claude(Answer::sse(stream.slice(..at)));
        let heard = hear(layer().layer(Gated(fake.clone())), request()).await;
        if fake.calls() == 1 {
            assert!(ends_in_space(&stream[..at]), "cut at {at}");
            continue;
        }
        let heard = heard.read();
        assert!(heard.is_continued(), "cut at {at}: {heard:?}");
        assert_eq!(heard.blocks, [TEXT], "cut at {at}");
        assert_eq!(heard.marks[0]["reason"], "truncated");
    }
}

#[tokio::test]
async fn lines_may_end_as_they_like() {
    let mut continued = 0;
    for line_end in ["\r\n", "\r"] {
        let stream = String::from_utf8(bytes_of(&whole()).to_vec()).unwrap();
        let stream = stream.replace('\n', line_end);
        for at in (1_200..2_400).step_by(23) {
            for split in [Split::Whole, Split::EveryByte] {
                let cut = Bytes::copy_from_slice(&stream.as_bytes()[..at]);
                let fake = claude(Answer::sse(cut).split(split));
                let heard = hear(layer().layer(fake.clone()), request()).await;
                if fake.calls() == 2 {
                    assert_eq!(heard.read().blocks, [TEXT], "{line_end:?} cut at {at}");
                    continued += 1;
                }
            }
        }
    }
    assert!(continued > 100, "{continued}");
}

#[tokio::test]
async fn every_event_passes_at_once_and_half_of_one_does_not() {
    let stream = bytes_of(&whole());
    let fake = FakeClaude::sequence([whole().split(Split::Events).stall_after(6)]);
    let response = layer().layer(fake).oneshot(request()).await.unwrap();
    let mut body = std::pin::pin!(response.into_body());
    let mut got = Vec::new();
    for _ in 0..6 {
        let frame = body.as_mut().frame().await.unwrap().unwrap();
        got.extend_from_slice(frame.data_ref().unwrap());
    }
    assert!(stream.starts_with(&got) && got.ends_with(b"}\n\n"));
    let mut next = tokio_test::task::spawn(body.frame());
    assert!(next.poll().is_pending());

    let half = got.len() + 40;
    let answer = Answer::sse(stream)
        .split(Split::At(vec![half]))
        .stall_after(1);
    let fake = FakeClaude::sequence([answer]);
    let response = layer().layer(fake).oneshot(request()).await.unwrap();
    let mut body = std::pin::pin!(response.into_body());
    let first = body.as_mut().frame().await.unwrap().unwrap();
    assert_eq!(first.data_ref().unwrap(), &got);
    assert!(!body.is_end_stream());
}

#[tokio::test]
async fn the_rest_comes_in_any_pieces() {
    for split in [Split::Whole, Split::Every(11), Split::EveryByte] {
        let fake = FakeClaude::new(move |asked| match prefill(asked) {
            None => whole().truncate_after(9),
            Some(_) => rest(asked).split(split.clone()),
        });
        let heard = hear(layer().layer(fake), request()).await.read();
        assert!(heard.is_continued());
        assert_eq!(heard.blocks, [TEXT]);
    }
}

#[tokio::test]
async fn an_event_without_an_end_is_let_go_before_it_fills_the_memory() {
    let begin = bytes_of(&whole().truncate_after(9));
    let endless = [&begin[..], b"data: ", &vec![b'x'; 2 * 1024 * 1024]].concat();
    for split in [Split::Whole, Split::Every(64 * 1024)] {
        let fake = sequence(Answer::sse(endless.clone()).split(split), whole());
        let heard = hear(layer().layer(fake.clone()), request()).await;
        assert_eq!((heard.bytes.len(), fake.calls()), (endless.len(), 1));
        assert_eq!(heard.bytes, endless);
    }
}

#[tokio::test]
async fn the_cell_of_the_answer_tells_of_its_end_only_when_it_has_come() {
    let fake = claude(whole().error_event_after(9, "overloaded_error", "no"));
    let response = layer().layer(Gated(fake)).oneshot(request()).await.unwrap();
    let cell = UsageCell::of(&response).unwrap().clone();
    cell.watch();
    let mut body = std::pin::pin!(response.into_body());
    let mut last = 0;
    let mut has_turned = false;
    while let Some(frame) = body.as_mut().frame().await {
        let data = frame.unwrap().into_data().unwrap();
        let has_ended = data.starts_with(b"event: message_stop");
        assert_eq!(cell.has_ended(), has_ended);
        let (deltas, has_content) = cell.read(|metered| (metered.deltas, metered.has_content));
        assert!(!data.starts_with(b"event: content_block_delta") || has_content);
        has_turned |= data.starts_with(b"event: continuation");
        assert!(deltas >= last || has_turned, "what is seen is counted");
        last = deltas;
    }
    assert!(has_turned);
    assert!(cell.read(Metered::is_exact));
}

fn find(stream: &[u8], needle: &[u8]) -> usize {
    let mut windows = stream.windows(needle.len());
    windows.position(|window| window == needle).unwrap()
}

/// Whether the text of the whole events ends so that upstream would refuse it.
fn ends_in_space(stream: &[u8]) -> bool {
    let text = String::from_utf8_lossy(stream);
    let whole = text.rfind("\n\n").map_or("", |at| &text[..at]);
    whole.ends_with(" \"}}") || whole.ends_with("\\n\"}}")
}

#[tokio::test]
async fn the_mark_says_which_model_stood_in_for_the_rest() {
    for model in [None, Some(r#"claude-"haiku"\4-5"#)] {
        let fake = claude(whole().truncate_after(12));
        // Stands for failover, which asked another model for the rest.
        let asked = Arc::new(AtomicUsize::new(0));
        let mark = move |mut response| {
            let is_further = asked.fetch_add(1, Relaxed) > 0;
            if let Some(degraded) = model.and_then(Degraded::to).filter(|_| is_further) {
                degraded.mark(&mut response);
            }
            response
        };
        let marked = ServiceExt::<Request<CallBody>>::map_response(fake, mark);
        let service = layer().layer(marked);
        let heard = hear(service, request()).await.read();
        assert!(heard.is_continued(), "{heard:?}");
        assert_eq!(heard.marks[0]["reason"], "truncated");
        assert_eq!(
            heard.marks[0].get("model").and_then(|it| it.as_str()),
            model
        );
    }
}
