//! The `anthropic-ratelimit-*` headers, which tell tenants of their own limits.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use tower_claude_core::Timestamp;

use crate::{LimitMode, Meter, Per, Plan, Standing, Standings};

/// How the limits stand that callers are told of: of each meter, the one that has least left.
#[derive(Clone, Debug)]
pub(crate) struct Headline {
    at: Timestamp,
    shown: [Option<Shown>; METERS.len()],
    /// One bit for each limit of the plan that merely warns and is exceeded.
    warned: u16,
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

/// Names the limits that only warn and are exceeded.
const WARNING: HeaderName = HeaderName::from_static("x-claude-budget-warning");

/// How the names of all of them begin.
const FAMILY: &str = "anthropic-ratelimit-";

/// Room for four numbers.
const ROOM: usize = 80;

/// Three of each meter, and four of others.
const MOST_HEADERS: usize = 3 * METERS.len() + 4;

// === impl Headline ===

impl Headline {
    pub(crate) fn new(plan: &Plan, standings: &Standings) -> Self {
        let mut shown = [None; METERS.len()];
        let mut warned = 0;
        for (limit, (kind, standing)) in plan.limits().iter().zip(standings.as_slice()).enumerate()
        {
            if kind.mode == LimitMode::Warn {
                if standing.is_exceeded() {
                    warned |= 1 << limit;
                }
                continue;
            }
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
            warned,
        }
    }

    /// Names the limits that would refuse the call if they did more than warn; says whether
    /// there are any.
    pub(crate) fn warn(&self, plan: &Plan, headers: &mut HeaderMap) -> bool {
        if self.warned == 0 {
            return false;
        }
        let limits = plan.limits().iter().enumerate();
        let names: Vec<String> = limits
            .filter(|(index, _)| self.warned & (1 << index) != 0)
            .map(|(_, limit)| limit.name())
            .collect();
        if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(names.join(", "))) {
            headers.insert(WARNING, value);
        }
        true
    }

    /// Replaces what upstream says of the account by what is true of the tenant.
    pub(crate) fn write(&self, plan: &Plan, resets: &Resets, headers: &mut HeaderMap) {
        strip(headers);
        // One growth for all of them, and for the few that a host adds. Should there be no
        // room, the first to be inserted says so.
        let _ = headers.try_reserve(MOST_HEADERS);
        // All numbers are cut out of one buffer.
        let mut buffer = BytesMut::with_capacity(ROOM);
        let mut resets = resets.lock();
        for (names, shown) in NAMES.iter().zip(&self.shown) {
            let value = shown.and_then(|shown| Some((shown, plan.limit_header(shown.limit)?)));
            let Some((shown, amount)) = value else {
                continue;
            };
            let [limit, remaining, reset] = names;
            headers.insert(limit, amount.clone());
            headers.insert(remaining, number(&mut buffer, shown.standing.remaining()));
            let per = plan.limits().get(shown.limit).and_then(|limit| limit.per);
            let at = resets_at(per, self.at, shown.standing.resets_in());
            headers.insert(reset, printed(&mut resets, at));
        }
    }
}

// === impl Resets ===

