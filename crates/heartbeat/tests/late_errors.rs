//! What becomes of a failure that comes after the head.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use support::{hear, layer, play, seconds, stream_request};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_claude_core::{
    BoxError, CallBody, Dialect, End, Failure, FailureKind, Refusal, RefusalKind, RequestId,
    ResponseBody, Sent, TransportError,
};
use tower_claude_testkit::{Answer, ScriptedBody};
use tower_service::Service;

/// How a client fails, the type and the message of the event, and what is read of it.
type Case = (fn() -> BoxError, &'static str, &'static str, End);

/// The one `error` event that `outcome` has after its pings.
fn only_error(outcome: &support::Outcome) -> String {
    let (pings, rest) = outcome.after_pings();
    assert!(!pings.is_empty());
    let data = rest.strip_prefix("event: error\ndata: ").unwrap();
    let data = data.strip_suffix("\n\n").unwrap();
    assert!(!data.contains('\n'), "one event: {rest}");
    data.to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_late_error_becomes_an_event_with_its_own_words() {
    for (answer, kind) in [
        (Answer::overloaded(), FailureKind::Overloaded),
        (Answer::rate_limited(7), FailureKind::RateLimited),
        (
            Answer::error(400, "invalid_request_error", "no \"such\" thing"),
            FailureKind::Invalid,
        ),
    ] {
        let plain = answer.response().unwrap().into_body();
        let plain = plain.collect().await.unwrap().to_bytes();
        let plain: serde_json::Value = serde_json::from_slice(&plain).unwrap();
        let outcome = play(&layer(), answer.head_delay(seconds(4))).await;
        let event: serde_json::Value = serde_json::from_str(&only_error(&outcome)).unwrap();
        assert_eq!(event, plain);
        assert_eq!(outcome.after_pings().0, [2]);
        let metered = &outcome.metered;
        assert_eq!(
            (metered.end, metered.failure),
            (Some(End::Errored), Some(kind))
        );
        assert_eq!(
            metered.error_type.as_deref(),
            plain["error"]["type"].as_str()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_that_says_nothing_speaks_by_its_status() {
    let large = format!(
        r#"{{"error":{{"type":"overloaded_error","message":"{}"}}}}"#,
        "x".repeat(64 * 1024)
    );
    for answer in [
        Answer::raw(503, "text/html", "<html>\n\n</html>"),
        Answer::raw(503, "text/html", ""),
        Answer::json(503, large),
        Answer::error(503, "api_error", "cut off").reset_after(0),
    ] {
        let outcome = play(&layer(), answer.head_delay(seconds(3))).await;
        let error = only_error(&outcome);
        assert!(error.len() < 300, "{error}");
        assert!(
            error.contains(
                r#""type":"overloaded_error","message":"upstream answered with status 503"#
            )
        );
        assert_eq!(outcome.metered.end, Some(End::Errored));
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_largest_size_is_passed_on() {
    let around = r#"{"error":{"type":"api_error","message":""}}"#.len();
    let message = "x".repeat(64 * 1024 - around);
    let body = format!(r#"{{"error":{{"type":"api_error","message":"{message}"}}}}"#);
    let answer = Answer::json(500, body).head_delay(seconds(3));
    assert!(only_error(&play(&layer(), answer).await).contains(&message));
}

#[tokio::test(start_paused = true)]
async fn the_body_of_an_error_is_waited_for_with_pings_and_not_for_long() {
    let answer = Answer::error(529, "overloaded_error", "no").stall_after(0);
    // The deadline is that of the head, and there is one.
    let layer = layer().deadline(seconds(8));
    let outcome = play(&layer, answer.head_delay(seconds(4))).await;
    assert!(only_error(&outcome).contains("upstream answered with status 529"));
    assert_eq!(outcome.after_pings().0, [2, 5, 8, 11]);
    assert_eq!(outcome.frames.last().unwrap().0, seconds(14));
}

/// A body that never ends and never says anything.
struct EmptyFrames;

impl Body for EmptyFrames {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::new()))))
    }
}

/// Stands for a client that fails after 4 s.
fn failing(
    fail: fn() -> BoxError,
) -> impl Service<
    Request<CallBody>,
    Response = http::Response<ScriptedBody>,
    Error = BoxError,
    Future: Send,
> + Clone {
    service_fn(move |_| async move {
        tokio::time::sleep(seconds(4)).await;
        Err(fail())
    })
}

#[tokio::test(start_paused = true)]
async fn a_late_failure_becomes_an_event_and_only_what_was_not_sent_is_free() {
    let cases: [Case; 5] = [
        (
            || TransportError::not_sent("secret").into(),
            "api_error",
            "connecting to upstream failed",
            End::Errored,
        ),
        (
            || TransportError::timeout(Sent::No).into(),
            "timeout_error",
            "connecting to upstream took too long",
            End::Errored,
        ),
        (
            || TransportError::no_reply("secret").into(),
            "api_error",
            "upstream closed the connection without an answer",
            End::Truncated,
        ),
        (
            || TransportError::timeout(Sent::Maybe).into(),
            "timeout_error",
            "upstream took too long to answer",
            End::Truncated,
        ),
        (
            || "secret".into(),
            "api_error",
            "upstream gave no answer",
            End::Truncated,
        ),
    ];
    for (fail, word, message, end) in cases {
        let service = layer().layer(failing(fail));
        let outcome = hear(service.oneshot(stream_request())).await;
        let said = format!(r#""error":{{"type":"{word}","message":"{message}"}}"#);
        assert!(only_error(&outcome).contains(&said), "{said}");
        assert_eq!(outcome.metered.end, Some(end), "{message}");
        assert!(!outcome.metered.usage.is_known());
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_stands_for_no_answer_is_not_free_and_another_is() {
    for (kind, end) in [
        (None, End::Errored),
        (Some(FailureKind::NotSent), End::Errored),
        (Some(FailureKind::Timeout), End::Truncated),
    ] {
        let service = service_fn(move |_| async move {
            tokio::time::sleep(seconds(4)).await;
            let refusal = Refusal::new(RefusalKind::GatewayTimeout, "late");
            let mut response = refusal.respond(Dialect::Anthropic, RequestId::generate());
            if let Some(kind) = kind {
                response.extensions_mut().insert(Failure::new(kind));
            }
            Ok::<http::Response<ResponseBody<ScriptedBody>>, TransportError>(response)
        });
        let outcome = hear(layer().layer(service).oneshot(stream_request())).await;
        let said = r#""error":{"type":"timeout_error","message":"late"}"#;
        assert!(only_error(&outcome).contains(said));
        assert_eq!(outcome.metered.end, Some(end), "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_no_stream_cannot_be_passed_on_and_is_not_free() {
    for answer in [
        Answer::cached_message(),
        Answer::raw(204, "text/plain", ""),
        Answer::thinking_tool_use().header("content-encoding", "gzip"),
    ] {
        let outcome = play(&layer(), answer.head_delay(seconds(4))).await;
        let error = only_error(&outcome);
        assert!(error.contains("api_error") && error.contains("something else than a stream"));
        assert_eq!(outcome.metered.end, Some(End::Truncated));
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_of_nothing_but_empty_frames_comes_to_an_end() {
    let service = service_fn(async |_| {
        tokio::time::sleep(seconds(4)).await;
        let mut response = http::Response::new(EmptyFrames);
        *response.status_mut() = http::StatusCode::BAD_GATEWAY;
        Ok::<_, TransportError>(response)
    });
    let outcome = hear(layer().layer(service).oneshot(stream_request())).await;
    assert!(only_error(&outcome).contains("upstream answered with status 502"));
}
