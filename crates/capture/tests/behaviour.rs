//! What is kept of a call, and what passes.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops at what is not as it should be"
)]

mod support;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt as _, Full};
use support::{Records, message, post, record_of, said, take};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_claude_capture::{CaptureLayer, Captured, Redactor, Unread};
use tower_claude_core::{CallBody, End, RequestId, TransportError};
use tower_claude_testkit::{Answer, FakeClaude, wire};

const HELLO: &str = r#"[{"role":"user","content":"Hello."}]"#;

#[tokio::test]
async fn a_plain_call_is_kept_with_its_facts() {
    let record = record_of(HELLO, Answer::cached_message()).await;
    assert_eq!(said(&record.request), ["system: Be brief.", "user: Hello."]);
    assert_eq!(
        said(&record.response),
        ["assistant: The harbour gate opens at 06:40."]
    );
    assert_eq!(record.tenant.as_ref().unwrap().as_str(), "web");
    assert_eq!(record.feature.as_deref(), Some("search"));
    assert_eq!(record.model.as_deref(), Some("claude-opus-5-5"));
    assert_eq!(
        (record.endpoint.as_str(), record.stream),
        ("messages", true)
    );
    assert_eq!((record.status, record.end), (Some(200), End::Complete));
    assert_eq!(
        (record.redactions.total(), record.request.truncated),
        (0, false)
    );

    let line = serde_json::to_value(&record).unwrap();
    assert_eq!(line["request"]["texts"][1]["role"], "user");
    assert_eq!(line["request"]["texts"][1]["text"], "Hello.");
    assert_eq!(line["end"], "complete");
    assert_eq!(
        line["system_prompt_sha256"],
        // Of "Be brief." with its quotes.
        "fecef222d7732bb717f79edfbfe005707890d72608deefc4dd8171a5980dd5d0"
    );
}

#[tokio::test]
async fn a_stream_is_kept_block_by_block() {
    let record = record_of(HELLO, Answer::thinking_tool_use()).await;
    assert_eq!(
        said(&record.response),
        [
            "thinking: The user wants the tide height; I should call the tide tool for both piers.",
            "assistant: Checking the tide tables now — één moment.",
            r#"tool_use tide_height: {"pier": "North", "at": "2026-11-20T06:40:00Z"}"#,
            "tool_use list_piers: {}",
        ]
    );
    assert_eq!(record.end, End::Complete);
    let plain = record_of(HELLO, Answer::thinking_tool_use_json()).await;
    let without_spaces = |side| said(side).concat().replace([' ', '\n'], "");
    assert_eq!(
        without_spaces(&plain.response),
        without_spaces(&record.response)
    );
}

#[tokio::test]
async fn what_a_tool_is_asked_and_answers_is_text_and_data_is_only_measured() {
    let record = record_of(
        r#"[
            {"content":[
                {"type":"text","text":"Look."},
                {"type":"image","source":{"type":"base64","media_type":"image/png","data":"c2VjcmV0"}},
                {"source":{"type":"base64","data":"c2VjcmV0cw=="},"type":"document","title":"x"},
                {"type":"image","source":{"type":"url","url":"https://example.org/secret"}},
                {"type":"document","source":{"type":"text","data":"secret"}}
            ],"role":"user"},
            {"role":"assistant","content":[
                {"type":"thinking","thinking":"Hm.","signature":"secret"},
                {"type":"redacted_thinking","data":"secret"},
                {"type":"text","text":"Asking."},
                {"type":"tool_use","id":"toolu_1","input":{"to":"ann\u0040example.org"},"name":"send"}
            ]},
            {"role":"user","content":[
                {"type":"tool_result","tool_use_id":"toolu_1","content":"Sent."},
                {"type":"tool_result","content":[{"type":"text","text":"Sent to bo@example.org."},
                    {"type":"image","source":{"type":"base64","data":"c2VjcmV0"}}]}
            ]}
        ]"#,
        Answer::cached_message(),
    )
    .await;
    assert_eq!(
        said(&record.request)[1..],
        [
            "user: Look.",
            "user: [image 6 bytes]",
            "user: [document 7 bytes]",
            "user: [image by reference]",
            "user: [document 6 bytes]",
            "thinking: Hm.",
            "assistant: [redacted_thinking 6 bytes]",
            "assistant: Asking.",
            r#"tool_use send: {"to":"[email]"}"#,
            "tool_result: Sent.",
            "tool_result: Sent to [email].",
            "tool_result: [image 6 bytes]",
        ]
    );
    assert_eq!(record.redactions.of("email"), 2);
}

