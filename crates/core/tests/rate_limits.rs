//! What an account has left: read from the head of an answer, and not believed blindly.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use tower_claude_core::{RateLimit, RateLimits, Timestamp};

const PREFIX: &str = "anthropic-ratelimit-";

const LIMIT: &str = "anthropic-ratelimit-requests-limit";
const REMAINING: &str = "anthropic-ratelimit-requests-remaining";
const RESET: &str = "anthropic-ratelimit-requests-reset";

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_169_701)
}

fn read(headers: &[(&'static str, &'static str)]) -> RateLimits {
    let map = headers
        .iter()
        .map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        })
        .collect();
    RateLimits::read(&map, now())
}

fn requests(limit: &'static str, remaining: &'static str, reset: &'static str) -> RateLimits {
    read(&[(LIMIT, limit), (REMAINING, remaining), (RESET, reset)])
}

#[test]
fn reads_each_meter_by_its_own_name() {
    let limits = read(&[
        ("content-type", "application/json"),
        (LIMIT, "1000"),
        (REMAINING, "988"),
        (RESET, "2026-11-20T10:15:01Z"),
        ("anthropic-ratelimit-tokens-limit", "2400000"),
        ("anthropic-ratelimit-tokens-remaining", "391000"),
        ("anthropic-ratelimit-tokens-reset", "2026-11-20T10:15:23Z"),
        ("anthropic-ratelimit-input-tokens-limit", "2000000"),
        ("anthropic-ratelimit-input-tokens-remaining", "0"),
        (
            "anthropic-ratelimit-input-tokens-reset",
            "2026-11-20T10:15:24.500Z",
        ),
        ("anthropic-ratelimit-output-tokens-limit", "400000"),
        ("anthropic-ratelimit-output-tokens-remaining", "391000"),
        (
            "anthropic-ratelimit-output-tokens-reset",
            "2026-11-20T10:15:02Z",
        ),
    ]);
    let expected = [
        ("requests", 1_000, 988, 0),
        ("tokens", 2_400_000, 391_000, 22_000),
        ("input_tokens", 2_000_000, 0, 23_500),
        ("output_tokens", 400_000, 391_000, 1_000),
    ]
    .map(|(name, limit, remaining, millis)| {
        let reset_after = Duration::from_millis(millis);
        (name, RateLimit::new(limit, remaining, reset_after))
    });
    assert_eq!(limits.meters().collect::<Vec<_>>(), expected);
    assert_eq!(limits.requests, Some(expected[0].1));
    assert_eq!(limits.output_tokens, Some(expected[3].1));
    assert_eq!(limits.distrusted, 0);
}

#[test]
fn a_platform_that_sends_none_has_none() {
    let limits = read(&[("x-amzn-requestid", "1"), ("apim-request-id", "2")]);
    assert_eq!(limits, RateLimits::default());
    assert!(limits.is_empty());
}

#[test]
fn other_pools_are_not_taken_for_the_account() {
    let limits = read(&[
        ("anthropic-priority-input-tokens-limit", "5"),
        ("anthropic-fast-input-tokens-limit", "junk"),
        ("anthropic-ratelimit-nonesuch-limit", "junk"),
        ("anthropic-ratelimit-requests-nonesuch", "junk"),
        ("anthropic-ratelimit-", "junk"),
    ]);
    assert_eq!(limits, RateLimits::default());
}

#[test]
fn values_that_cannot_be_read_leave_their_meter_out_and_are_counted() {
    let now = "2026-11-20T10:15:01Z";
    for (limit, remaining, reset, lies) in [
        ("many", "1", now, 1),
        ("", "1", now, 1),
        ("10", "-1", now, 1),
        ("10", "+1", now, 1),
        ("10", "1.5", now, 1),
        ("99999999999999999999", "1", now, 1),
        ("10", "1", "soon", 1),
        ("10", "1", "60", 1),
        ("10", "1", "2026-11-20T10:20:01.001Z", 1),
        ("10", "1", "2026-11-20T10:10:00.999Z", 1),
        ("10", "1", "9999-12-31T23:59:59Z", 1),
        ("10", "1", "0000-01-01T00:00:00Z", 1),
        ("x", "y", "z", 3),
    ] {
        let limits = requests(limit, remaining, reset);
        assert!(limits.is_empty(), "{limit} {remaining} {reset}");
        assert_eq!(limits.distrusted, lies, "{limit} {remaining} {reset}");
    }
}

