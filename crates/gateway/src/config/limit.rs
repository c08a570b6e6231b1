use std::num::NonZeroU64;

use tower_claude::token_budget::{Algorithm, Limit, LimitMode, LimitScope, Meter, Per};

use super::budget::WHEN_STORE_IS_DOWN;
use super::dollars::Dollars;
use super::reader::{TableReader, Value};

const METERS: &[(&str, Meter)] = &[
    ("requests", Meter::Requests),
    ("input_tokens", Meter::InputTokens),
    ("output_tokens", Meter::OutputTokens),
    ("tokens", Meter::Tokens),
    ("usd", Meter::Usd),
    ("concurrency", Meter::Concurrency),
];
const PERS: &[(&str, Per)] = &[
    ("second", Per::Second),
    ("minute", Per::Minute),
    ("hour", Per::Hour),
    ("day", Per::Day),
    ("month", Per::Month),
];
const SCOPES: &[(&str, LimitScope)] = &[
    ("tenant", LimitScope::Tenant),
    ("user", LimitScope::User),
    ("feature", LimitScope::Feature),
    ("model", LimitScope::Model),
    ("account", LimitScope::Account),
];
const MODES: &[(&str, LimitMode)] = &[("enforce", LimitMode::Enforce), ("warn", LimitMode::Warn)];
const ALGORITHMS: &[(&str, Kind)] = &[("sliding", Kind::Sliding), ("bucket", Kind::Bucket)];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sliding,
    Bucket,
}

/// Reads a limit and hands its `limit` key back, for what is wrong between limits.
pub(super) fn read(mut table: TableReader<'_>) -> Option<(Limit, Value<'_>)> {
    let meter = table.required("meter", |value| value.choice(METERS));
    let place = table.required("limit", |value| Some(value.clone()));
    let amount = place.as_ref().and_then(|value| amount(value, meter?));
    let per = match meter {
        Some(Meter::Concurrency) => Some(table.optional("per", |value| {
            let message = "`concurrency` has no `per`".to_owned();
            value.error(message, "remove it")
        })),
        _ => table.required("per", |value| value.choice(PERS)).map(Some),
    };
    let kind = table.or("algorithm", |value| value.choice(ALGORITHMS), Kind::Sliding);
    let burst = match (kind, table.take("burst")) {
        (Kind::Bucket, burst) => burst.and_then(|value| self::amount(&value, meter?)),
        (Kind::Sliding, None) => None,
        (Kind::Sliding, Some(burst)) => {
            let message = "`burst` is for `algorithm = \"bucket\"`".to_owned();
            burst.error(message, "remove it")
        }
    };
    let scope = table.or("scope", |value| value.choice(SCOPES), LimitScope::Tenant);
    let mode = table.or("mode", |value| value.choice(MODES), LimitMode::Enforce);
    let down = table.optional("when_store_is_down", |value| {
        value.choice(WHEN_STORE_IS_DOWN)
    });
    table.finish();
    let (amount, place) = (amount?, place?);
    let limit = match per? {
        Some(per) => Limit::new(meter?, amount, per),
        None => Limit::concurrency(amount),
    };
    let limit = match kind {
        Kind::Sliding => limit,
        Kind::Bucket => limit.algorithm(Algorithm::Bucket {
            burst: burst.unwrap_or(amount),
        }),
    };
    let mut limit = limit.scope(scope).mode(mode);
    limit.when_store_is_down = down;
    if let Some(why) = limit.problem() {
        let message = format!("the limit of {limit} {why}");
        return place.error(message, "write another limit");
    }
    Some((limit, place))
}

/// In the unit of the meter: money in nano-dollars.
fn amount(value: &Value<'_>, meter: Meter) -> Option<NonZeroU64> {
    if meter != Meter::Usd {
        return value.positive();
    }
    let pico = Dollars::read(value)?.pico();
    let nano = u64::try_from(pico / 1_000).ok().and_then(NonZeroU64::new);
    match nano {
        Some(nano) if pico.is_multiple_of(1_000) => Some(nano),
        _ if pico == 0 => value.error(format!("`{}` is zero", value.name()), "write more than 0"),
        _ => {
            let message = format!("`{}` is not a countable amount", value.name());
            value.error(
                message,
                "write dollars such as 50 or \"5.00\", 9 decimals at most",
            )
        }
    }
}
