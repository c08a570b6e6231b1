use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::RETRY_AFTER;

use crate::Timestamp;

/// What the headers of an answer say about asking again.
///
/// Sources: `retry-after` and `anthropic-ratelimit-*-reset` of the rate limits page;
/// `retry-after-ms` and `x-should-retry` as the official SDKs read them: the milliseconds win,
/// and the flag must be exactly `true` or `false`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hints {
    /// How long to wait before asking again.
    ///
    /// Zero, negative, past and unreadable values count as absent.
    pub retry_after: Option<Duration>,
    /// Whether asking again makes sense at all, in upstream's own words.
    pub should_retry: Option<bool>,
    /// How long until the last of the spent rate limits is full again.
    pub reset_after: Option<Duration>,
}

/// The longest wait that is believed: a header that lies does not close a target for years.
const LONGEST: Duration = Duration::from_secs(32 * 24 * 3600);

/// Requests, tokens, input and output tokens: the meters of the `anthropic-ratelimit-` headers.
const LIMITS: [(&str, &str); 4] = [
    (
        "anthropic-ratelimit-requests-remaining",
        "anthropic-ratelimit-requests-reset",
    ),
    (
        "anthropic-ratelimit-tokens-remaining",
        "anthropic-ratelimit-tokens-reset",
    ),
    (
        "anthropic-ratelimit-input-tokens-remaining",
        "anthropic-ratelimit-input-tokens-reset",
    ),
    (
        "anthropic-ratelimit-output-tokens-remaining",
        "anthropic-ratelimit-output-tokens-reset",
    ),
];

// === impl Hints ===

impl Hints {
    /// Reads the hints in `headers`, taking dates relative to `now`.
    #[must_use]
    pub fn read(headers: &HeaderMap, now: SystemTime) -> Self {
        Self {
            retry_after: retry_after(headers, now),
            should_retry: match header(headers, "x-should-retry") {
                Some("true") => Some(true),
                Some("false") => Some(false),
                _ => None,
            },
            reset_after: reset_after(headers, Timestamp::from(now)),
        }
    }

    /// The wait upstream asks for: `retry-after`, else the reset of what is spent.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        self.retry_after.or(self.reset_after)
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let millis = header(headers, "retry-after-ms").and_then(|text| seconds(text, 1e-3));
    if millis.is_some() {
        return millis;
    }
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    seconds(text, 1.0).or_else(|| {
        let date = httpdate::parse_http_date(text).ok()?;
        let wait = date.duration_since(now).ok()?;
        (!wait.is_zero()).then(|| wait.min(LONGEST))
    })
}

fn seconds(text: &str, unit: f64) -> Option<Duration> {
    let seconds = text.parse::<f64>().ok().filter(|s| s.is_finite())? * unit;
    if seconds <= 0.0 {
        return None;
    }
    Some(Duration::try_from_secs_f64(seconds).map_or(LONGEST, |wait| wait.min(LONGEST)))
}

fn reset_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    LIMITS
        .iter()
        .filter(|(remaining, _)| header(headers, remaining) == Some("0"))
        .filter_map(|(_, reset)| Timestamp::parse(header(headers, reset)?))
        .map(|reset| reset.saturating_since(now).min(LONGEST))
        .filter(|wait| !wait.is_zero())
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn hints(headers: &[(&'static str, &'static str)]) -> Hints {
        let map = headers
            .iter()
            .map(|(name, value)| {
                (
                    http::HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_169_701);
        Hints::read(&map, now)
    }

    #[test]
    fn reads_seconds_fractions_and_dates() {
        let wait = |value| hints(&[("retry-after", value)]).retry_after;
        assert_eq!(wait("23"), Some(Duration::from_secs(23)));
        assert_eq!(wait(" 0.5 "), Some(Duration::from_millis(500)));
        assert_eq!(
            wait("Fri, 20 Nov 2026 10:15:11 GMT"),
            Some(Duration::from_secs(10))
        );
    }

    #[test]
    fn milliseconds_win_over_seconds() {
        let hints = hints(&[("retry-after-ms", "250.5"), ("retry-after", "9")]);
        assert_eq!(hints.retry_after, Some(Duration::from_micros(250_500)));
    }

    #[test]
    fn values_that_lie_are_absent_or_capped() {
        let wait = |value| hints(&[("retry-after", value)]).retry_after;
        for lie in [
            "0",
            "-1",
            "NaN",
            "inf",
            "soon",
            "",
            "Fri, 20 Nov 2020 10:15:11 GMT",
        ] {
            assert_eq!(wait(lie), None, "{lie}");
        }
        for far in ["1e300", "99999999999", "Fri, 20 Nov 2099 10:15:11 GMT"] {
            assert_eq!(wait(far), Some(LONGEST), "{far}");
        }
    }

    #[test]
    fn should_retry_is_exactly_true_or_false() {
        let flag = |value| hints(&[("x-should-retry", value)]).should_retry;
        assert_eq!(flag("true"), Some(true));
        assert_eq!(flag("false"), Some(false));
        assert_eq!(flag("False"), None);
    }

    #[test]
    fn waits_for_the_last_reset_of_what_is_spent() {
        let hints = hints(&[
            ("anthropic-ratelimit-requests-remaining", "988"),
            ("anthropic-ratelimit-requests-reset", "2026-11-20T10:16:01Z"),
            ("anthropic-ratelimit-input-tokens-remaining", "0"),
            (
                "anthropic-ratelimit-input-tokens-reset",
                "2026-11-20T10:15:23Z",
            ),
        ]);
        assert_eq!(hints.reset_after, Some(Duration::from_secs(22)));
        assert_eq!(hints.wait(), hints.reset_after);
    }
}
