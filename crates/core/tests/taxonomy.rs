//! The taxonomy: what each failure of each platform is taken for, from its real bytes.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use tower_claude_core::{
    BoxError, Call, CallBody, Failure, FramesReader, Intake, Peek, Prepare, Scope, Sent,
    TransportError,
};
use tower_claude_testkit::{Answer, ScriptedBody, Step, wire};

/// What is seen, and what it is taken for. `wait` counts from the moment of the answer;
/// `billed` is what upstream may bill, `here` and `elsewhere` are where the same request may
/// pass.
const TABLE: &str = include_str!("taxonomy.txt");

/// The moment at which all answers come: 2026-11-20T10:15:01Z.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_169_701)
}

/// A head as it is sent: the status and the headers.
fn head(text: &str) -> (StatusCode, HeaderMap) {
    let mut lines = text.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(": ").unwrap();
        (
            HeaderName::try_from(name).unwrap(),
            HeaderValue::try_from(value).unwrap(),
        )
    });
    (status.parse().unwrap(), headers.collect())
}

fn row(name: &str, failure: Option<&Failure>) -> String {
    let Some(failure) = failure else {
        return format!("{name:<27} no failure");
    };
    let scope = match failure.kind.scope() {
        Scope::Request => "request",
        Scope::ModelClass => "class",
        Scope::Account => "account",
        _ => "target",
    };
    let wait = failure
        .wait
        .map_or("-".to_owned(), |wait| format!("{wait:?}"));
    let flag = |flag, word| if flag { word } else { "-" };
    format!(
        "{name:<27} {:<15} {:<22} {scope:<8} {wait:<10} {:<7} {:<5} {}",
        failure.kind.as_str(),
        failure.error_type.as_deref().unwrap_or("-"),
        flag(failure.possibly_billed(), "billed"),
        flag(failure.kind.is_passing(), "here"),
        flag(failure.kind.may_pass_elsewhere(), "elsewhere"),
    )
}

/// The answers that are errors, on every platform.
fn answers() -> impl Iterator<Item = String> {
    wire::ERRORS.iter().map(|(name, text, body)| {
        let (status, headers) = head(text);
        let body = Bytes::from_static(body.as_bytes());
        let failure = Failure::from_answer(status, &headers, &body, now()).unwrap();
        assert_eq!(failure.status, Some(status.as_u16()), "{name}");
        assert_eq!((failure.in_band, failure.distrusted), (false, 0), "{name}");
        row(name, Some(&failure))
    })
}

/// The errors that come inside a stream of frames.
fn frames() -> impl Iterator<Item = String> {
    wire::ERROR_FRAMES.iter().map(|(name, bytes)| {
        let mut failure = None;
        let mut reader = FramesReader::new();
        reader
            .push(bytes, |event| {
                failure = Some(Failure::from_event(event.data));
            })
            .unwrap();
        assert!(failure.as_ref().unwrap().in_band, "{name}");
        row(&format!("frame {name}"), failure.as_ref())
    })
}

async fn peek(response: Response<ScriptedBody>) -> Option<Failure> {
    let json = r#"{"model":"claude-opus-5-5","max_tokens":9,"messages":[]}"#;
    let request = Request::post("/v1/messages").body(CallBody::from(json));
    let prepared = Prepare::new(request.unwrap(), &Intake::new())
        .await
        .unwrap();
    let call: Call = prepared.call;
    Peek::new(response, &call).await.failure
}

/// What a 200 holds, at the commit gate.
async fn gated() -> Vec<String> {
    let begun = &wire::STREAM_TRUNCATED[..wire::STREAM_TRUNCATED.find("\n\n").unwrap() + 2];
    let cut = |last| {
        Response::builder()
            .header("content-type", "text/event-stream")
            .body(ScriptedBody::new(
                [Step::Data(Bytes::from_static(begun.as_bytes()))]
                    .into_iter()
                    .chain(last),
            ))
            .unwrap()
    };
    let sse = |text: &'static str| Answer::sse(text).response().unwrap();
    let mut rows = Vec::new();
    for (name, response) in [
        (
            "error before message_start",
            sse(wire::STREAM_ERROR_BEFORE_CONTENT),
        ),
        (
            "error after message_start",
            sse(wire::STREAM_ERROR_AFTER_START),
        ),
        ("ended before content", cut(None)),
        (
            "reset before content",
            cut(Some(Step::Fail("reset".to_owned()))),
        ),
        ("stalled before content", cut(Some(Step::TimeOut))),
        ("content, then an error", sse(wire::STREAM_ERROR_MIDWAY)),
        ("a refusal, streamed", sse(wire::STREAM_REFUSAL)),
        (
            "a refusal",
            Answer::json(200, wire::MESSAGE_REFUSAL).response().unwrap(),
        ),
    ] {
        rows.push(row(name, peek(response).await.as_ref()));
    }
    rows
}

/// The errors of calls that had no answer.
fn unanswered() -> impl Iterator<Item = String> {
    let boxed = |error: TransportError| BoxError::from(error);
    [
        (
            "connection refused",
            boxed(TransportError::not_sent("refused")),
        ),
        (
            "no connection in time",
            boxed(TransportError::timeout(Sent::No)),
        ),
        (
            "reset after sending",
            boxed(TransportError::no_reply("reset")),
        ),
        (
            "no answer in time",
            boxed(TransportError::timeout(Sent::Maybe)),
        ),
        ("an error nobody knows", BoxError::from("what")),
    ]
    .into_iter()
    .map(|(name, error)| row(name, Some(&Failure::from_error(&error))))
}

#[tokio::test]
async fn every_failure_is_what_the_table_says() {
    let seen: Vec<_> = answers()
        .chain(frames())
        .chain(gated().await)
        .chain(unanswered())
        .collect();
    let (_, expected) = TABLE.split_once('\n').unwrap();
    for (seen, expected) in seen.iter().zip(expected.lines()) {
        assert_eq!(seen, expected);
    }
    assert_eq!(seen.join("\n"), expected.trim_end(), "rows are missing");
}

#[test]
fn the_words_of_upstream_on_asking_again_are_kept() {
    let told = |name| {
        let sample = wire::ERRORS.iter().find(|(known, ..)| *known == name);
        let (_, text, body) = sample.unwrap();
        let (status, headers) = head(text);
        let body = Bytes::from_static(body.as_bytes());
        let failure = Failure::from_answer(status, &headers, &body, now());
        failure.unwrap().should_retry
    };
    assert_eq!(told("529-told"), Some(true));
    assert_eq!(told("529"), None);
}