#[tokio::test]
async fn a_server_tools_call_and_result_are_kept() {
    let record = record_of(HELLO, Answer::server_tool()).await;
    assert_eq!(
        said(&record.response),
        [
            r#"tool_use web_search: {"query":"pier opening hours"}"#,
            "tool_result: Pier hours",
            "tool_result: https://example.org/pier",
            "assistant: It opens at seven.",
        ]
    );
}

#[tokio::test]
async fn refusals_of_the_model_are_kept_as_far_as_they_go() {
    let record = record_of(HELLO, Answer::refusal_midway()).await;
    assert_eq!((record.status, record.end), (Some(200), End::Complete));
    assert!(!record.response.texts.is_empty());
    let record = record_of(HELLO, Answer::refusal()).await;
    assert_eq!((record.status, record.end), (Some(200), End::Complete));
    assert_eq!(record.response.unread, None);
}

#[tokio::test]
async fn errors_are_kept_with_their_message() {
    let record = record_of(HELLO, Answer::overloaded()).await;
    assert_eq!((record.status, record.end), (Some(529), End::Errored));
    assert!(said(&record.response)[0].starts_with("error: "));

    let record = record_of(HELLO, Answer::error_midway()).await;
    assert_eq!(record.end, End::Errored);
    let said = said(&record.response);
    assert!(said[0].starts_with("assistant: "), "{said:?}");
    assert!(said.last().unwrap().starts_with("error: "), "{said:?}");

    let record = record_of(HELLO, Answer::truncated()).await;
    assert_eq!(record.end, End::Truncated);
}

#[tokio::test]
async fn a_request_that_cannot_be_served_is_refused_and_kept() {
    let records = Records::default();
    let fake = FakeClaude::default();
    let request = post(
        "/v1/messages",
        r#"{"model":"m","messages":[],"max_tokens":"ann@example.org"}"#,
    );
    let response = records
        .capture(fake.clone())
        .oneshot(request)
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    take(response.into_body()).await;
    assert_eq!(fake.calls(), 0);
    let record = records.only();
    assert_eq!((record.status, record.end), (Some(400), End::Errored));
    assert!(said(&record.response)[0].starts_with("error: "));
}

#[tokio::test]
async fn only_calls_for_messages_are_kept() {
    let records = Records::default();
    let fake = FakeClaude::new(|_| Answer::count_tokens(3));
    for (path, body) in [
        (
            "/v1/messages/count_tokens",
            r#"{"model":"m","messages":[]}"#,
        ),
        ("/v1/messages/batches", "{}"),
        ("/nowhere", "{}"),
    ] {
        let response = records
            .capture(fake.clone())
            .oneshot(post(path, body))
            .await;
        take(response.unwrap().into_body()).await;
    }
    assert!(records.all().is_empty());
}

#[tokio::test]
async fn an_error_of_the_service_passes_and_the_request_is_kept() {
    let records = Records::default();
    let inner = service_fn(|_: http::Request<CallBody>| async {
        Err::<http::Response<Full<Bytes>>, _>(TransportError::not_sent("no route"))
    });
    let error = records
        .capture(inner)
        .oneshot(message(HELLO))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        TransportError::not_sent("no route").to_string()
    );
    let record = records.only();
    assert_eq!((record.status, record.end), (None, End::Errored));
    assert_eq!(record.response.unread, Some(Unread::Absent));
    assert_eq!(said(&record.request)[1], "user: Hello.");
}

