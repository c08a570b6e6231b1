use std::time::{Duration, SystemTime};

use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue};

use crate::Timestamp;
use crate::meter_headers::MeterHeaders;

/// What the headers of an answer say about asking again.
///
/// Sources: `retry-after` and `anthropic-ratelimit-*-reset` of the rate limits page;
/// `retry-after-ms` and `x-should-retry` as the official SDKs read them: the milliseconds win,
/// and the flag must be exactly `true` or `false`.
///
/// # Headers that lie
///
/// A wait that is no number and no date, a negative one, a date more than a few seconds past,
/// one beyond [`Hints::LONGEST_WAIT`] (it is cut to that), an `x-should-retry` of other words,
/// and a reset of a spent limit that [`RateLimits`](crate::RateLimits) would not believe: each
/// is counted in [`distrusted`](Self::distrusted). Absent headers and zeros are no lies, and
/// neither is a wait that is not read because a better one was.
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
    /// How many values were not believed.
    pub distrusted: u8,
}

/// What a header says of a wait.
enum Said {
    /// So long.
    Wait(Duration),
    /// None: zero, or a date that has just passed.
    Now,
    /// What cannot be read, or is negative or long past.
    Nonsense,
}

/// A date that passed while the answer travelled is no lie.
const TRAVEL: Duration = Duration::from_secs(5);

// === impl Hints ===

impl Hints {
    /// The longest wait that is believed: a header that lies does not close a target for years.
    pub const LONGEST_WAIT: Duration = Duration::from_secs(32 * 24 * 3600);

    /// Reads the hints in `headers`, taking dates relative to `now`.
    #[must_use]
    pub fn read(headers: &HeaderMap, now: SystemTime) -> Self {
        let mut hints = Self::default();
        // NOTE: the order is that of the official libraries: milliseconds win.
        hints.retry_after = hints
            .wait_in(headers.get("retry-after-ms"), |text| seconds(text, 1e-3))
            .or_else(|| {
                hints.wait_in(headers.get(RETRY_AFTER), |text| match seconds(text, 1.0) {
                    Said::Nonsense => until(text, now),
                    said => said,
                })
            });
        hints.should_retry = match headers.get("x-should-retry").map(HeaderValue::as_bytes) {
            Some(b"true") => Some(true),
            Some(b"false") => Some(false),
            None => None,
            Some(_) => {
                hints.distrust();
                None
            }
        };
        let meters = MeterHeaders::find(headers).unwrap_or_default();
        hints.reset_after = meters
            .iter()
            .filter(|meter| meter.is_spent())
            .filter_map(|meter| meter.reset_after(Timestamp::from(now), &mut hints.distrusted))
            .filter(|wait| !wait.is_zero())
            .max();
        hints
    }

    /// The wait upstream asks for: `retry-after`, else the reset of what is spent.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        self.retry_after.or(self.reset_after)
    }

    /// What a header says, within bounds; counts it if it lies.
    fn wait_in(
        &mut self,
        value: Option<&HeaderValue>,
        read: impl FnOnce(&str) -> Said,
    ) -> Option<Duration> {
        match value?
            .to_str()
            .map_or(Said::Nonsense, |text| read(text.trim()))
        {
            Said::Wait(wait) => {
                if wait > Self::LONGEST_WAIT {
                    self.distrust();
                }
                Some(wait.min(Self::LONGEST_WAIT))
            }
            Said::Now => None,
            Said::Nonsense => {
                self.distrust();
                None
            }
        }
    }

    const fn distrust(&mut self) {
        self.distrusted = self.distrusted.saturating_add(1);
    }
}

fn seconds(text: &str, unit: f64) -> Said {
    match text.parse::<f64>() {
        Ok(0.0) => Said::Now,
        Ok(number) if number.is_finite() && number > 0.0 => {
            match Duration::try_from_secs_f64(number * unit) {
                Ok(Duration::ZERO) => Said::Now,
                Ok(wait) => Said::Wait(wait),
                Err(_) => Said::Wait(Duration::MAX),
            }
        }
        _ => Said::Nonsense,
    }
}

fn until(date: &str, now: SystemTime) -> Said {
    let Ok(date) = httpdate::parse_http_date(date) else {
        return Said::Nonsense;
    };
    match date.duration_since(now) {
        Ok(Duration::ZERO) => Said::Now,
        Ok(wait) => Said::Wait(wait),
        Err(past) if past.duration() <= TRAVEL => Said::Now,
        Err(_) => Said::Nonsense,
    }
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
        let lies = |value| hints(&[("retry-after", value)]).distrusted;
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
            assert_eq!(lies(lie), u8::from(lie != "0"), "{lie}");
        }
        for far in ["1e300", "99999999999", "Fri, 20 Nov 2099 10:15:11 GMT"] {
            assert_eq!(wait(far), Some(Hints::LONGEST_WAIT), "{far}");
            assert_eq!(lies(far), 1, "{far}");
        }
    }

    #[test]
    fn should_retry_is_exactly_true_or_false() {
        let flag = |value| hints(&[("x-should-retry", value)]).should_retry;
        assert_eq!(flag("true"), Some(true));
        assert_eq!(flag("false"), Some(false));
        assert_eq!(flag("False"), None);
        let lies = |value| hints(&[("x-should-retry", value)]).distrusted;
        assert_eq!((lies("true"), lies("False"), lies("")), (0, 1, 1));
    }

    #[test]
    fn what_is_absent_zero_or_just_past_is_no_lie() {
        assert_eq!(hints(&[]), Hints::default());
        for value in ["0", "0.0", "-0", "Fri, 20 Nov 2026 10:14:56 GMT"] {
            assert_eq!(
                hints(&[("retry-after", value)]),
                Hints::default(),
                "{value}"
            );
        }
        let late = hints(&[("retry-after", "Fri, 20 Nov 2026 10:14:55 GMT")]);
        assert_eq!((late.retry_after, late.distrusted), (None, 1));
    }

    #[test]
    fn a_wait_that_lies_leaves_the_next_one_to_speak() {
        let hints = hints(&[("retry-after-ms", "soon"), ("retry-after", "9")]);
        assert_eq!(hints.retry_after, Some(Duration::from_secs(9)));
        assert_eq!(hints.distrusted, 1);
    }

    #[test]
    fn a_reset_that_lies_is_no_wait() {
        for (reset, lies) in [
            ("2026-11-20T10:15:01Z", 0),
            ("2026-11-20T10:14:00Z", 0),
            ("2026-11-20T10:20:02Z", 1),
            ("2026-11-19T10:15:01Z", 1),
            ("soon", 1),
        ] {
            let hints = hints(&[
                ("anthropic-ratelimit-tokens-remaining", "0"),
                ("anthropic-ratelimit-tokens-reset", reset),
            ]);
            assert_eq!((hints.wait(), hints.distrusted), (None, lies), "{reset}");
        }
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
