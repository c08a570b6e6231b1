use std::borrow::Cow;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use http_body::Body as _;
use serde::Deserialize;
use serde_json::value::RawValue;
use tower_claude_core::{CallBody, Metered, UsageCell, tap};

/// A line of results.
#[derive(Debug)]
pub(crate) enum Line<'a> {
    /// A request that was answered, which costs something.
    Succeeded {
        custom_id: Cow<'a, str>,
        /// The message as it stands.
        message: Bytes,
    },
    /// A request that was not: nothing is billed for it.
    Unbilled,
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    custom_id: Cow<'a, str>,
    #[serde(borrow)]
    result: Outcome<'a>,
}

#[derive(Deserialize)]
struct Outcome<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    /// Not parsed here: the message of a line is read like any other.
    #[serde(borrow)]
    message: Option<&'a RawValue>,
}

/// The longest custom id, in bytes: records are kept in queues. Upstream takes 64.
const LONGEST_ID: usize = 256;

// === impl Line ===

impl<'a> Line<'a> {
    /// Reads a line strictly; `None` if it is not one as we know them.
    ///
    /// What it does not look at is skipped without recursion, however deep it is.
    pub(crate) fn read(line: &'a Bytes) -> Option<Self> {
        let Fields { custom_id, result } = serde_json::from_slice(line).ok()?;
        match &*result.kind {
            "succeeded" => {
                let message = result.message?.get();
                let has_id = (1..=LONGEST_ID).contains(&custom_id.len());
                (has_id && message.starts_with('{')).then(|| Self::Succeeded {
                    custom_id,
                    message: line.slice_ref(message.as_bytes()),
                })
            }
            "errored" | "canceled" | "expired" => Some(Self::Unbilled),
            // It may cost something.
            _ => None,
        }
    }
}

/// What a message says of itself, read as if it were an answer of its own.
pub(crate) fn meter(message: Bytes) -> Metered {
    let mut response = Response::new(CallBody::from(message));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    let response = tap(response);
    let cell = UsageCell::of(&response).cloned().unwrap_or_default();
    let mut body = pin!(response.into_body());
    // It is all there: nothing waits.
    let mut cx = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(Ok(_))) = body.as_mut().poll_frame(&mut cx) {}
    cell.read(Metered::clone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Option<(String, String)> {
        let line = Bytes::copy_from_slice(line.as_bytes());
        Line::read(&line).map(|line| match line {
            Line::Succeeded { custom_id, message } => (
                custom_id.into_owned(),
                String::from_utf8(message.to_vec()).unwrap(),
            ),
            Line::Unbilled => <_>::default(),
        })
    }

    #[test]
    fn what_succeeded_is_told_with_its_message_as_it_stands() {
        let line = r#" {"x":[{}],"result":{"message": {"a" : [1]} ,"type":"succeeded"},"custom_id":"r\u0031"} "#;
        let expected = Some(("r1".to_owned(), r#"{"a" : [1]}"#.to_owned()));
        assert_eq!(read(line), expected);
    }

    #[test]
    fn what_costs_nothing_and_what_nobody_knows_are_told_apart() {
        let line = |result: &str| read(&format!(r#"{{"custom_id":"r","result":{result}}}"#));
        for result in [
            r#"{"type":"errored","error":{}}"#,
            r#"{"type":"canceled"}"#,
            r#"{"type":"expired"}"#,
        ] {
            assert_eq!(line(result), Some(<_>::default()), "{result}");
        }
        for result in [
            r#"{"type":"partly_succeeded","message":{}}"#,
            r#"{"type":"succeeded"}"#,
            r#"{"type":"succeeded","message":null}"#,
            r#"{"type":"succeeded","message":[]}"#,
            r#"{"type":"succeeded","type":"expired"}"#,
            r#"{"type":3}"#,
            r#"{}"#,
            "null",
        ] {
            assert_eq!(line(result), None, "{result}");
        }
    }

    #[test]
    fn an_id_has_to_be_a_text_of_some_length_and_not_more() {
        let line = |id: &str| {
            read(&format!(
                r#"{{"custom_id":{id},"result":{{"type":"succeeded","message":{{}}}}}}"#
            ))
        };
        assert!(line(&format!("{:?}", "x".repeat(256))).is_some());
        for id in [
            r#""""#,
            "3",
            "null",
            r#""\ud800""#,
            &format!("{:?}", "x".repeat(257)),
        ] {
            assert_eq!(line(id), None, "{id}");
        }
    }

    #[test]
    fn depth_does_no_harm() {
        let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
        let line = |beside: &str, inside: &str| {
            read(&format!(
                r#"{{"custom_id":"r","beside":{beside},"result":{{"type":"succeeded","message":{{"content":{inside}}}}}}}"#
            ))
        };
        assert!(line(&deep, "1").is_some());
        assert!(line("1", &deep).is_some());
        assert!(line(&deep[1..], "1").is_none());
        assert!(read(&deep).is_none());
    }
}
