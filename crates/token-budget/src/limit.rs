use std::fmt;
use std::num::NonZeroU64;

use crate::books::MOST;
use crate::{Meter, Per, WhenStoreIsDown};

/// How much of a meter may be spent in a period, and by whom.
///
/// Prints as refusals name it: `200k input tokens/min`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limit {
    /// What it counts.
    pub meter: Meter,
    /// How much there is, in the unit of the meter.
    pub amount: NonZeroU64,
    /// For which period; `None` for what is not counted over time.
    pub per: Option<Per>,
    /// How the period is measured.
    pub algorithm: Algorithm,
    /// Who shares it.
    pub scope: LimitScope,
    /// What happens when it is spent.
    pub mode: LimitMode,
    /// What happens while the store cannot be asked; `None` for what the layer does by default.
    pub when_store_is_down: Option<WhenStoreIsDown>,
}

/// How the period of a limit is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// No window of the period's length, wherever it begins, holds more than the limit.
    #[default]
    Sliding,
    /// A bucket that holds `burst` and refills at the rate of the limit.
    Bucket {
        /// The most that can be spent at one moment.
        burst: NonZeroU64,
    },
}

/// Who shares a limit.
///
/// User, feature and model attribute, they do not protect: callers choose them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LimitScope {
    /// All calls of a tenant.
    #[default]
    Tenant,
    /// The calls of one user of a tenant.
    User,
    /// The calls of one feature of a tenant.
    Feature,
    /// The calls of a tenant to one model.
    Model,
    /// The calls of all tenants together.
    Account,
}

/// What happens when a limit is spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LimitMode {
    /// Calls are refused.
    #[default]
    Enforce,
    /// Calls pass and are marked.
    Warn,
}

/// Nano-dollars as people write dollars: `$50`, `$0.50`, `$0.000001`; never rounded.
pub(crate) struct Dollars(pub(crate) u64);

/// A number as refusals write it: `300`, `2.5k`, `200k`, `1.5M`; never rounded.
pub(crate) struct Short(pub(crate) u64);

// === impl Limit ===

impl Limit {
    /// A limit of each tenant, sliding and enforced.
    #[must_use]
    pub const fn new(meter: Meter, amount: NonZeroU64, per: Per) -> Self {
        Self {
            meter,
            amount,
            per: Some(per),
            algorithm: Algorithm::Sliding,
            scope: LimitScope::Tenant,
            mode: LimitMode::Enforce,
            when_store_is_down: None,
        }
    }

    /// A limit of money, in nano-dollars.
    ///
    /// Needs a layer that knows prices:
    /// [`TokenBudgetLayer::prices`](crate::TokenBudgetLayer::prices).
    #[must_use]
    pub const fn nano_dollars(amount: NonZeroU64, per: Per) -> Self {
        Self::new(Meter::Usd, amount, per)
    }

    /// A limit of calls of each tenant that run at the same time.
    #[must_use]
    pub const fn concurrency(amount: NonZeroU64) -> Self {
        let mut limit = Self::new(Meter::Concurrency, amount, Per::Minute);
        limit.per = None;
        limit
    }

    /// Measures the period in another way.
    #[must_use]
    pub const fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// Shares it among others.
    #[must_use]
    pub const fn scope(mut self, scope: LimitScope) -> Self {
        self.scope = scope;
        self
    }

    /// Says what happens when it is spent.
    #[must_use]
    pub const fn mode(mut self, mode: LimitMode) -> Self {
        self.mode = mode;
        self
    }

    /// Says what happens while the store cannot be asked.
    #[must_use]
    pub const fn when_store_is_down(mut self, policy: WhenStoreIsDown) -> Self {
        self.when_store_is_down = Some(policy);
        self
    }

    /// The most that can be taken at one moment.
    #[must_use]
    pub const fn capacity(&self) -> u64 {
        match self.algorithm {
            Algorithm::Sliding => self.amount.get(),
            Algorithm::Bucket { burst } => burst.get(),
        }
    }

    /// Its name in headers, metrics and stores: `input_tokens/minute`, `usd/day`,
    /// `concurrency`; with `/user` and the like at the end where it is not for the tenant.
    #[must_use]
    pub fn name(&self) -> String {
        let mut name = self.meter.as_str().to_owned();
        if let Some(per) = self.per {
            name.push('/');
            name.push_str(per.as_str());
        }
        if self.scope != LimitScope::Tenant {
            name.push('/');
            name.push_str(self.scope.as_str());
        }
        name
    }

    /// The length of a period that slides, in milliseconds; 0 without one.
    pub(crate) const fn window_millis(&self) -> u64 {
        match self.per {
            Some(Per::Second) => 1_000,
            Some(Per::Minute) => 60_000,
            Some(Per::Hour) => 3_600_000,
            Some(Per::Day | Per::Month) | None => 0,
        }
    }

