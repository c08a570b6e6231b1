//! Reading answers along, and holding them back: `tap` and `Peek`.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use tower_claude_core::{
    BoxError, Call, CallBody, End, Failure, FailureKind, Intake, Metered, Peek, Peeked, Prepare,
    TransportError, UsageCell, tap,
};
use tower_claude_testkit::{Answer, ScriptedBody, Split, Step, wire};

fn respond(answer: &Answer) -> Response<ScriptedBody> {
    answer.response().unwrap()
}

fn stream(body: ScriptedBody) -> Response<ScriptedBody> {
    Response::builder()
        .header("content-type", "text/event-stream; charset=utf-8")
        .body(body)
        .unwrap()
}

/// The facts of a call to a path, as whoever peeks has them.
async fn call(path: &str) -> Call {
    let json = r#"{"model":"claude-opus-5-5","max_tokens":9,"messages":[]}"#;
    let request = Request::post(path).body(CallBody::from(json)).unwrap();
    let intake = Intake::new().passthrough(["/own"]);
    Prepare::new(request, &intake).await.unwrap().call
}

async fn peek(response: Response<ScriptedBody>) -> Peeked<ScriptedBody> {
    Peek::new(response, &call("/v1/messages").await).await
}

/// Reads a body to its end: its bytes, and whether it broke.
async fn drain<B>(body: B) -> (Bytes, bool)
where
    B: Body<Data = Bytes>,
{
    let mut body = std::pin::pin!(body);
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => bytes.extend_from_slice(frame.data_ref().unwrap()),
            Err(_) => return (bytes.into(), true),
        }
    }
    (bytes.into(), false)
}

#[tokio::test]
async fn a_tap_changes_no_byte_and_reads_the_same_at_every_split() {
    for sample in [
        wire::STREAM_THINKING_TOOL_USE,
        wire::STREAM_SERVER_TOOL,
        wire::STREAM_CRLF_COMMENTS,
        wire::STREAM_REFUSAL,
    ] {
        let mut whole = None;
        for split in [
            Split::Whole,
            Split::Events,
            Split::EveryByte,
            Split::Every(7),
        ] {
            let tapped = tap(respond(&Answer::sse(sample).split(split)));
            let cell = UsageCell::of(&tapped).unwrap().clone();
            assert_eq!(
                drain(tapped.into_body()).await,
                (Bytes::from(sample), false)
            );
            let read = cell.read(|metered| {
                assert_eq!(metered.end, Some(End::Complete));
                assert!(metered.is_exact() && metered.has_content);
                (metered.usage.clone(), metered.stop_reason.clone())
            });
            assert_eq!(*whole.get_or_insert_with(|| read.clone()), read);
        }
    }
}

#[tokio::test]
async fn usage_in_a_stream_replaces_and_is_never_added() {
    let tapped = tap(respond(&Answer::sse(wire::STREAM_SERVER_TOOL)));
    let cell = UsageCell::of(&tapped).unwrap().clone();
    drain(tapped.into_body()).await;
    cell.read(|metered| {
        assert_eq!(metered.usage.input_tokens, Some(10_682));
        assert_eq!(metered.usage.output_tokens, Some(97));
        assert_eq!(metered.usage.web_search_requests, Some(1));
        assert_eq!(metered.model.as_deref(), Some("claude-sonnet-5-5"));
    });
}

#[tokio::test]
async fn a_plain_answer_is_read_whatever_the_split() {
    for split in [Split::Whole, Split::EveryByte, Split::Every(100)] {
        let answer = Answer::json(200, wire::MESSAGE_ITERATIONS).split(split);
        let tapped = tap(respond(&answer));
        let cell = UsageCell::of(&tapped).unwrap().clone();
        drain(tapped.into_body()).await;
        cell.read(|metered| {
            assert_eq!(metered.end, Some(End::Complete));
            assert_eq!(metered.usage.output_tokens, Some(640));
            assert_eq!(metered.usage.iterations.as_ref().unwrap().len(), 4);
            assert_eq!(metered.stop_reason.as_deref(), Some("end_turn"));
        });
    }
}

#[tokio::test]
async fn a_second_tap_follows_the_first() {
    let twice = tap(tap(respond(&Answer::sse(wire::STREAM_SERVER_TOOL))));
    let cell = UsageCell::of(&twice).unwrap().clone();
    drain(twice.into_body()).await;
    assert_eq!(cell.read(|metered| metered.usage.output_tokens), Some(97));
}

