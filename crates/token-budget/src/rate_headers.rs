//! The `anthropic-ratelimit-*` headers, which tell tenants of their own limits.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use tower_claude_core::Timestamp;

use crate::{Meter, Plan, Standing, Standings};

/// How the limits stand that callers are told of: of each meter, the one that has least left.
#[derive(Clone, Debug)]
pub(crate) struct Headline {
    at: Timestamp,
    shown: [Option<Shown>; METERS.len()],
}

#[derive(Clone, Copy, Debug)]
struct Shown {
    /// Which limit of the plan.
    limit: usize,
    standing: Standing,
}

/// The reset that was printed last: a date is long to print, and is the same for all calls of
/// a second whose limits have the same period.
#[derive(Debug, Default)]
pub(crate) struct Resets(Mutex<Option<(Timestamp, HeaderValue)>>);

const METERS: [Meter; 4] = [
    Meter::Requests,
    Meter::InputTokens,
    Meter::OutputTokens,
    Meter::Tokens,
];

/// Limit, remaining and reset of each of [`METERS`].
static NAMES: [[HeaderName; 3]; METERS.len()] = [
    [
        HeaderName::from_static("anthropic-ratelimit-requests-limit"),
        HeaderName::from_static("anthropic-ratelimit-requests-remaining"),
        HeaderName::from_static("anthropic-ratelimit-requests-reset"),
    ],
    [
        HeaderName::from_static("anthropic-ratelimit-input-tokens-limit"),
        HeaderName::from_static("anthropic-ratelimit-input-tokens-remaining"),
        HeaderName::from_static("anthropic-ratelimit-input-tokens-reset"),
    ],
    [
        HeaderName::from_static("anthropic-ratelimit-output-tokens-limit"),
        HeaderName::from_static("anthropic-ratelimit-output-tokens-remaining"),
        HeaderName::from_static("anthropic-ratelimit-output-tokens-reset"),
    ],
    [
        HeaderName::from_static("anthropic-ratelimit-tokens-limit"),
        HeaderName::from_static("anthropic-ratelimit-tokens-remaining"),
        HeaderName::from_static("anthropic-ratelimit-tokens-reset"),
    ],
];

/// Room for four numbers.
const ROOM: usize = 80;

// === impl Headline ===

impl Headline {
    pub(crate) fn new(plan: &Plan, standings: &Standings) -> Self {
        let mut shown = [None; METERS.len()];
        for (limit, (kind, standing)) in plan.limits().iter().zip(standings.as_slice()).enumerate()
        {
            let Some(meter) = METERS.iter().position(|meter| *meter == kind.meter) else {
                continue;
            };
            let slot: &mut Option<Shown> = &mut shown[meter];
            if slot.is_none_or(|least| standing.remaining() < least.standing.remaining()) {
                *slot = Some(Shown {
                    limit,
                    standing: *standing,
                });
            }
        }
        Self {
            at: Timestamp::now(),
            shown,
        }
    }

    /// Replaces what upstream says of the account by what is true of the tenant.
    pub(crate) fn write(&self, plan: &Plan, resets: &Resets, headers: &mut HeaderMap) {
        // All numbers are cut out of one buffer.
        let mut buffer = BytesMut::with_capacity(ROOM);
        for (names, shown) in NAMES.iter().zip(&self.shown) {
            let [limit, remaining, reset] = names;
            let value = shown.and_then(|shown| Some((shown, plan.limit_header(shown.limit)?)));
            let Some((shown, amount)) = value else {
                for name in names {
                    headers.remove(name);
                }
                continue;
            };
            headers.insert(limit, amount.clone());
            headers.insert(remaining, number(&mut buffer, shown.standing.remaining()));
            let at = whole_second(self.at, shown.standing.resets_in());
            headers.insert(reset, resets.header(at));
        }
    }
}

// === impl Resets ===

impl Resets {
    fn header(&self, at: Timestamp) -> HeaderValue {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((printed, value)) = &*last
            && *printed == at
        {
            return value.clone();
        }
        let value = HeaderValue::from_maybe_shared(Bytes::from(at.to_string()));
        let value = value.unwrap_or(HeaderValue::from_static(""));
        *last = Some((at, value.clone()));
        value
    }
}

/// Takes away what upstream says of limits: those of the account are not the tenant's affair.
pub(crate) fn strip(headers: &mut HeaderMap) {
    for name in NAMES.iter().flatten() {
        headers.remove(name);
    }
}

/// The moment so long after another, rounded up to a second.
pub(crate) fn whole_second(at: Timestamp, after: Duration) -> Timestamp {
    let millis = i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
    let at = at.unix_millis().saturating_add(millis);
    let up = (1000 - at.rem_euclid(1000)) % 1000;
    Timestamp::from_unix_millis(at.saturating_add(up))
}

/// A number as a header value, cut out of the buffer.
fn number(buffer: &mut BytesMut, number: u64) -> HeaderValue {
    let mut digits = [b'0'; 20];
    let (mut rest, mut first) = (number, digits.len());
    loop {
        first -= 1;
        // Less than ten: nothing is lost.
        digits[first] += u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    buffer.extend_from_slice(&digits[first..]);
    let value = HeaderValue::from_maybe_shared(buffer.split().freeze());
    value.unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_print_in_full() {
        let mut buffer = BytesMut::new();
        for value in [0, 7, 10, 200_000, u64::MAX] {
            assert_eq!(number(&mut buffer, value), value.to_string());
        }
    }

    #[test]
    fn moments_are_rounded_up_to_the_second() {
        let at = Timestamp::from_unix_millis(1_000);
        let after = |millis| whole_second(at, Duration::from_millis(millis)).unix_millis();
        assert_eq!((after(0), after(1), after(999)), (1_000, 2_000, 2_000));
        assert!(after(u64::MAX) > 250_000_000_000_000, "however far");
    }

    #[test]
    fn a_moment_is_printed_once() {
        let resets = Resets::default();
        let at = Timestamp::from_unix_millis(0);
        for _ in 0..2 {
            assert_eq!(resets.header(at), "1970-01-01T00:00:00Z");
        }
        let later = Timestamp::from_unix_millis(1_000);
        assert_eq!(resets.header(later), "1970-01-01T00:00:01Z");
    }
}