#[test]
fn zeros_and_half_a_meter_and_a_reset_just_past_are_no_lies() {
    let limits = requests("0", "0", "2026-11-20T10:15:01Z");
    assert_eq!(limits.requests, Some(RateLimit::new(0, 0, Duration::ZERO)));
    let limits = requests("10", "1", "2026-11-20T10:10:01Z");
    assert_eq!(limits.requests.unwrap().reset_after, Duration::ZERO);
    let limits = requests("10", "1", "2026-11-20T10:20:01Z");
    assert_eq!(limits.requests.unwrap().reset_after.as_secs(), 300);
    assert_eq!(limits.distrusted, 0);
    let half = read(&[(LIMIT, "10"), (RESET, "2026-11-20T10:15:01Z")]);
    assert_eq!(half, RateLimits::default());
}

#[test]
fn no_more_is_left_than_the_limit() {
    let limits = requests("10", "11", "2026-11-20T10:15:01Z");
    assert_eq!(limits.requests.unwrap().remaining, 10);
    assert_eq!(limits.distrusted, 1);

    let tokens = |remaining| {
        read(&[
            ("anthropic-ratelimit-tokens-limit", "10500"),
            ("anthropic-ratelimit-tokens-remaining", remaining),
            ("anthropic-ratelimit-tokens-reset", "2026-11-20T10:15:01Z"),
        ])
    };
    assert_eq!(tokens("11000").tokens.unwrap().remaining, 10_500);
    assert_eq!(tokens("11000").distrusted, 0, "rounded to thousands");
    assert_eq!(tokens("12000").tokens.unwrap().remaining, 10_500);
    assert_eq!(tokens("12000").distrusted, 1);
}

#[test]
fn a_header_that_contradicts_itself_is_not_believed() {
    let mut map = HeaderMap::new();
    for value in ["10", "10", "20"] {
        map.append(LIMIT, HeaderValue::from_static(value));
    }
    map.append(REMAINING, HeaderValue::from_static("1"));
    map.append(RESET, HeaderValue::from_static("2026-11-20T10:15:01Z"));
    let limits = RateLimits::read(&map, now());
    assert!(limits.is_empty());
    assert_eq!(limits.distrusted, 1);
}

/// Whole, nearly right and arbitrary values.
fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..40),
        any::<i128>().prop_map(|number| number.to_string().into_bytes()),
        any::<u16>().prop_map(|number| number.to_string().into_bytes()),
        (-400_i64..400).prop_map(|seconds| {
            let reset = Timestamp::from(now()).unix_millis() + seconds * 1_000;
            Timestamp::from_unix_millis(reset).to_string().into_bytes()
        }),
        "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.+Zz-]{0,20}".prop_map(String::into_bytes),
    ]
}

proptest! {
    #[test]
    fn no_header_panics_and_none_is_believed_beyond_its_bounds(
        values in proptest::collection::vec((0_usize..12, value()), 0..24),
    ) {
        let mut map = HeaderMap::new();
        for (at, value) in values {
            let meter = ["requests", "tokens", "input-tokens", "output-tokens"][at / 3];
            let name = format!("{PREFIX}{meter}-{}", ["limit", "remaining", "reset"][at % 3]);
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                map.append(HeaderName::try_from(name).unwrap(), value);
            }
        }
        let limits = RateLimits::read(&map, now());
        for (_, limit) in limits.meters() {
            prop_assert!(limit.remaining <= limit.limit);
            prop_assert!(limit.reset_after <= RateLimit::LONGEST_RESET);
            prop_assert!(limit.used_percent() <= 100);
        }
        prop_assert!(usize::from(limits.distrusted) <= map.len() + 4);
    }
}