#[tokio::test]
async fn each_ending_is_told_from_the_others() {
    async fn end(answer: Answer) -> (Option<End>, Option<FailureKind>) {
        let tapped = tap(respond(&answer));
        let cell = UsageCell::of(&tapped).unwrap().clone();
        drain(tapped.into_body()).await;
        cell.read(|metered| (metered.end, metered.failure))
    }
    let full = || Answer::sse(wire::STREAM_SERVER_TOOL);
    assert_eq!(end(full()).await, (Some(End::Complete), None));
    assert_eq!(
        end(Answer::sse(wire::STREAM_ERROR_MIDWAY)).await,
        (Some(End::Errored), Some(FailureKind::Overloaded))
    );
    assert_eq!(end(full().truncate_after(5)).await.0, Some(End::Truncated));
    assert_eq!(end(full().reset_after(5)).await.0, Some(End::Truncated));
    assert_eq!(end(Answer::overloaded()).await.0, Some(End::Errored));

    let tapped = tap(respond(&full()));
    let cell = UsageCell::of(&tapped).unwrap().clone();
    let mut body = tapped.into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    assert_eq!(cell.read(|metered| metered.end), Some(End::Dropped));
    assert_eq!(cell.read(|metered| metered.usage.input_tokens), Some(2679));
}

#[tokio::test]
async fn a_compressed_answer_passes_and_is_not_misread() {
    let answer = Answer::json(200, wire::MESSAGE).header("content-encoding", "gzip");
    let tapped = tap(respond(&answer));
    let cell = UsageCell::of(&tapped).unwrap().clone();
    assert_eq!(drain(tapped.into_body()).await.0, wire::MESSAGE);
    assert!(!cell.read(Metered::is_exact));
}

#[tokio::test]
async fn the_gate_tells_an_error_before_content_from_one_after() {
    for sample in [
        wire::STREAM_ERROR_BEFORE_CONTENT,
        wire::STREAM_ERROR_AFTER_START,
    ] {
        for split in [Split::Whole, Split::Events, Split::EveryByte] {
            let peeked = peek(respond(&Answer::sse(sample).split(split))).await;
            let failure = peeked.failure.unwrap();
            assert!(failure.in_band && !failure.possibly_billed());
            assert_eq!(
                peeked.response.extensions().get::<Failure>(),
                Some(&failure)
            );
            let (bytes, _) = drain(peeked.response.into_body()).await;
            assert_eq!(bytes, sample, "what was held is given back");
        }
    }
    let peeked = peek(respond(&Answer::sse(wire::STREAM_ERROR_MIDWAY))).await;
    assert_eq!(peeked.failure, None);
    let (bytes, _) = drain(peeked.response.into_body()).await;
    assert_eq!(bytes, wire::STREAM_ERROR_MIDWAY);
}

#[tokio::test]
async fn a_refusal_without_content_is_a_success() {
    let sample = "event: message_start\ndata: {\"message\":{\"usage\":{\"input_tokens\":4}}}\n\n\
        event: message_delta\ndata: {\"delta\":{\"stop_reason\":\"refusal\"},\"usage\":{\"output_tokens\":0}}\n\n\
        event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    let peeked = peek(respond(&Answer::sse(sample))).await;
    assert_eq!(peeked.failure, None);
    assert_eq!(drain(peeked.response.into_body()).await.0, sample);
}