#[tokio::test]
async fn what_cannot_be_read_passes_untouched_and_is_recorded_as_such() {
    for (answer, unread, body) in [
        (
            Answer::cached_message().header("content-encoding", "gzip"),
            Unread::Compressed,
            wire::MESSAGE,
        ),
        (
            Answer::raw(200, "text/html", "<p>ann@example.org"),
            Unread::OtherType,
            "<p>ann@example.org",
        ),
        (
            Answer::json(200, "{\"content\":"),
            Unread::Malformed,
            "{\"content\":",
        ),
        (Answer::json(200, "[1"), Unread::Malformed, "[1"),
    ] {
        let records = Records::default();
        let fake = FakeClaude::sequence([answer]);
        let response = records.capture(fake).oneshot(message(HELLO)).await;
        let bytes = take(response.unwrap().into_body()).await;
        assert_eq!(bytes, body.as_bytes());
        let record = records.only();
        assert_eq!(record.response.unread, Some(unread));
        assert!(record.response.texts.is_empty());
    }
}

#[tokio::test]
async fn values_of_wrong_types_are_passed_over_and_the_rest_is_read() {
    let record = record_of(
        r#"[null, 1, "x", [], {"role":7,"content":{"type":"text","text":"One."}},
            {"role":"user","content":[null, 2.5, true, ["Two."], {"text":{"a":1}}, {"type":[],"text":"Three."}]},
            {"role":"user","content":[{"type":"image","source":[1]},{"type":"tool_use","input":"in","name":9}]}]"#,
        Answer::json(200, r#"{"content":7,"role":{},"error":[{}]}"#),
    )
    .await;
    assert_eq!(
        said(&record.request)[1..],
        [
            "user: One.",
            "user: Two.",
            "user: Three.",
            "user: [image by reference]",
            "tool_use: \"in\"",
        ]
    );
    assert_eq!(record.request.unread, None);
    assert_eq!(record.response.unread, None);
}

#[tokio::test]
async fn events_that_cannot_be_read_are_counted() {
    let stream = "event: content_block_delta\ndata: {\"delta\":\n\n\
        event: content_block_delta\ndata: {\"index\":0,\"delta\":{\"text\":\"Hi.\"}}\n\n\
        event: content_block_start\ndata: {\"content_block\":7}\n\n\
        event: content_block_delta\ndata: {\"index\":1,\"delta\":{\"text\":8}}\n\n\
        event: message_stop\ndata: {}\n\n";
    let record = record_of(HELLO, Answer::sse(stream)).await;
    assert_eq!(said(&record.response), ["assistant: Hi."]);
    assert_eq!(record.response.unreadable_events, 2);
    assert!(record.response.truncated);
    assert_eq!(record.end, End::Complete);
}

#[tokio::test]
async fn the_callers_own_words_in_the_facts_are_redacted_too() {
    let records = Records::default();
    let mut request = post(
        "/v1/messages",
        r#"{"model":"ann@example.org","max_tokens":1,"messages":[]}"#,
    );
    let feature = http::HeaderValue::from_static("bo@example.org");
    request.headers_mut().insert("x-feature", feature);
    let id = RequestId::generate();
    request.extensions_mut().insert(id);
    let fake = FakeClaude::sequence([Answer::cached_message()]);
    let response = records.capture(fake).oneshot(request).await.unwrap();
    response.into_body().collect().await.unwrap();
    let record = records.only();
    assert_eq!(record.model.as_deref(), Some("[email]"));
    assert_eq!(record.feature.as_deref(), Some("[email]"));
    assert_eq!((record.request_id, record.system_prompt_sha256), (id, None));
}

#[tokio::test]
async fn a_panic_of_the_sink_is_no_concern_of_the_call() {
    let layer = CaptureLayer::new(Redactor::standard(), |_: Captured| panic!("as it should"));
    let capture = layer.layer(FakeClaude::sequence([Answer::cached_message()]));
    let response = capture.oneshot(message(HELLO)).await.unwrap();
    assert_eq!(take(response.into_body()).await, wire::MESSAGE.as_bytes());
}
