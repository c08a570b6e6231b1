//! What passes untouched, when a head goes out early, and when it is over.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use std::time::Duration;

use http_body_util::BodyExt as _;
use support::{hear, late_stream, layer, play, prepared, request, seconds, stream_request};
use tokio::time::Instant;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_claude_core::{
    CallBody, Dialect, End, Failure, Refusal, RefusalKind, RequestId, TransportError, UsageCell,
};
use tower_claude_heartbeat::HeartbeatLayer;
use tower_claude_testkit::{Answer, Ended, FakeClaude, ScriptedBody, wire};

#[tokio::test(start_paused = true)]
async fn an_answer_in_time_passes_untouched() {
    for answer in [
        Answer::overloaded(),
        Answer::rate_limited(7),
        Answer::thinking_tool_use(),
        Answer::overloaded().head_delay(seconds(1)),
        Answer::thinking_tool_use().head_delay(seconds(1)),
    ] {
        let expected = answer.response().unwrap();
        let (head, body) = expected.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let outcome = play(&layer(), answer.header("x-upstream", "yes")).await;
        assert_eq!(outcome.response.status(), head.status);
        assert_eq!(outcome.header("x-upstream"), Some("yes"));
        for (name, value) in &head.headers {
            assert_eq!(outcome.response.headers().get(name), Some(value));
        }
        assert_eq!(outcome.text().as_bytes(), body);
    }
}

#[tokio::test(start_paused = true)]
async fn the_extensions_of_an_answer_in_time_are_there() {
    let service = service_fn(async |_| {
        let refusal = Refusal::new(RefusalKind::Overloaded, "all are shed");
        let refused = refusal.respond::<ScriptedBody>(Dialect::Anthropic, RequestId::generate());
        Ok::<_, TransportError>(refused)
    });
    let response = layer().layer(service).oneshot(stream_request()).await;
    let response = response.unwrap();
    assert!(response.extensions().get::<Refusal>().is_some());
    assert!(UsageCell::of(&response).is_none());
}

#[tokio::test(start_paused = true)]
async fn an_error_in_time_is_returned_unchanged() {
    for answer in [Answer::refused_connection(), Answer::reset()] {
        let service = layer().layer(FakeClaude::sequence([answer.clone()]));
        let error = service.oneshot(stream_request()).await.unwrap_err();
        assert_eq!(error.sent(), answer.response().unwrap_err().sent());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_stream_of_messages_waits_for_its_answer() {
    let grpc = || {
        let mut request = stream_request();
        let kind = http::HeaderValue::from_static("application/grpc");
        request.headers_mut().insert("content-type", kind);
        request
    };
    let models = || {
        http::Request::get("/v1/models")
            .body(CallBody::empty())
            .unwrap()
    };
    let count = || {
        http::Request::post("/v1/messages/count_tokens")
            .body(CallBody::from(
                r#"{"model":"claude-opus-5-5","stream":true,"messages":[]}"#,
            ))
            .unwrap()
    };
    for request in [request(), grpc(), models(), count()] {
        let late = Answer::overloaded().head_delay(seconds(60));
        let service = layer()
            .deadline(seconds(30))
            .layer(FakeClaude::sequence([late]));
        let outcome = hear(service.oneshot(request)).await;
        assert_eq!((outcome.status(), outcome.head), (529, seconds(60)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_read_is_refused() {
    let request = http::Request::post("/v1/messages")
        .body(CallBody::from("{"))
        .unwrap();
    let fake = FakeClaude::default();
    let response = layer().layer(fake.clone()).oneshot(request).await.unwrap();
    assert_eq!((response.status().as_u16(), fake.calls()), (400, 0));
    assert!(response.extensions().get::<Refusal>().is_some());
}

#[tokio::test(start_paused = true)]
async fn an_early_head_says_what_it_begins() {
    let fake = FakeClaude::sequence([late_stream()]);
    let (request, call) = prepared(stream_request()).await;
    let outcome = hear(layer().layer(fake).oneshot(request)).await;
    assert_eq!((outcome.status(), outcome.head), (200, seconds(2)));
    let kind = outcome.header("content-type").unwrap();
    assert_eq!(kind, "text/event-stream; charset=utf-8");
    assert_eq!(outcome.header("cache-control"), Some("no-cache"));
    assert_eq!(outcome.header("request-id"), Some(call.id().as_str()));
    assert_eq!(outcome.response.headers().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_after_the_head_ends_the_stream() {
    let service = layer()
        .deadline(seconds(9))
        .layer(FakeClaude::sequence([late_stream()]));
    let outcome = hear(service.oneshot(stream_request())).await;
    let (pings, rest) = outcome.after_pings();
    assert!(rest.starts_with("event: error\n"));
    assert!(rest.contains("timeout_error") && rest.contains("took too long"));
    assert_eq!(pings, [2, 5, 8]);
    assert_eq!(outcome.frames.last().unwrap().0, seconds(9));
    assert_eq!(
        outcome.metered.end,
        Some(End::Truncated),
        "it may be billed"
    );
}

#[tokio::test(start_paused = true)]
async fn a_deadline_before_the_head_is_a_real_status() {
    for deadline in [Duration::ZERO, seconds(1), seconds(2)] {
        let fake = FakeClaude::sequence([late_stream()]);
        let service = layer().deadline(deadline).layer(fake.clone());
        let began = Instant::now();
        let response = service.oneshot(stream_request()).await.unwrap();
        assert_eq!(began.elapsed(), deadline);
        assert_eq!(response.status(), 504);
        let extensions = response.extensions();
        assert!(extensions.get::<Refusal>().is_some());
        assert!(extensions.get().is_some_and(Failure::possibly_billed));
        assert_eq!(fake.truth().entries()[0].ended, Ended::DroppedByReceiver);
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_does_not_cut_an_answer_short() {
    let answer = Answer::thinking_tool_use().pace(seconds(5));
    let layer = layer().deadline(seconds(9));
    let outcome = play(&layer, answer.head_delay(seconds(8))).await;
    assert_eq!(outcome.after_pings().1, wire::STREAM_THINKING_TOOL_USE);
}

#[tokio::test(start_paused = true)]
async fn pings_are_never_a_flood() {
    let layer = layer().every(Duration::ZERO);
    let outcome = play(&layer, Answer::overloaded().head_delay(seconds(3))).await;
    let pings = outcome.after_pings().0.len();
    assert_eq!(pings, 10, "one in 100 ms");
}

#[tokio::test(start_paused = true)]
async fn times_beyond_all_reason_are_for_ever() {
    let layer = HeartbeatLayer::new()
        .after(Duration::MAX)
        .deadline(Duration::MAX);
    let outcome = play(&layer, Answer::overloaded().head_delay(seconds(1_000))).await;
    assert_eq!(outcome.status(), 529);
    let layer = layer.after(Duration::ZERO).every(Duration::MAX);
    let outcome = play(&layer, late_stream()).await;
    assert_eq!(outcome.after_pings().0, [0]);
}
