//! How deep a JSON text goes is for whoever sent it to say: it costs no stack.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use tower_claude_core::{
    Call, CallBody, Failure, FailureKind, Intake, JsonWalk, Metered, Prepare, SseScanner, Usage,
    UsageCell, tap,
};
use tower_claude_testkit::{ScriptedBody, Step};

const MILLION: usize = 1_000_000;

/// Closes a text at its end: whole, and as deep as it was.
fn close(mut json: String) -> String {
    let mut open = String::new();
    for byte in json.chars() {
        match byte {
            '[' => open.push(']'),
            '{' => open.push('}'),
            ']' | '}' => drop(open.pop()),
            _ => {}
        }
    }
    json.push('0');
    json.extend(open.chars().rev());
    json
}

/// What stands under a member, so many bytes of it before it is closed: lists, members without
/// a name, members of the same name again, and those in lists.
fn deep(before: &str, member: &str, room: usize) -> Vec<String> {
    let member = format!("\"{member}\":");
    [
        "[",
        "{\"\":",
        &format!("{{{member}"),
        &format!("{{{member}["),
    ]
    .map(|level| {
        let depth = (room / level.len()).min(MILLION);
        format!("{before}{{{member}{}", level.repeat(depth))
    })
    .to_vec()
}

async fn metered(kind: &str, body: String) -> Metered {
    let response = Response::builder()
        .header("content-type", kind)
        .body(ScriptedBody::new([Step::Data(body.into())]))
        .unwrap();
    let tapped = tap(response);
    let cell = UsageCell::of(&tapped).unwrap().clone();
    tapped.into_body().collect().await.unwrap();
    cell.read(Metered::clone)
}

async fn prepare(json: String) -> Option<Call> {
    let body = CallBody::from(Bytes::from(json));
    let request = Request::post("/v1/messages").body(body).unwrap();
    let prepared = Prepare::new(request, &Intake::new()).await;
    prepared.ok().map(|prepared| prepared.call)
}

#[tokio::test]
async fn an_event_may_go_as_deep_as_it_has_room() {
    for (kind, before, member) in [
        ("message_start", "", "message"),
        ("message_start", "", "usage"),
        ("message_start", "", "unheard_of"),
        ("message_start", "{\"message\":", ""),
        ("message_start", "{\"message\":", "message"),
        ("message_start", "{\"message\":", "usage"),
        ("message_start", "{\"message\":", "model"),
        ("message_start", "{\"message\":{\"usage\":", "iterations"),
        (
            "message_start",
            "{\"message\":{\"usage\":",
            "cache_creation",
        ),
        ("message_delta", "", "delta"),
        ("message_delta", "{\"delta\":", ""),
        ("message_delta", "{\"delta\":", "stop_reason"),
        ("message_delta", "{\"usage\":", "server_tool_use"),
        ("content_block_start", "", "content_block"),
        ("content_block_start", "{\"content_block\":", "type"),
        (
            "content_block_start",
            "{\"content_block\":{\"type\":\"fallback\",\"to\":",
            "to",
        ),
        ("error", "", "error"),
        ("error", "{\"error\":", "type"),
        ("error", "{\"error\":", "details"),
    ] {
        let room = SseScanner::LARGEST / 2 - 1_024;
        for data in deep(before, member, room).into_iter().map(close) {
            assert!(data.len() <= SseScanner::LARGEST, "it is read");
            let end = "event: message_stop\ndata: {}\n\n";
            let stream = format!("event: {kind}\ndata: {data}\n\n{end}");
            let metered = metered("text/event-stream", stream).await;
            assert!(metered.end.is_some(), "{kind}, {before}, {member}");
        }
    }
    for level in ["[", "{\"\":"] {
        let open = level.repeat(SseScanner::LARGEST / level.len() - 16);
        let stream = format!("event: message_start\ndata: {{\"message\":{open}\n\n");
        assert!(metered("text/event-stream", stream).await.is_unread);
    }
}

#[tokio::test]
async fn what_stands_behind_a_deep_value_is_read() {
    for value in deep("", "", SseScanner::LARGEST / 2 - 1_024) {
        let value = close(value);
        let data = format!(
            "{{\"message\":{{\"\":{value},\"model\":\"m\",\"usage\":{{\"input_tokens\":7}}}}}}"
        );
        let stream = format!("event: message_start\ndata: {data}\n\n");
        let metered = metered("text/event-stream", stream).await;
        assert_eq!(metered.usage.input_tokens, Some(7));
        assert_eq!(metered.model.as_deref(), Some("m"));
    }
}

