use std::fmt;
use std::num::NonZeroU64;

use super::dollars::Dollars;
use super::reader::{TableReader, Value};

/// One limit of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limit {
    /// What is counted.
    pub meter: Meter,
    /// How much of it.
    pub amount: Amount,
    /// Within what; absent for [`Meter::Concurrency`] alone.
    pub per: Option<Per>,
    /// How time gives it back.
    pub algorithm: Algorithm,
    /// Who shares it.
    pub scope: Scope,
    /// What happens when it is spent.
    pub mode: Mode,
}

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Meter {
    /// Calls.
    Requests,
    /// Input and cache creation; cache reads are free.
    InputTokens,
    /// Output.
    OutputTokens,
    /// Input and output.
    Tokens,
    /// Money.
    Usd,
    /// Calls at the same time.
    Concurrency,
}

/// How much a limit allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Amount {
    /// A number of calls or tokens.
    Count(NonZeroU64),
    /// Money, for [`Meter::Usd`] alone; never zero.
    Dollars(Dollars),
}

/// The period of a limit; the first three slide, the others are calendar periods in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Per {
    /// Any second.
    Second,
    /// Any 60 seconds.
    Minute,
    /// Any 60 minutes.
    Hour,
    /// From midnight.
    Day,
    /// From the first of the month.
    Month,
}

/// How time gives back what was spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Algorithm {
    /// A period after it was spent.
    Sliding,
    /// Evenly.
    Bucket {
        /// The most that can be saved up; absent is the limit itself.
        burst: Option<NonZeroU64>,
    },
}

/// Who shares a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scope {
    /// All calls of the tenant.
    Tenant,
    /// Those of one user.
    User,
    /// Those of one feature.
    Feature,
    /// Those of one model.
    Model,
    /// All tenants.
    Account,
}

/// What happens when a limit is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// The call is refused.
    Enforce,
    /// The call passes with a warning.
    Warn,
}

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
const SCOPES: &[(&str, Scope)] = &[
    ("tenant", Scope::Tenant),
    ("user", Scope::User),
    ("feature", Scope::Feature),
    ("model", Scope::Model),
    ("account", Scope::Account),
];
const MODES: &[(&str, Mode)] = &[("enforce", Mode::Enforce), ("warn", Mode::Warn)];
const ALGORITHMS: &[(&str, Algorithm)] = &[
    ("sliding", Algorithm::Sliding),
    ("bucket", Algorithm::Bucket { burst: None }),
];

// === impl Limit ===

impl Limit {
    /// Reads a limit and hands its `limit` key back, for what is wrong between limits.
    pub(super) fn read(mut table: TableReader<'_>) -> Option<(Self, Value<'_>)> {
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
        let algorithm = |value: &Value<'_>| value.choice(ALGORITHMS);
        let algorithm = table.or("algorithm", algorithm, Algorithm::Sliding);
        let algorithm = match (algorithm, table.take("burst")) {
            (Algorithm::Bucket { .. }, burst) => Algorithm::Bucket {
                burst: burst.and_then(|value| value.positive()),
            },
            (algorithm, None) => algorithm,
            (algorithm, Some(burst)) => {
                let message = "`burst` is for `algorithm = \"bucket\"`".to_owned();
                burst.error::<()>(message, "remove it");
                algorithm
            }
        };
        let scope = table.or("scope", |value| value.choice(SCOPES), Scope::Tenant);
        let mode = table.or("mode", |value| value.choice(MODES), Mode::Enforce);
        table.finish();
        let limit = Self {
            meter: meter?,
            amount: amount?,
            per: per?,
            algorithm,
            scope,
            mode,
        };
        Some((limit, place?))
    }
}

/// As in `10 requests/minute`.
impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.amount {
            Amount::Count(count) => write!(formatter, "{count} {}", name(METERS, &self.meter))?,
            Amount::Dollars(dollars) => write!(formatter, "${dollars}")?,
        }
        match self.per {
            Some(per) => write!(formatter, "/{}", name(PERS, &per)),
            None => Ok(()),
        }
    }
}

fn amount(value: &Value<'_>, meter: Meter) -> Option<Amount> {
    if meter != Meter::Usd {
        return value.positive().map(Amount::Count);
    }
    let dollars = Dollars::read(value)?;
    if dollars.pico() == 0 {
        return value.error(format!("`{}` is zero", value.name()), "write more than 0");
    }
    Some(Amount::Dollars(dollars))
}

fn name<T>(names: &[(&'static str, T)], wanted: &T) -> &'static str
where
    T: PartialEq,
{
    let named = names.iter().find(|(_, value)| value == wanted);
    named.map_or("", |(name, _)| name)
}
