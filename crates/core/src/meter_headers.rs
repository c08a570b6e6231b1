use std::time::Duration;

use http::{HeaderMap, HeaderValue};

use crate::rate_limit::RateLimit;
use crate::timestamp::Timestamp;

/// The `anthropic-ratelimit-` headers of one meter, as they were sent.
#[derive(Clone, Copy, Default)]
pub(crate) struct MeterHeaders<'a> {
    limit: Option<&'a HeaderValue>,
    remaining: Option<&'a HeaderValue>,
    reset: Option<&'a HeaderValue>,
    /// How many of them came again with another value.
    contradictions: u8,
}

const PREFIX: &[u8] = b"anthropic-ratelimit-";

// === impl MeterHeaders ===

impl<'a> MeterHeaders<'a> {
    /// Those of requests, tokens, input and output tokens; `None` if there are none at all.
    pub(crate) fn find(headers: &'a HeaderMap) -> Option<[Self; 4]> {
        let mut meters = [Self::default(); 4];
        let mut is_any = false;
        // Hashing twelve long names costs more than a look at each header there is.
        for (name, value) in headers {
            let Some(name) = name.as_str().as_bytes().strip_prefix(PREFIX) else {
                continue;
            };
            if let Some((at, field)) = meter_of(name) {
                meters[at].take(field, value);
                is_any = true;
            }
        }
        is_any.then_some(meters)
    }

    /// Whether there may be any.
    pub(crate) fn are_in(headers: &HeaderMap) -> bool {
        let mut names = headers.keys();
        names.any(|name| name.as_str().as_bytes().starts_with(PREFIX))
    }

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

    /// What they say, if it can be believed; adds to `distrusted` what cannot be.
    pub(crate) fn read(
        &self,
        now: Timestamp,
        rounding: u64,
        distrusted: &mut u8,
    ) -> Option<RateLimit> {
        let mut lies = self.contradictions;
        let limit = believed(self.limit, number, &mut lies);
        let remaining = believed(self.remaining, number, &mut lies);
        let reset_after = self.reset_after(now, &mut lies);
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

    /// Whether nothing is left.
    pub(crate) fn is_spent(&self) -> bool {
        self.remaining.and_then(number) == Some(0)
    }

    /// How long it is until the meter is full again, if that can be believed.
    pub(crate) fn reset_after(&self, now: Timestamp, distrusted: &mut u8) -> Option<Duration> {
        let read = |value: &HeaderValue| {
            let reset = Timestamp::from_ascii(value.as_bytes().trim_ascii())?;
            let after = reset.saturating_since(now);
            let distance = after.max(now.saturating_since(reset));
            (distance <= RateLimit::LONGEST_RESET).then_some(after)
        };
        believed(self.reset, read, distrusted)
    }
}

/// Which meter a name is about, and what of it it says.
fn meter_of(name: &[u8]) -> Option<(usize, &[u8])> {
    let after = |at, meter| Some((at, name.strip_prefix(meter)?));
    after(0, b"requests-".as_slice())
        .or_else(|| after(1, b"tokens-"))
        .or_else(|| after(2, b"input-tokens-"))
        .or_else(|| after(3, b"output-tokens-"))
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
    let mut number = 0;
    let mut is_number = true;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        is_number &= digit < 10;
        number = u64::wrapping_add(u64::wrapping_mul(number, 10), u64::from(digit));
    }
    is_number.then_some(number)
}
