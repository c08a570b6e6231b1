//! The frames of an answer follow the pings as they are, and are read along.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use std::time::Duration;

use http_body::Body as _;
use http_body_util::BodyExt as _;
use support::{PING, hear, late_stream, layer, play, seconds, stream_request};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_claude_core::{
    BoxError, Call, CallBody, Degraded, End, FailureKind, Metered, Peek, TransportError, UsageCell,
    tap,
};
use tower_claude_heartbeat::HeartbeatLayer;
use tower_claude_testkit::{Answer, FakeClaude, Split, wire};

#[tokio::test(start_paused = true)]
async fn pings_until_the_answer_is_there_and_none_after_it() {
    let answer = late_stream().pace(seconds(20));
    let outcome = play(&layer(), answer).await;
    let (pings, rest) = outcome.after_pings();
    assert_eq!(pings, [2, 5, 8]);
    assert_eq!(rest, wire::STREAM_THINKING_TOOL_USE);
    assert_eq!(outcome.frames[3].0, seconds(10), "without delay");
}

#[tokio::test(start_paused = true)]
async fn with_no_patience_the_head_goes_out_at_once() {
    let layer = HeartbeatLayer::new()
        .after(Duration::ZERO)
        .every(seconds(4));
    let outcome = play(&layer, late_stream()).await;
    assert_eq!(outcome.head, Duration::ZERO);
    assert_eq!(outcome.after_pings().0, [0, 4, 8]);
}

#[tokio::test(start_paused = true)]
async fn the_defaults_are_a_head_after_five_seconds_and_a_ping_every_ten() {
    let answer = Answer::thinking_tool_use().head_delay(seconds(40));
    let outcome = play(&HeartbeatLayer::default(), answer).await;
    assert_eq!(outcome.after_pings().0, [5, 15, 25, 35]);
}

