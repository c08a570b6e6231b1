use std::time::SystemTime;

use http::{HeaderMap, HeaderValue};

use crate::rate_limit::RateLimit;
use crate::timestamp::Timestamp;

/// What an account has left of its limits, as the head of an answer says.
///
/// Anthropic sends these headers with successes and with 429s; Bedrock, Vertex and Foundry send
/// none, and all meters are then absent. Source: the rate limits page.
///
/// # Headers that lie
///
/// A value that is no number, a reset that is no moment, or one more than
/// [`RateLimit::LONGEST_RESET`] before or after now, and a header sent twice with different
/// values: each is counted in [`distrusted`](Self::distrusted), and its meter is absent. So is
/// more left than the limit (for tokens, beyond what rounding to thousands explains), where
/// what is left is clamped. No lies are zeros, a meter that is not sent or only in part (it is
/// absent), and a reset that passed a moment ago: it is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimits {
    /// Requests.
    pub requests: Option<RateLimit>,
    /// The tokens of whichever limit binds most now.
    pub tokens: Option<RateLimit>,
    /// Input tokens: not those read from the cache, but those written to it.
    pub input_tokens: Option<RateLimit>,
    /// Output tokens.
    pub output_tokens: Option<RateLimit>,
    /// How many values were not believed.
    pub distrusted: u8,
}

/// The headers of one meter.
#[derive(Clone, Copy, Default)]
struct Meter<'a> {
    limit: Option<&'a HeaderValue>,
    remaining: Option<&'a HeaderValue>,
    reset: Option<&'a HeaderValue>,
    /// How many of them came again with another value.
    contradictions: u8,
}

const PREFIX: &[u8] = b"anthropic-ratelimit-";

/// Tokens are rounded to the nearest so many.
const ROUNDED_TO: u64 = 1_000;

// === impl RateLimits ===

impl RateLimits {
    /// Reads the limits in the headers of an answer that came at `now`.
    ///
    /// Goes over the headers once and allocates nothing.
    #[must_use]
    pub fn read(headers: &HeaderMap, now: SystemTime) -> Self {
        let mut meters = [Meter::default(); 4];
        let mut is_any = false;
        // Hashing twelve long names costs more than a look at each header there is.
        for (name, value) in headers {
            let Some(name) = name.as_str().as_bytes().strip_prefix(PREFIX) else {
                continue;
            };
            let (at, meter): (usize, &[u8]) = match name.first() {
                Some(b'r') => (0, b"requests-"),
                Some(b't') => (1, b"tokens-"),
                Some(b'i') => (2, b"input-tokens-"),
                Some(b'o') => (3, b"output-tokens-"),
                _ => continue,
            };
            if let Some(field) = name.strip_prefix(meter) {
                meters[at].take(field, value);
                is_any = true;
            }
        }
        if !is_any {
            return Self::default();
        }
        let now = Timestamp::from(now);
        let mut distrusted = 0;
        let [requests, tokens, input_tokens, output_tokens] = meters;
        Self {
            requests: requests.read(now, 0, &mut distrusted),
            tokens: tokens.read(now, ROUNDED_TO / 2, &mut distrusted),
            input_tokens: input_tokens.read(now, ROUNDED_TO / 2, &mut distrusted),
            output_tokens: output_tokens.read(now, ROUNDED_TO / 2, &mut distrusted),
            distrusted,
        }
    }

    /// Whether no meter was sent that could be believed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.requests.is_none()
            && self.tokens.is_none()
            && self.input_tokens.is_none()
            && self.output_tokens.is_none()
    }

    /// The meters that were sent, by the names they have in metrics and records.
    pub fn meters(&self) -> impl Iterator<Item = (&'static str, RateLimit)> + use<> {
        [
            ("requests", self.requests),
            ("tokens", self.tokens),
            ("input_tokens", self.input_tokens),
            ("output_tokens", self.output_tokens),
        ]
        .into_iter()
        .filter_map(|(name, limit)| Some((name, limit?)))
    }
}

// === impl Meter ===

impl<'a> Meter<'a> {
    fn take(&mut self, field: &[u8], value: &'a HeaderValue) {
        let field = match field {
            b"limit" => &mut self.limit,
            b"remaining" => &mut self.remaining,
            b"reset" => &mut self.reset,
            _ => return,
        };
        if field.is_some_and(|before| before != value) {
            self.contradictions = self.contradictions.saturating_add(1);
        }
        *field = Some(value);
    }

    /// What the headers say, if they can be believed; adds to `distrusted` what cannot be.
    fn read(&self, now: Timestamp, rounding: u64, distrusted: &mut u8) -> Option<RateLimit> {
        let mut lies = self.contradictions;
        let limit = believed(self.limit, number, &mut lies);
        let remaining = believed(self.remaining, number, &mut lies);
        let reset = |value: &HeaderValue| {
            let reset = Timestamp::from_ascii(value.as_bytes().trim_ascii())?;
            let after = reset.saturating_since(now);
            let distance = after.max(now.saturating_since(reset));
            (distance <= RateLimit::LONGEST_RESET).then_some(after)
        };
        let reset_after = believed(self.reset, reset, &mut lies);
        *distrusted = distrusted.saturating_add(lies);
        if lies > 0 {
            return None;
        }
        let (limit, remaining) = (limit?, remaining?);
        let reset_after = reset_after?;
        if remaining > limit.saturating_add(rounding) {
            *distrusted = distrusted.saturating_add(1);
        }
        Some(RateLimit::new(limit, remaining, reset_after))
    }
}

/// What a header says, if it is there and can be read; one that cannot be is a lie.
fn believed<T>(
    value: Option<&HeaderValue>,
    read: impl FnOnce(&HeaderValue) -> Option<T>,
    lies: &mut u8,
) -> Option<T> {
    let read = read(value?);
    if read.is_none() {
        *lies = lies.saturating_add(1);
    }
    read
}

/// A number of up to 19 digits, which always fits.
fn number(value: &HeaderValue) -> Option<u64> {
    let digits = value.as_bytes().trim_ascii();
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| digit - b'0')?;
        Some(number * 10 + u64::from(digit))
    })
}
