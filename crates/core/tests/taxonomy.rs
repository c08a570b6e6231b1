//! The taxonomy: what each failure of each platform is taken for, from its real bytes.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use proptest::prelude::*;
use tower_claude_core::{
    BoxError, Call, CallBody, Failure, FailureKind, FramesReader, Hints, Intake, Peek, Prepare,
    Scope, Sent, TransportError,
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
                failure = Some(Failure::from_event(event.data))
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

#[test]
fn a_date_of_a_spent_limit_that_lies_is_counted_and_bounded() {
    let spent = |rest: &str| {
        let body = format!(
            r#"{{"error":{{"type":"invalid_request_error","message":"You have reached your specified API usage limits.{rest}"}}}}"#
        );
        let (status, headers) = (StatusCode::BAD_REQUEST, HeaderMap::new());
        let failure = Failure::from_answer(status, &headers, &Bytes::from(body), now()).unwrap();
        assert_eq!(failure.kind, FailureKind::SpendLimit, "{rest}");
        (failure.wait.unwrap().as_secs(), failure.distrusted)
    };
    let to_the_first = 913_499;
    assert_eq!(spent(""), (to_the_first, 0));
    for (date, expected) in [
        ("2026-11-20 at 10:16 UTC.", (59, 0)),
        ("2026-11-20 at 10:15 UTC.", (1, 1)),
        (
            "9999-12-31 at 00:00 UTC.",
            (Hints::LONGEST_WAIT.as_secs(), 1),
        ),
        ("", (to_the_first, 1)),
        ("soon", (to_the_first, 1)),
        ("2026-13-01 at 00:00", (to_the_first, 1)),
        ("20\u{e9}6-12-01\u{e9}", (to_the_first, 1)),
        ("2026-12-01", (to_the_first, 1)),
    ] {
        let rest = format!(" You will regain access on {date}");
        assert_eq!(spent(&rest), expected, "{date}");
    }
}

/// The headers that are read, and one that is not.
const HEADERS: [&str; 7] = [
    "retry-after",
    "retry-after-ms",
    "x-should-retry",
    "x-amzn-errortype",
    "anthropic-ratelimit-tokens-remaining",
    "anthropic-ratelimit-tokens-reset",
    "content-type",
];

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..40),
        any::<f64>().prop_map(|number| number.to_string().into_bytes()),
        (-100_i32..100).prop_map(|number| number.to_string().into_bytes()),
        (0_u64..200_000_000_000).prop_map(|seconds| {
            let date = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            httpdate::fmt_http_date(date).into_bytes()
        }),
        "20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-9:]{8}Z".prop_map(String::into_bytes),
    ]
}

/// Bodies: those of the samples, cut or with a byte that is another, and anything.
fn body() -> impl Strategy<Value = Vec<u8>> {
    use prop::sample::Index;
    let sample = (any::<Index>(), any::<Index>(), any::<Option<u8>>());
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        sample.prop_map(|(which, at, byte)| {
            let mut body = which.get(wire::ERRORS).2.as_bytes().to_vec();
            let at = at.index(body.len());
            match byte {
                Some(byte) => body[at] = byte,
                None => body.truncate(at),
            }
            body
        }),
    ]
}

proptest! {
    #[test]
    fn nothing_that_is_sent_panics_or_is_believed_for_ever(
        status in 100_u16..1000,
        headers in proptest::collection::vec((0..HEADERS.len(), value()), 0..8),
        body in body(),
    ) {
        let mut map = HeaderMap::new();
        for (at, value) in headers {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                map.append(HEADERS[at], value);
            }
        }
        let hints = Hints::read(&map, now());
        prop_assert!(hints.wait().is_none_or(|wait| wait <= Hints::LONGEST_WAIT));
        prop_assert!(hints.wait() != Some(Duration::ZERO));
        prop_assert!(hints.distrusted <= 4, "one for each header that is read");

        let event = Failure::from_event(&body);
        prop_assert!(event.in_band && event.wait.is_none());

        let status = StatusCode::from_u16(status).unwrap();
        let failure = Failure::from_answer(status, &map, &Bytes::from(body), now());
        prop_assert_eq!(failure.is_none(), status.is_success() || status.is_informational());
        if let Some(failure) = failure {
            prop_assert!(failure.wait.is_none_or(|wait| wait <= Hints::LONGEST_WAIT));
            prop_assert!((0..=1).contains(&(failure.distrusted - hints.distrusted)));
        }
    }
}