    /// Why it cannot work, if it cannot: to be read after `the limit of …`.
    #[must_use]
    pub fn problem(&self) -> Option<&'static str> {
        if self.amount.get() > MOST || self.capacity() > MOST {
            return Some("is larger than can be counted exactly");
        }
        if (self.meter == Meter::Concurrency) != self.per.is_none() {
            return Some("needs a period, unless it is of concurrency, which has none");
        }
        let Algorithm::Bucket { burst } = self.algorithm else {
            return None;
        };
        let window = u128::from(self.window_millis());
        if window == 0 {
            return Some("is a bucket, which needs a period of a second, minute or hour");
        }
        let refill = u128::from(burst.get()) * window / u128::from(self.amount.get());
        (refill > u128::from(Self::LONGEST_REFILL / 2))
            .then_some("is a bucket that takes more than half a day to refill")
    }

    /// How long the deepest debt of a bucket lasts at most, in milliseconds.
    pub(crate) const LONGEST_REFILL: u64 = 86_400_000;

    /// Whether both are kept in the same counter, so that one would shadow the other.
    pub(crate) fn counts_like(&self, other: &Self) -> bool {
        self.meter == other.meter
            && self.per == other.per
            && self.scope == other.scope
            && (self.algorithm == Algorithm::Sliding) == (other.algorithm == Algorithm::Sliding)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.meter {
            Meter::Usd => write!(f, "{}", Dollars(self.amount.get()))?,
            meter => write!(f, "{} {}", Short(self.amount.get()), meter.words())?,
        }
        match self.per {
            Some(per) => write!(f, "/{}", per.short()),
            None => Ok(()),
        }
    }
}

// === impl LimitScope ===

impl LimitScope {
    /// The word for it in configuration and `error.details`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::User => "user",
            Self::Feature => "feature",
            Self::Model => "model",
            Self::Account => "account",
        }
    }

    /// The scope of a word, as [`LimitScope::as_str`] writes it.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [
            Self::Tenant,
            Self::User,
            Self::Feature,
            Self::Model,
            Self::Account,
        ]
        .into_iter()
        .find(|scope| scope.as_str() == word)
    }
}

// === impl Dollars ===

impl fmt::Display for Dollars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NANOS: u64 = 1_000_000_000;
        write!(f, "${}", self.0 / NANOS)?;
        let nanos = self.0 % NANOS;
        if nanos == 0 {
            return Ok(());
        }
        let digits = format!("{nanos:09}");
        let shown = digits.trim_end_matches('0').len().max(2);
        write!(f, ".{}", &digits[..shown])
    }
}

// === impl Short ===

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, letter) = match self.0 {
            n if n >= 1_000_000 && n % 10_000 == 0 => (1_000_000, "M"),
            n if n >= 1_000 && n % 100 == 0 => (1_000, "k"),
            n => return fmt::Display::fmt(&n, f),
        };
        write!(f, "{}", self.0 / unit)?;
        // Two digits of a million, one of a thousand: nothing is left after them.
        match self.0 % unit * 100 / unit {
            0 => {}
            hundredths if hundredths % 10 == 0 => write!(f, ".{}", hundredths / 10)?,
            hundredths => write!(f, ".{hundredths:02}")?,
        }
        f.write_str(letter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(meter: Meter, amount: u64, per: Per) -> String {
        Limit::new(meter, NonZeroU64::new(amount).unwrap(), per).to_string()
    }

    #[test]
    fn prints_as_refusals_name_it() {
        for (limit, expected) in [
            (text(Meter::Requests, 300, Per::Minute), "300 requests/min"),
            (
                text(Meter::InputTokens, 200_000, Per::Minute),
                "200k input tokens/min",
            ),
            (
                text(Meter::OutputTokens, 1_500_000, Per::Minute),
                "1.5M output tokens/min",
            ),
            (text(Meter::Tokens, 200_000, Per::Hour), "200k tokens/hour"),
            (text(Meter::Requests, 5, Per::Second), "5 requests/s"),
        ] {
            assert_eq!(limit, expected);
        }
        for (nanos, expected) in [
            (50_000_000_000, "$50/day"),
            (500_000_000, "$0.50/day"),
            (1_234_000_000, "$1.234/day"),
            (1, "$0.000000001/day"),
        ] {
            assert_eq!(text(Meter::Usd, nanos, Per::Day), expected);
        }
        let limit = Limit::concurrency(NonZeroU64::new(20).unwrap());
        assert_eq!(limit.to_string(), "20 concurrent requests");
    }

    #[test]
    fn numbers_are_short_only_where_nothing_is_lost() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1k"),
            (1_001, "1001"),
            (2_500, "2.5k"),
            (1_000_000, "1M"),
            (1_050_000, "1.05M"),
            (1_055_000, "1055k"),
            (1_000_001, "1000001"),
        ] {
            assert_eq!(Short(number).to_string(), text);
        }
    }
}