#[tokio::test]
async fn a_stream_that_ends_early_ends_with_an_error_event() {
    let full = wire::STREAM_SERVER_TOOL;
    for frames in 4..9 {
        for answer in [
            Answer::sse(full).truncate_after(frames),
            Answer::sse(full).reset_after(frames),
        ] {
            let peeked = peek(respond(&answer)).await;
            assert_eq!(peeked.failure, None, "content has come");
            let (bytes, broke) = drain(peeked.response.into_body()).await;
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            let (before, event) = text.split_once("event: error\n").unwrap();
            assert!(full.as_bytes().starts_with(before.as_bytes()));
            assert!(event.contains(r#""type":"api_error""#), "{event}");
            assert!(event.ends_with("\n\n") && !broke);
        }
    }
}

#[tokio::test]
async fn a_stream_that_breaks_after_its_end_was_whole() {
    let full = Bytes::from_static(wire::STREAM_SERVER_TOOL.as_bytes());
    let body = ScriptedBody::new([Step::Data(full.clone()), Step::Fail("reset".into())]);
    let peeked = peek(stream(body)).await;
    assert_eq!(drain(peeked.response.into_body()).await, (full, false));
}

#[tokio::test]
async fn a_stream_that_is_not_of_messages_is_not_touched() {
    let events = "event: tick\ndata: 1\n\n";
    let body = ScriptedBody::new([Step::Data(Bytes::from_static(events.as_bytes()))]);
    let peeked = Peek::new(stream(body), &call("/own/stream").await).await;
    assert_eq!(peeked.failure, None);
    assert_eq!(drain(peeked.response.into_body()).await.0, events);
}

#[tokio::test]
async fn a_stream_that_fell_silent_says_timeout() {
    struct Silent(usize);
    impl Body for Silent {
        type Data = Bytes;
        type Error = BoxError;
        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, BoxError>>> {
            self.0 += 1;
            std::task::Poll::Ready(Some(match self.0 {
                1 => Ok(http_body::Frame::data(Bytes::from_static(
                    b"event: content_block_delta\ndata: {}\n\n",
                ))),
                _ => Err(TransportError::timeout(tower_claude_core::Sent::Maybe).into()),
            }))
        }
    }
    let response = Response::builder()
        .header("content-type", "text/event-stream")
        .body(Silent(0))
        .unwrap();
    let peeked = Peek::new(response, &call("/v1/messages").await).await;
    let (bytes, _) = drain(peeked.response.into_body()).await;
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    assert!(text.contains(r#""type":"timeout_error""#), "{text}");
}

#[tokio::test]
async fn an_answer_cut_before_content_is_a_failure_that_may_be_billed() {
    for answer in [
        Answer::sse(wire::STREAM_SERVER_TOOL).truncate_after(2),
        Answer::sse(wire::STREAM_SERVER_TOOL).reset_after(2),
    ] {
        let failure = peek(respond(&answer)).await.failure.unwrap();
        assert_eq!(failure.kind, FailureKind::Truncated);
        assert!(failure.possibly_billed());
    }
}

#[tokio::test]
async fn an_error_status_is_read_for_what_it_says() {
    let peeked = peek(respond(&Answer::spend_cap().split(Split::EveryByte))).await;
    assert_eq!(peeked.failure.unwrap().kind, FailureKind::SpendCap);
    let cell = UsageCell::of(&peeked.response).unwrap().clone();
    let (bytes, _) = drain(peeked.response.into_body()).await;
    assert!(bytes.starts_with(b"{") && bytes.ends_with(b"}"));
    assert_eq!(cell.read(|metered| metered.end), Some(End::Errored));
}

#[tokio::test]
async fn a_second_gate_is_open_and_knows_what_the_first_found() {
    let call = &call("/v1/messages").await;
    let first = Peek::new(respond(&Answer::overloaded()), call).await;
    let second = Peek::new(first.response, call).await;
    assert_eq!(second.failure.unwrap().kind, FailureKind::Overloaded);
    let first = Peek::new(respond(&Answer::sse(wire::STREAM_SERVER_TOOL)), call).await;
    let second = Peek::new(first.response, call).await;
    assert!(second.failure.is_none());
    let (bytes, _) = drain(second.response.into_body()).await;
    assert_eq!(bytes, wire::STREAM_SERVER_TOOL);
}

#[tokio::test(start_paused = true)]
async fn a_gate_opens_when_told_to_and_loses_nothing() {
    let ping = "event: ping\ndata: {\"type\":\"ping\"}\n\n";
    let rest = "event: error\ndata: {\"error\":{\"type\":\"overloaded_error\"}}\n\n";
    let body = ScriptedBody::new([
        Step::Data(Bytes::from_static(ping.as_bytes())),
        Step::Wait(Duration::from_secs(60)),
        Step::Data(Bytes::from_static(rest.as_bytes())),
    ]);
    let mut gate = std::pin::pin!(Peek::new(stream(body), &call("/v1/messages").await));
    let early = tokio::time::timeout(Duration::from_secs(1), gate.as_mut()).await;
    assert!(early.is_err(), "held back");
    let peeked = gate.open();
    assert_eq!(peeked.failure, None);
    let (bytes, _) = drain(peeked.response.into_body()).await;
    assert_eq!(bytes, format!("{ping}{rest}"));
}

#[tokio::test]
async fn a_gate_holds_no_more_than_it_may() {
    let ping = Bytes::from("event: ping\ndata: {}\n\n".repeat(100));
    let pings = ping.len();
    let body = ScriptedBody::new(std::iter::repeat_n(Step::Data(ping), 100));
    let observer = body.observer();
    let peeked = peek(stream(body)).await;
    assert_eq!(peeked.failure, None);
    let most = Peek::<ScriptedBody>::LARGEST / pings + 1;
    assert!(
        observer.frames_sent() <= most as u64,
        "{}",
        observer.frames_sent()
    );
}