#[tokio::test]
async fn what_is_within_a_member_of_the_message_is_not_looked_into() {
    let stream = "event: message_start\n\
        data: {\"message\":{\"\":{\"usage\":{\"input_tokens\":1}},\"message\":{\"model\":\"m\"}}}\n\n";
    let metered = metered("text/event-stream", stream.to_owned()).await;
    assert!(!metered.usage.is_known() && metered.model.is_none());
}

#[tokio::test]
async fn a_plain_answer_may_be_a_million_levels_deep() {
    for member in ["", "usage", "error", "model", "stop_reason"] {
        // The largest value that is kept, and larger than any.
        for room in [120 * 1024, MILLION] {
            for json in deep("", member, room).into_iter().map(close) {
                let metered = metered("application/json", json).await;
                assert!(metered.is_whole, "{member}");
            }
        }
    }
}

#[test]
fn a_usage_may_be_a_million_levels_deep() {
    for member in [
        "",
        "iterations",
        "cache_creation",
        "server_tool_use",
        "fallback_credit",
        "service_tier",
        "input_tokens",
    ] {
        for json in deep("", member, MILLION) {
            assert_eq!(Usage::from_json(json.as_bytes()), None, "it has no end");
            assert!(Usage::from_json(close(json).as_bytes()).is_some());
        }
        for json in deep("{\"iterations\":[", member, MILLION) {
            assert!(Usage::from_json(close(json).as_bytes()).is_some());
        }
    }
}

#[test]
fn an_error_may_be_a_million_levels_deep() {
    for (before, member) in [
        ("", "error"),
        ("", "unheard_of"),
        ("{\"error\":", "type"),
        ("{\"error\":", "details"),
        ("{\"error\":{\"details\":", "error_code"),
    ] {
        for json in deep(before, member, MILLION).into_iter().map(close) {
            let body = Bytes::from(json);
            let kind = Failure::from_event(&body).kind;
            assert_eq!(kind, FailureKind::ServerError, "{before}, {member}");
            let failure = Failure::from_answer(
                StatusCode::TOO_MANY_REQUESTS,
                &HeaderMap::new(),
                &body,
                SystemTime::UNIX_EPOCH,
            );
            assert_eq!(failure.unwrap().kind, FailureKind::RateLimited);
        }
    }
}

#[tokio::test]
async fn a_request_may_be_a_million_levels_deep() {
    let mut read = 0;
    for before in [
        "{\"model\":\"m\",\"max_tokens\":1,\"messages\":[],\"unheard_of\":",
        "{\"model\":\"m\",\"max_tokens\":1,\"messages\":[],\"system\":",
        "{\"model\":\"m\",\"max_tokens\":1,\"messages\":[],\"metadata\":",
        "{\"model\":\"m\",\"max_tokens\":1,\"messages\":[],\"tools\":[",
        "{\"model\":\"m\",\"max_tokens\":1,\"messages\":[",
        "{\"model\":\"m\",\"max_tokens\":1,\"messages\":[{\"source\":0,\"content\":[",
        "{\"model\":\"m\",\"max_tokens\":1,\"messages\":[{\"content\":[{\"source\":",
    ] {
        for member in ["", "content", "source"] {
            for json in deep(before, member, MILLION).into_iter().map(close) {
                if let Some(call) = prepare(json).await {
                    assert_eq!(call.model(), Some("m"), "{before}, {member}");
                    let _ = (call.sizes(), call.count_tokens_body());
                    assert!(call.body_with_model("n").is_some());
                    read += 1;
                }
            }
        }
    }
    assert_eq!(read, 84, "all of them");
}

#[test]
fn a_walk_goes_over_a_million_levels_and_on() {
    for open in deep("", "x", 5 * MILLION) {
        let value = close(open.clone());
        let json = format!("{{\"deep\":{value},\"text\":\"x\"}}");
        let mut walk = JsonWalk::new(json.as_bytes());
        assert!(walk.enter_object());
        assert_eq!(walk.next_key().as_deref(), Some("deep"));
        assert_eq!(walk.skip().len(), value.len());
        assert_eq!(JsonWalk::text_of(value.as_bytes()), None);
        assert_eq!(walk.next_key().as_deref(), Some("text"));
        walk.skip();
        assert_eq!(walk.next_key(), None);
        assert!(walk.is_at_end());
        let mut walk = JsonWalk::new(open.as_bytes());
        walk.skip();
        assert!(walk.is_broken());
    }
}
