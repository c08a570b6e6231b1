use std::fmt;
use std::num::NonZeroU64;

use crate::{Meter, Per};

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
        }
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

    /// What it lacks in this version, if anything.
    pub(crate) fn unsupported(&self) -> Option<&'static str> {
        if matches!(self.meter, Meter::Usd | Meter::Concurrency) {
            Some(self.meter.as_str())
        } else if self.algorithm != Algorithm::Sliding {
            Some("bucket")
        } else if self.scope != LimitScope::Tenant {
            Some(self.scope.as_str())
        } else if self.mode != LimitMode::Enforce {
            Some("warn")
        } else if self.per.and_then(Per::window).is_none() {
            Some(self.per.map_or("no period", Per::as_str))
        } else {
            None
        }
    }

    /// Whether both are kept in the same counter, so that one would shadow the other.
    pub(crate) fn counts_like(&self, other: &Self) -> bool {
        self.meter == other.meter && self.per == other.per && self.scope == other.scope
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", Short(self.amount.get()), self.meter.words())?;
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
