//! Which texts are finished, and how.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use http::Request;
use support::{
    ASK, Gated, Heard, MODEL, TEXT, asking, attempts, bytes_of, claude, hear, layer, prefill,
    prepared, request, rest, sequence, whole,
};
use tower::Layer as _;
use tower_claude_continuation::ContinuationLayer;
use tower_claude_core::{CallBody, End, FailureKind};
use tower_claude_testkit::{Answer, FakeClaude};

/// The frames of an answer before which there is content, and after which there is more.
const MIDWAY: usize = 12;

async fn play(fake: &FakeClaude) -> Heard {
    hear(layer().layer(fake.clone()), request()).await.read()
}

/// What the caller gets is what upstream sent the first time, byte for byte.
async fn assert_untouched(first: Answer, ask: &'static str, why: &str) {
    let fake = claude(first.clone());
    let heard = hear(layer().layer(fake.clone()), asking(ask)).await;
    assert_eq!(fake.calls(), 1, "{why}");
    assert_eq!(heard.bytes, raw(first).await.bytes, "{why}");
}

/// An answer without the layer's help.
async fn raw(answer: Answer) -> Heard {
    let layer = ContinuationLayer::new(|_: &str| false);
    hear(layer.layer(FakeClaude::sequence([answer])), request()).await
}

#[tokio::test]
async fn finishes_a_text_however_its_stream_was_lost() {
    for (first, reason) in [
        (whole().truncate_after(MIDWAY), "truncated"),
        (whole().reset_after(MIDWAY), "truncated"),
        (
            whole().error_event_after(MIDWAY, "overloaded_error", "no"),
            "overloaded",
        ),
        (
            whole().error_event_after(MIDWAY, "api_error", "no"),
            "server_error",
        ),
        (
            whole().error_event_after(MIDWAY, "timeout_error", "no"),
            "timeout",
        ),
    ] {
        let fake = claude(first);
        for heard in [
            play(&fake).await,
            hear(layer().layer(Gated(fake.clone())), request())
                .await
                .read(),
        ] {
            assert!(heard.is_continued(), "{heard:?}");
            assert_eq!(heard.blocks, [TEXT]);
            assert_eq!(heard.marks[0]["reason"], reason);
        }
        assert_eq!(fake.calls(), 4);
    }
}

#[tokio::test]
async fn asks_the_same_once_more_with_the_text_so_far_and_marks_the_place() {
    let fake = claude(whole().truncate_after(MIDWAY));
    let mut request = request();
    let length = ASK.len().to_string();
    let headers = request.headers_mut();
    headers.insert("content-length", length.parse().unwrap());
    headers.insert("x-feature", "search".parse().unwrap());
    let heard = hear(layer().layer(fake.clone()), request).await.read();
    let asked = fake.asked();
    let text = prefill(&asked[1]).unwrap();
    assert!(TEXT.starts_with(&text) && text.len() < TEXT.len());
    let quoted = serde_json::to_string(&text).unwrap();
    let expected = ASK.replace(
        "\"When?\"}",
        &format!("\"When?\"}},{{\"role\":\"assistant\",\"content\":{quoted}}}"),
    );
    assert_eq!(asked[1].body(), expected.as_bytes());
    assert_eq!(asked[1].header("x-feature"), Some("search"));
    let length = expected.len().to_string();
    assert_eq!(asked[1].header("content-length"), Some(&*length));
    assert_eq!(heard.marks[0]["text_bytes"], text.len());
}

#[tokio::test]
async fn a_text_that_was_all_there_only_gets_its_end() {
    let frames = 3 + 30;
    let fake = claude(whole().truncate_after(frames));
    let heard = play(&fake).await;
    assert_eq!(prefill(&fake.asked()[1]).as_deref(), Some(TEXT));
    assert!(heard.is_continued(), "{heard:?}");
    assert_eq!(heard.blocks, [TEXT]);
    assert_eq!(heard.metered.stop_reason.as_deref(), Some("end_turn"));
}

#[tokio::test]
async fn what_comes_after_the_rest_of_the_text_passes() {
    let more = Answer::message(MODEL)
        .text(" the end")
        .tool_use("look", "{}")
        .into_stream();
    let heard = play(&sequence(whole().truncate_after(MIDWAY), more)).await;
    assert!(heard.is_continued());
    assert_eq!(heard.blocks.len(), 2);
    assert!(heard.text().ends_with(" the end"));
}

#[tokio::test]
async fn a_text_that_the_further_answer_begins_with_is_not_lost() {
    let second = "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\" \\\"ha\\\"\"}}\n\n\
        event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n\
        event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    let heard = play(&sequence(
        whole().truncate_after(MIDWAY),
        Answer::sse(second),
    ))
    .await;
    assert!(heard.is_continued());
    assert!(heard.text().ends_with(" \"ha\""));
}

