//! Heads and bodies that lie: nothing in them panics, waits for ever or goes uncounted.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use proptest::prelude::*;
use tower_claude_core::{Failure, FailureKind, Hints};
use tower_claude_testkit::wire;

/// The moment at which all answers come: 2026-11-20T10:15:01Z.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_169_701)
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
