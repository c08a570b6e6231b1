use std::fmt;
use std::str::FromStr;

use crate::cost::Cost;
use crate::decimal::{self, ParseCostError};

/// What one token costs, in whole pico-dollars.
///
/// Written and printed the way price pages do, in dollars per million tokens: one dollar per
/// million tokens is 1,000,000 pico-dollars per token, so six decimals are exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(u64);

/// Decimals of a dollar per million tokens that a [`Rate`] holds.
const PLACES: u32 = 6;

// === impl Rate ===

impl Rate {
    /// Tokens that cost nothing.
    pub const FREE: Self = Self(0);

    /// Reads dollars per million tokens, such as `0.25`, exactly.
    ///
    /// # Errors
    ///
    /// When the text is not a plain decimal number, is too large, or has more than six decimals.
    pub const fn per_million_tokens(dollars: &str) -> Result<Self, ParseCostError> {
        match decimal::parse(dollars, PLACES) {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the guard keeps it in range"
            )]
            Ok(pico_dollars) if pico_dollars <= u64::MAX as u128 => Ok(Self(pico_dollars as u64)),
            Ok(_) => Err(ParseCostError::TOO_LARGE),
            Err(error) => Err(error),
        }
    }

    /// So many pico-dollars per token.
    #[must_use]
    pub const fn from_pico_dollars_per_token(pico_dollars: u64) -> Self {
        Self(pico_dollars)
    }

    /// What one token costs, in pico-dollars.
    #[must_use]
    pub const fn pico_dollars_per_token(self) -> u64 {
        self.0
    }

    /// What so many tokens cost.
    #[must_use]
    pub const fn of(self, tokens: u64) -> Cost {
        // The product of two 64-bit numbers fits 128 bits.
        Cost::from_pico_dollars(self.0 as u128 * tokens as u128)
    }

    /// `numerator / denominator` of this rate, rounded up to a whole pico-dollar.
    pub(crate) const fn part(self, numerator: u64, denominator: u64) -> Self {
        Self(self.0.saturating_mul(numerator).div_ceil(denominator))
    }
}

impl fmt::Display for Rate {
    /// Dollars per million tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        decimal::write(u128::from(self.0), PLACES as usize, f)
    }
}

impl FromStr for Rate {
    type Err = ParseCostError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::per_million_tokens(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dollar_per_million_tokens_is_a_million_pico_dollars_per_token() {
        let rate = Rate::per_million_tokens("1").unwrap();
        assert_eq!(rate.pico_dollars_per_token(), 1_000_000);
        assert_eq!(rate.of(1_000_000).to_string(), "1");
    }

    #[test]
    fn the_smallest_published_rate_is_exact() {
        let rate: Rate = "0.01".parse().unwrap();
        assert_eq!(rate.of(1).to_string(), "0.00000001");
        assert_eq!(rate.to_string(), "0.01");
    }

    #[test]
    fn a_rate_finer_than_a_pico_dollar_or_beyond_64_bits_is_refused() {
        assert_eq!(
            Rate::per_million_tokens("0.0000001"),
            Err(ParseCostError::TOO_FINE)
        );
        assert_eq!(
            Rate::per_million_tokens("18446744073709.551616"),
            Err(ParseCostError::TOO_LARGE)
        );
    }

    #[test]
    fn the_dearest_rate_times_the_most_tokens_does_not_overflow() {
        let rate = Rate::per_million_tokens("18446744073709.551615").unwrap();
        assert_eq!(
            rate.of(u64::MAX).pico_dollars(),
            u128::from(u64::MAX) * u128::from(u64::MAX)
        );
    }
}
