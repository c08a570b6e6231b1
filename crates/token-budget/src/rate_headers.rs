//! The `anthropic-ratelimit-*` headers, which tell tenants of their own limits.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::BytesMut;
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

/// Room for four numbers and a date, in most cases.
const ROOM: usize = 96;

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
    pub(crate) fn write(&self, plan: &Plan, headers: &mut HeaderMap) {
        // All values are cut out of one buffer.
        let mut buffer = BytesMut::with_capacity(ROOM);
        let mut last_reset: Option<(Timestamp, HeaderValue)> = None;
        for (names, shown) in NAMES.iter().zip(&self.shown) {
            let [limit, remaining, reset] = names;
            let value = shown.and_then(|shown| Some((shown, plan.limit_header(shown.limit)?)));
            let Some((shown, amount)) = value else {
                continue;
            };
            headers.insert(limit, amount.clone());
            let left = shown.standing.remaining();
            if let Some(value) = printed(&mut buffer, format_args!("{left}")) {
                headers.insert(remaining, value);
            }
            // Limits of one period mostly reset together, and a date is long to print.
            let at = whole_second(self.at, shown.standing.resets_in());
            let value = match &last_reset {
                Some((last, value)) if *last == at => Some(value.clone()),
                _ => printed(&mut buffer, format_args!("{at}")),
            };
            if let Some(value) = value {
                headers.insert(reset, value.clone());
                last_reset = Some((at, value));
            }
        }
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
    let over = at.rem_euclid(1000);
    let up = if over == 0 { 0 } else { 1000 - over };
    Timestamp::from_unix_millis(at.saturating_add(up))
}

fn printed(buffer: &mut BytesMut, value: std::fmt::Arguments<'_>) -> Option<HeaderValue> {
    buffer.write_fmt(value).ok()?;
    HeaderValue::from_maybe_shared(buffer.split().freeze()).ok()
}