#[tokio::test]
async fn never_with_anything_else_in_the_answer_than_one_text() {
    let start = |block: &str| {
        format!(
            "event: message_start\ndata: {{\"type\":\"message_start\",\"message\":{{}}}}\n\n\
             event: content_block_start\ndata: {{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{block}}}\n\n"
        )
    };
    let text = r#"{"type":"text","text":"a"}"#;
    let delta = |delta: &str| {
        format!(
            "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{delta}}}\n\n"
        )
    };
    let said = delta(r#"{"type":"text_delta","text":"b"}"#);
    for stream in [
        start(r#"{"type":"thinking","thinking":"a"}"#) + &said,
        start(r#"{"type":"tool_use","id":"t","name":"n","input":{}}"#) + &said,
        start(r#"{"type":"server_tool_use","id":"t","name":"n","input":{}}"#) + &said,
        start(r#"{"type":"from_the_future","text":"a"}"#) + &said,
        start(r#"{"type":"text","text":"a","citations":[{}]}"#) + &said,
        start(text) + &said + &delta(r#"{"type":"citations_delta","citation":{}}"#),
        start(text) + &said + &delta(r#"{"type":"from_the_future","text":"c"}"#),
        start(text) + &said + "event: from_the_future\ndata: {}\n\n" + &said,
        start(text) + &said + "event: content_block_delta\ndata: {\"broken\n\n" + &said,
        start(text) + &said + &start(text),
        start(text) + &said + "event: content_block_stop\ndata: {\"index\":0}\n\n",
        start(text) + &said + "event: message_delta\ndata: {\"delta\":{}}\n\n",
    ] {
        assert_untouched(Answer::sse(stream.clone()), ASK, &stream).await;
    }
    let plain = sequence(Answer::sse(start(text) + &said), whole());
    assert!(play(&plain).await.is_continued(), "only because of that");
}

#[tokio::test]
async fn never_where_the_request_speaks_against_it() {
    for ask in [
        r#"{"model":"claude-opus-5-5","max_tokens":64,"stream":true,"messages":[{"role":"user","content":"a"}]}"#,
        r#"{"model":"claude-sonnet-4-5","max_tokens":2048,"stream":true,"messages":[{"role":"user","content":"a"}],"thinking":{"type":"enabled","budget_tokens":1024}}"#,
        r#"{"model":"claude-sonnet-4-5","max_tokens":64,"stream":true,"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}"#,
        r#"{"model":"claude-sonnet-4-5","max_tokens":64,"stream":true,"messages":[{"role":"user","content":"a"}],"thread":{"type":"create"}}"#,
        r#"{"model":"claude-sonnet-4-5","max_tokens":64,"messages":[{"role":"user","content":"a"}]}"#,
    ] {
        assert_untouched(whole().truncate_after(MIDWAY), ask, ask).await;
    }
}

#[tokio::test]
async fn never_before_content_or_for_what_does_not_pass() {
    for (first, why) in [
        (Answer::error_before_content(), "no content"),
        (whole().truncate_after(3), "an empty block"),
        (
            whole().error_event_after(MIDWAY, "invalid_request_error", "no"),
            "the request",
        ),
        (
            whole().error_event_after(MIDWAY, "rate_limit_error", "no"),
            "a limit",
        ),
        (
            Answer::message(MODEL)
                .text("ends so \n")
                .deltas(1)
                .into_stream()
                .truncate_after(4),
            "upstream refuses white space at the end",
        ),
        (whole(), "it is whole"),
        (Answer::overloaded(), "no stream"),
    ] {
        assert_untouched(first, ASK, why).await;
    }
}

#[tokio::test]
async fn a_text_over_the_limit_is_not_kept() {
    for (limit, calls) in [(10, 1), (TEXT.len(), 2)] {
        let fake = claude(whole().truncate_after(3 + 20));
        let layer = layer().limit(limit.try_into().unwrap());
        hear(layer.layer(fake.clone()), request()).await;
        assert_eq!(fake.calls(), calls, "{limit}");
    }
}

#[tokio::test]
async fn a_closure_says_which_models_take_it() {
    let body = ASK.replace(MODEL, "my-deployment");
    let request = || {
        Request::post("/v1/messages")
            .body(CallBody::full(body.clone()))
            .unwrap()
    };
    for (takes, calls) in [(true, 2), (false, 1)] {
        let fake = claude(whole().truncate_after(MIDWAY));
        let layer = ContinuationLayer::new(move |model: &str| {
            assert_eq!(model, "my-deployment");
            takes
        });
        hear(layer.layer(fake.clone()), request()).await;
        assert_eq!(fake.calls(), calls);
    }
}

#[tokio::test]
async fn where_nothing_comes_of_it_the_answer_ends_as_it_would_have() {
    let seconds = [
        Answer::overloaded(),
        Answer::refused_connection(),
        Answer::reset(),
        Answer::error_before_content(),
        Answer::error_after_start(),
        Answer::cached_message(),
        Answer::message(MODEL).tool_use("look", "{}").into_stream(),
        Answer::message(MODEL)
            .thinking("hm")
            .text("a")
            .into_stream(),
        whole().truncate_after(1),
        whole().reset_after(2),
        Answer::sse(""),
        Answer::sse("data: junk\n\n"),
    ];
    for second in seconds {
        for first in [
            whole().truncate_after(MIDWAY),
            whole().reset_after(MIDWAY),
            whole().error_event_after(MIDWAY, "overloaded_error", "no"),
        ] {
            let fake = sequence(first.clone(), second.clone());
            let heard = hear(layer().layer(fake.clone()), request()).await;
            assert_eq!(fake.calls(), 2);
            // A ping of the second may have passed.
            let ping = "event: ping\ndata: {\"type\":\"ping\"}\n\n";
            let got = String::from_utf8(heard.bytes.clone()).unwrap();
            let was = String::from_utf8(raw(first.clone()).await.bytes).unwrap();
            assert_eq!(got.replace(ping, ""), was.replace(ping, ""), "{second:?}");
            assert_eq!(heard.broke, raw(first).await.broke);
            assert_ne!(heard.metered.end, Some(End::Complete));
        }
    }
}

#[tokio::test]
async fn asks_only_once_more() {
    let fake = FakeClaude::new(|asked| match prefill(asked) {
        None => whole().truncate_after(MIDWAY),
        Some(_) => rest(asked).truncate_after(5),
    });
    let heard = hear(layer().layer(Gated(fake.clone())), request())
        .await
        .read();
    assert_eq!(fake.calls(), 2);
    assert_eq!((heard.stops, heard.errors.len()), (0, 1));
    assert!(TEXT.starts_with(heard.text()));
}

#[tokio::test]
async fn both_attempts_are_in_the_log_whoever_writes_it() {
    for is_written in [true, false] {
        let fake = claude(whole().error_event_after(MIDWAY, "overloaded_error", "no"));
        let (request, call) = prepared(request()).await;
        let heard = match is_written {
            true => hear(layer().layer(Gated(fake)), request).await.read(),
            false => hear(layer().layer(fake), request).await.read(),
        };
        assert!(heard.is_continued());
        let log = attempts(&call);
        assert_eq!(log.len(), 2);
        let facts = |number: usize| (log[number].status, log[number].reason, log[number].is_final);
        assert_eq!(facts(0), (Some(200), None, false));
        let reason = Some(FailureKind::Overloaded);
        assert_eq!(facts(1), (Some(200), reason, true));

        let usage = |number: usize| log[number].usage.as_ref().unwrap();
        usage(0).read(|metered| {
            assert_eq!(metered.end, Some(End::Errored));
            assert!(!metered.is_exact() && metered.output_seen() > 0);
            assert_eq!(metered.usage.input_tokens, Some(20));
        });
        usage(1).read(|metered| {
            assert!(metered.is_exact());
            assert_eq!(metered.usage.input_tokens, Some(33));
            assert_eq!(metered.usage.output_tokens, Some(17));
            // Billed as the answer's, and as nothing else.
            assert_eq!(metered.usage, heard.metered.usage);
            assert_eq!(metered.deltas, heard.metered.deltas);
        });
        assert_eq!(heard.metered.end, Some(End::Complete));
        assert_eq!(heard.metered.failure, None);
    }
}

#[tokio::test]
async fn a_further_attempt_that_came_to_nothing_is_in_the_log_and_the_first_stays_the_answer() {
    for (second, status, failure) in [
        (Answer::overloaded(), Some(529), None),
        (Answer::reset(), None, Some(FailureKind::NoReply)),
        (
            Answer::message(MODEL).tool_use("look", "{}").into_stream(),
            Some(200),
            None,
        ),
    ] {
        for is_written in [true, false] {
            let fake = sequence(whole().truncate_after(MIDWAY), second.clone());
            let (request, call) = prepared(request()).await;
            let heard = match is_written {
                true => hear(layer().layer(Gated(fake)), request).await,
                false => hear(layer().layer(fake), request).await,
            };
            let log = attempts(&call);
            assert_eq!(log.len(), 2);
            assert_eq!((log[0].is_final, log[1].is_final), (true, false));
            assert_eq!(log[1].status, status);
            assert_eq!(log[1].reason, Some(FailureKind::Truncated));
            if !is_written {
                assert_eq!(log[1].failure, failure);
            }
            assert_eq!(heard.metered.end, Some(End::Truncated));
            let first = log[0].usage.as_ref().unwrap();
            first.read(|metered| assert_eq!(metered.deltas, heard.metered.deltas));
        }
    }
}

#[test]
fn the_fake_breaks_off_where_the_tests_think() {
    let bytes = bytes_of(&whole().truncate_after(MIDWAY));
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    assert_eq!(text.matches("text_delta").count(), MIDWAY - 3);
    assert!(!text.contains("content_block_stop"));
    let bytes = bytes_of(&whole().truncate_after(33));
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    assert_eq!(text.matches("text_delta").count(), 30);
}
