use std::time::SystemTime;

use http::HeaderMap;

use crate::meter_headers::MeterHeaders;
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

/// Tokens are rounded to the nearest so many.
const ROUNDED_TO: u64 = 1_000;

// === impl RateLimits ===

impl RateLimits {
    /// Reads the limits in the headers of an answer that came at `now`.
    ///
    /// Goes over the headers once and allocates nothing.
    #[must_use]
    pub fn read(headers: &HeaderMap, now: SystemTime) -> Self {
        let Some(meters) = MeterHeaders::find(headers) else {
            return Self::default();
        };
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

    /// Whether the headers say anything of limits.
    #[must_use]
    pub fn are_in(headers: &HeaderMap) -> bool {
        MeterHeaders::are_in(headers)
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