#[tokio::test(start_paused = true)]
async fn the_answer_comes_out_byte_for_byte_and_is_read_exactly() {
    for split in [Split::Events, Split::Every(7), Split::EveryByte] {
        let outcome = play(&layer(), late_stream().split(split)).await;
        assert_eq!(outcome.after_pings().1, wire::STREAM_THINKING_TOOL_USE);
        let in_time = play(&layer(), Answer::thinking_tool_use()).await;
        assert_eq!(outcome.metered.usage, in_time.metered.usage);
        assert!(outcome.metered.is_exact() && outcome.metered.has_content);
        assert_eq!(outcome.metered.end, Some(End::Complete));
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_event_of_upstream_is_read_as_an_error() {
    for (answer, kind) in [
        (Answer::error_after_start(), FailureKind::ServerError),
        (Answer::error_midway(), FailureKind::Overloaded),
    ] {
        let outcome = play(&layer(), answer.head_delay(seconds(3))).await;
        assert_eq!(outcome.metered.end, Some(End::Errored));
        assert_eq!(outcome.metered.failure, Some(kind));
        assert_eq!(outcome.text().matches("event: error").count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_is_passed_on_as_it_broke() {
    let outcome = play(&layer(), late_stream().reset_after(3)).await;
    assert_eq!(
        outcome.error.unwrap().to_string(),
        "connection reset by peer"
    );
    assert_eq!(outcome.metered.end, Some(End::Truncated));
}

#[tokio::test(start_paused = true)]
async fn an_event_added_inside_to_a_stream_that_was_cut_off_makes_it_no_error() {
    for frames in [1, 6] {
        for is_late in [false, true] {
            // Stands for retry: a gate that holds the beginning back and seals the end.
            let delay = seconds(if is_late { 4 } else { 0 });
            let service = service_fn(move |request: http::Request<CallBody>| async move {
                tokio::time::sleep(delay).await;
                let call = Call::of(&request).cloned().unwrap();
                let answer = Answer::thinking_tool_use().truncate_after(frames);
                let peeked = Peek::new(answer.response()?, &call).await;
                Ok::<_, TransportError>(peeked.response)
            });
            let outcome = hear(layer().layer(service).oneshot(stream_request())).await;
            let (pings, rest) = outcome.after_pings();
            assert_eq!(pings.len(), usize::from(is_late));
            assert!(rest.starts_with("event: message_start\n"));
            let event = rest.rfind("event: error\n").unwrap();
            assert!(rest[event..].contains("upstream ended the stream before its end"));
            assert!(wire::STREAM_THINKING_TOOL_USE.starts_with(&rest[..event]));
            let metered = &outcome.metered;
            assert_eq!(metered.end, Some(End::Truncated), "{frames} {is_late}");
            assert_eq!(metered.error_type, None);
            assert!(metered.usage.is_known());
            assert_eq!(metered.has_content, frames > 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_cut_amid_one_of_its_first_events_is_cut_off_and_no_error() {
    let stream = wire::STREAM_THINKING_TOOL_USE;
    for name in ["message_start", "content_block_start", "ping"] {
        let begin = stream.find(&format!("event: {name}\n")).unwrap();
        for at in [begin + 8, begin + 14 + name.len()] {
            // Stands for retry, whose gate ends the line that was cut before it adds its event.
            let service = service_fn(move |request: http::Request<CallBody>| async move {
                tokio::time::sleep(seconds(4)).await;
                let call = Call::of(&request).cloned().unwrap();
                let answer = Answer::sse(&stream[..at]);
                let peeked = Peek::new(answer.response()?, &call).await;
                Ok::<_, TransportError>(peeked.response)
            });
            let outcome = hear(layer().layer(service).oneshot(stream_request())).await;
            let rest = outcome.after_pings().1;
            let event = rest.strip_prefix(&stream[..at]).unwrap();
            assert!(event.starts_with("\nevent: error\n"), "{event}");
            let metered = &outcome.metered;
            assert_eq!(metered.end, Some(End::Truncated), "{name} {at}");
            assert_eq!(metered.error_type, None);
            assert_eq!(metered.usage.is_known(), name != "message_start");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_added_event_that_comes_in_one_piece_with_what_was_cut_is_seen_too() {
    let stream = wire::STREAM_THINKING_TOOL_USE;
    let cut = &stream[..stream.find("event: ping\n").unwrap() + 8];
    // Stands for continuation, which holds back what was cut until it is decided.
    let service = service_fn(move |request: http::Request<CallBody>| async move {
        tokio::time::sleep(seconds(4)).await;
        let call = Call::of(&request).cloned().unwrap();
        let peeked = Peek::new(Answer::sse(cut).response()?, &call).await;
        let (head, body) = peeked.response.into_parts();
        let whole = body.collect().await.unwrap().to_bytes();
        let body = http_body_util::Full::new(whole).map_err(BoxError::from);
        Ok::<_, TransportError>(http::Response::from_parts(head, body))
    });
    let outcome = hear(layer().layer(service).oneshot(stream_request())).await;
    let rest = outcome.after_pings().1;
    let event = rest.strip_prefix(cut).unwrap();
    assert!(event.starts_with("\nevent: error\n") && event.ends_with("}\n\n"));
    assert_eq!(outcome.metered.end, Some(End::Truncated));
    assert!(outcome.metered.usage.is_known());
}

#[tokio::test(start_paused = true)]
async fn a_model_that_stood_in_is_told_before_a_late_answer() {
    let model = r#"claude-"haiku"\4-5"#;
    for is_late in [false, true] {
        // Stands for failover, which asked another model.
        let delay = seconds(if is_late { 4 } else { 0 });
        let service = service_fn(move |_: http::Request<CallBody>| async move {
            tokio::time::sleep(delay).await;
            let mut response = Answer::thinking_tool_use().response()?;
            Degraded::to(model).unwrap().mark(&mut response);
            Ok::<_, TransportError>(response)
        });
        let outcome = hear(layer().layer(service).oneshot(stream_request())).await;
        let mark = r#"event: degraded
data: {"type":"degraded","model":"claude-\"haiku\"\\4-5"}

"#;
        let mark = if is_late { mark } else { "" };
        let rest = outcome.after_pings().1;
        assert_eq!(rest, [mark, wire::STREAM_THINKING_TOOL_USE].concat());
        assert_eq!(
            outcome.header("x-claude-degraded"),
            (!is_late).then_some(model)
        );
        assert!(outcome.metered.is_exact());
        assert_eq!(outcome.metered.end, Some(End::Complete));
    }
}

#[tokio::test(start_paused = true)]
async fn trailers_pass() {
    let mut trailers = http::HeaderMap::new();
    trailers.insert("x-end", http::HeaderValue::from_static("yes"));
    let fake = FakeClaude::sequence([late_stream().trailers(trailers.clone())]);
    let response = layer().layer(fake).oneshot(stream_request()).await.unwrap();
    let whole = response.into_body().collect().await.unwrap();
    assert_eq!(whole.trailers(), Some(&trailers));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_said_of_a_length_before_it_is_known() {
    let service = layer().layer(FakeClaude::sequence([late_stream()]));
    let response = service.oneshot(stream_request()).await.unwrap();
    let mut body = std::pin::pin!(response.into_body());
    assert_eq!(body.size_hint().upper(), None);
    while let Some(frame) = body.frame().await {
        assert!(frame.is_ok());
        assert!(body.size_hint().exact().is_none_or(|left| left == 0));
    }
    assert!(body.is_end_stream());

    let service = layer().layer(FakeClaude::sequence([
        Answer::overloaded().head_delay(seconds(3))
    ]));
    let response = service.oneshot(stream_request()).await.unwrap();
    let mut body = std::pin::pin!(response.into_body());
    for is_last in [false, true] {
        assert!(!body.is_end_stream());
        assert!(body.frame().await.unwrap().is_ok());
        assert_eq!(body.is_end_stream(), is_last);
    }
    assert_eq!(body.size_hint().exact(), Some(0));
    assert!(body.frame().await.is_none() && body.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_time_keeps_its_length() {
    let service = layer().layer(FakeClaude::sequence([Answer::overloaded()]));
    let response = service.oneshot(stream_request()).await.unwrap();
    let length = response.body().size_hint().exact().unwrap();
    let whole = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(length, whole.len() as u64);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_reads_late_gets_no_flood_of_pings() {
    let service = layer().layer(FakeClaude::sequence([
        Answer::thinking_tool_use().head_delay(seconds(100))
    ]));
    let response = service.oneshot(stream_request()).await.unwrap();
    let mut body = std::pin::pin!(response.into_body());
    body.frame().await.unwrap().unwrap();
    tokio::time::advance(seconds(60)).await;
    let mut task = tokio_test::task::spawn(body.collect());
    assert!(task.poll().is_pending());
    let whole = task.await.unwrap().to_bytes();
    let pings = whole
        .windows(PING.len())
        .filter(|part| *part == PING.as_bytes());
    // Every three seconds from 65 s on, and those that the stream has itself.
    let own = wire::STREAM_THINKING_TOOL_USE.matches(PING).count();
    assert_eq!(pings.count(), 12 + own);
}

#[tokio::test(start_paused = true)]
async fn those_outside_find_the_cell_and_read_nothing_twice() {
    let service = layer().layer(FakeClaude::sequence([late_stream()]));
    let response = service.oneshot(stream_request()).await.unwrap();
    let cell = UsageCell::of(&response).cloned().unwrap();
    let again = tap(response);
    again.into_body().collect().await.unwrap();
    assert!(cell.read(Metered::is_exact));
}

#[test]
fn an_answer_that_is_there_at_once_needs_no_runtime() {
    let service = layer()
        .deadline(seconds(1))
        .layer(FakeClaude::sequence([Answer::thinking_tool_use()]));
    let mut call = tokio_test::task::spawn(service.oneshot(stream_request()));
    let response = tokio_test::assert_ready!(call.poll()).unwrap();
    assert_eq!(response.status(), 200);
}
