use std::fmt;
use std::iter::Sum;
use std::str::FromStr;

use crate::decimal::{self, ParseCostError};

/// An exact amount of money, in pico-dollars (10⁻¹² USD).
///
/// Prints as plain decimal dollars, without trailing zeros, sign, exponent or currency.
///
/// ```
/// use tower_claude_pricing::Cost;
///
/// let cost = Cost::from_dollars_str("0.008660")?;
/// assert_eq!(cost.to_string(), "0.00866");
/// assert_eq!(cost.pico_dollars(), 8_660_000_000);
/// assert_eq!(Cost::ZERO.to_string(), "0");
/// # Ok::<(), tower_claude_pricing::ParseCostError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cost(u128);

/// Decimals of a dollar that a [`Cost`] holds.
const PLACES: u32 = 12;

/// Pico-dollars in a nano-dollar.
const PICOS_PER_NANO: u128 = 1_000;

// === impl Cost ===

impl Cost {
    /// Nothing to pay.
    pub const ZERO: Self = Self(0);

    /// The largest amount; what saturating arithmetic stops at.
    pub const MAX: Self = Self(u128::MAX);

    /// So many pico-dollars.
    #[must_use]
    pub const fn from_pico_dollars(pico_dollars: u128) -> Self {
        Self(pico_dollars)
    }

    /// So many nano-dollars (10⁻⁹ USD).
    #[must_use]
    pub const fn from_nano_dollars(nano_dollars: u64) -> Self {
        Self(nano_dollars as u128 * PICOS_PER_NANO)
    }

    /// Reads plain decimal dollars, such as `12.5`, exactly.
    ///
    /// # Errors
    ///
    /// When the text is not a plain decimal number, is too large, or is finer than a pico-dollar.
    pub const fn from_dollars_str(text: &str) -> Result<Self, ParseCostError> {
        match decimal::parse(text, PLACES) {
            Ok(pico_dollars) => Ok(Self(pico_dollars)),
            Err(error) => Err(error),
        }
    }

    /// The amount in pico-dollars.
    #[must_use]
    pub const fn pico_dollars(self) -> u128 {
        self.0
    }

    /// The amount in nano-dollars for stores that keep 64-bit integers; rounds up, saturates.
    #[must_use]
    pub fn nano_dollars_rounded_up(self) -> u64 {
        u64::try_from(self.0.div_ceil(PICOS_PER_NANO)).unwrap_or(u64::MAX)
    }

    /// Whether there is nothing to pay.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum, or `None` when it is too large.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// The difference, or `None` when `other` is more.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(difference) => Some(Self(difference)),
            None => None,
        }
    }

    /// This amount so many times, or `None` when that is too large.
    #[must_use]
    pub const fn checked_mul(self, times: u64) -> Option<Self> {
        match self.0.checked_mul(times as u128) {
            Some(product) => Some(Self(product)),
            None => None,
        }
    }

    /// The sum, at most [`Cost::MAX`].
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, at least [`Cost::ZERO`].
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// This amount so many times, at most [`Cost::MAX`].
    #[must_use]
    pub const fn saturating_mul(self, times: u64) -> Self {
        Self(self.0.saturating_mul(times as u128))
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        decimal::write(self.0, PLACES as usize, f)
    }
}

impl FromStr for Cost {
    type Err = ParseCostError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_dollars_str(text)
    }
}

impl Sum for Cost {
    /// Saturates at [`Cost::MAX`].
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::ZERO, Self::saturating_add)
    }
}

impl<'a> Sum<&'a Self> for Cost {
    /// Saturates at [`Cost::MAX`].
    fn sum<I: Iterator<Item = &'a Self>>(costs: I) -> Self {
        costs.copied().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_exact_decimal_dollars_without_trailing_zeros() {
        for (pico_dollars, text) in [
            (0, "0"),
            (1, "0.000000000001"),
            (8_660_000_000, "0.00866"),
            (12_500_000_000_000, "12.5"),
            (100_000_000_000_000, "100"),
            (1_000_000_000_001, "1.000000000001"),
            (u128::MAX, "340282366920938463463374607.431768211455"),
        ] {
            let cost = Cost::from_pico_dollars(pico_dollars);
            assert_eq!(cost.to_string(), text);
            assert_eq!(text.parse(), Ok(cost));
        }
        assert_eq!(
            format!("{:>8}", Cost::from_nano_dollars(500_000_000)),
            "     0.5"
        );
    }

    #[test]
    fn refuses_to_read_less_than_a_pico_dollar() {
        assert!(Cost::from_dollars_str("0.0000000000001").is_err());
        assert!(Cost::from_dollars_str("-1").is_err());
        assert!(Cost::from_dollars_str("1e-3").is_err());
    }

    #[test]
    fn nano_dollars_are_rounded_up_and_saturate() {
        assert_eq!(Cost::ZERO.nano_dollars_rounded_up(), 0);
        assert_eq!(Cost::from_pico_dollars(1).nano_dollars_rounded_up(), 1);
        assert_eq!(Cost::from_pico_dollars(1_000).nano_dollars_rounded_up(), 1);
        assert_eq!(Cost::from_pico_dollars(1_001).nano_dollars_rounded_up(), 2);
        assert_eq!(Cost::MAX.nano_dollars_rounded_up(), u64::MAX);
        assert_eq!(Cost::from_nano_dollars(7).nano_dollars_rounded_up(), 7);
    }

    #[test]
    fn arithmetic_checks_or_saturates() {
        let (one, two) = (Cost::from_pico_dollars(1), Cost::from_pico_dollars(2));
        assert_eq!(one.checked_add(one), Some(two));
        assert_eq!(Cost::MAX.checked_add(one), None);
        assert_eq!(Cost::MAX.saturating_add(one), Cost::MAX);
        assert_eq!(two.checked_sub(one), Some(one));
        assert_eq!(one.checked_sub(two), None);
        assert_eq!(one.saturating_sub(two), Cost::ZERO);
        assert_eq!(one.checked_mul(2), Some(two));
        assert_eq!(Cost::MAX.checked_mul(2), None);
        assert_eq!(Cost::MAX.saturating_mul(2), Cost::MAX);
        assert_eq!([one, one].iter().sum::<Cost>(), two);
        assert_eq!([Cost::MAX, one].into_iter().sum::<Cost>(), Cost::MAX);
    }
}