impl Resets {
    fn lock(&self) -> MutexGuard<'_, Option<(Timestamp, HeaderValue)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The moment as a header value, printed if it is not the last that was.
fn printed(last: &mut Option<(Timestamp, HeaderValue)>, at: Timestamp) -> HeaderValue {
    if let Some((printed, value)) = last
        && *printed == at
    {
        return value.clone();
    }
    let value = HeaderValue::from_maybe_shared(Bytes::from(at.to_string()));
    let value = value.unwrap_or(HeaderValue::from_static(""));
    *last = Some((at, value.clone()));
    value
}

/// Takes away what upstream says of limits: those of the account are not the tenant's affair.
pub(crate) fn strip(headers: &mut HeaderMap) {
    // To look at the names is quicker than to look for twelve that are mostly not there.
    let mut names = headers.keys();
    if names.any(|name| name.as_str().starts_with(FAMILY)) {
        for name in NAMES.iter().flatten() {
            headers.remove(name);
        }
    }
}

/// When a limit resets that does so after so long.
///
/// Where it is of the calendar, that is midnight; the store's clock and ours are never quite the
/// same, and a moment after midnight would be shown as a second after it.
pub(crate) fn resets_at(per: Option<Per>, at: Timestamp, after: Duration) -> Timestamp {
    const DAY: i64 = 86_400_000;
    const APART: i64 = 60_000;
    let resets = whole_second(at, after);
    let since = resets.unix_millis().saturating_add(DAY / 2).rem_euclid(DAY) - DAY / 2;
    match per {
        Some(Per::Day | Per::Month) if since.abs() <= APART => {
            Timestamp::from_unix_millis(resets.unix_millis() - since)
        }
        _ => resets,
    }
}

/// The moment so long after another, rounded up to a second.
fn whole_second(at: Timestamp, after: Duration) -> Timestamp {
    let seconds = i64::try_from(after.as_secs()).unwrap_or(i64::MAX);
    let millis = seconds.saturating_mul(1000);
    let at = at
        .unix_millis()
        .saturating_add(millis)
        .saturating_add(i64::from(after.subsec_millis()));
    let up = (1000 - at.rem_euclid(1000)) % 1000;
    Timestamp::from_unix_millis(at.saturating_add(up))
}

/// A number as a header value, cut out of the buffer.
fn number(buffer: &mut BytesMut, number: u64) -> HeaderValue {
    let mut digits = [b'0'; 20];
    let (mut rest, mut first) = (number, digits.len());
    // By pairs: a division is dear.
    while rest >= 100 {
        first -= 2;
        digits[first..first + 2].copy_from_slice(pair(rest % 100));
        rest /= 100;
    }
    let last = pair(rest);
    let last = if rest < 10 { &last[1..] } else { &last[..] };
    first -= last.len();
    digits[first..first + last.len()].copy_from_slice(last);
    buffer.extend_from_slice(&digits[first..]);
    let value = HeaderValue::from_maybe_shared(buffer.split().freeze());
    value.unwrap_or(HeaderValue::from_static(""))
}

/// The two digits of a number below a hundred.
fn pair(number: u64) -> &'static [u8; 2] {
    static PAIRS: [[u8; 2]; 100] = {
        let mut pairs = [[b'0'; 2]; 100];
        let (mut tens, mut index) = (b'0', 0);
        while index < 100 {
            let mut ones = b'0';
            while ones <= b'9' {
                pairs[index] = [tens, ones];
                ones += 1;
                index += 1;
            }
            tens += 1;
        }
        pairs
    };
    let index = usize::try_from(number).unwrap_or(0);
    PAIRS.get(index).unwrap_or(&PAIRS[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_print_in_full() {
        let mut buffer = BytesMut::new();
        for value in [0, 7, 10, 99, 100, 101, 999, 200_000, u64::MAX] {
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
    fn a_day_ends_at_midnight_whatever_the_clocks_say() {
        let evening = Timestamp::parse("2026-11-21T23:59:59.500Z").unwrap();
        for millis in [499, 500, 501, 30_000] {
            let resets = resets_at(Some(Per::Day), evening, Duration::from_millis(millis));
            assert_eq!(resets.to_string(), "2026-11-22T00:00:00Z", "{millis}");
        }
        let minute = resets_at(Some(Per::Minute), evening, Duration::from_millis(501));
        assert_eq!(minute.to_string(), "2026-11-22T00:00:01Z");
        let noon = Timestamp::parse("2026-11-21T12:00:00Z").unwrap();
        let now = resets_at(Some(Per::Day), noon, Duration::ZERO);
        assert_eq!(now, noon, "nothing is spent");
    }

    #[test]
    fn a_moment_is_printed_once() {
        let resets = Resets::default();
        let at = Timestamp::from_unix_millis(0);
        for _ in 0..2 {
            assert_eq!(printed(&mut resets.lock(), at), "1970-01-01T00:00:00Z");
        }
        let later = Timestamp::from_unix_millis(1_000);
        assert_eq!(printed(&mut resets.lock(), later), "1970-01-01T00:00:01Z");
    }
}
