use std::fmt;
use std::str::FromStr;

use crate::decimal::{self, ParseCostError};

/// An exact factor on the price of tokens, in thousandths.
///
/// ```
/// use tower_claude_pricing::Multiplier;
///
/// let discount: Multiplier = "0.875".parse()?;
/// assert!(discount < Multiplier::ONE);
/// # Ok::<(), tower_claude_pricing::ParseCostError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Multiplier(u32);

/// Decimals that a [`Multiplier`] holds.
const PLACES: u32 = 3;

// === impl Multiplier ===

impl Multiplier {
    /// ×1: the published price.
    pub const ONE: Self = Self(1_000);

    /// ×0.5: the batches API.
    pub const BATCH: Self = Self(500);

    /// ×1.1: inference kept in a region, and `inference_geo` `us`.
    pub const REGIONAL: Self = Self(1_100);

    /// ×1.2: the government regions of Amazon Bedrock.
    pub const US_GOV: Self = Self(1_200);

    /// What [`Multiplier::thousandths`] of ×1 is.
    pub(crate) const DENOMINATOR: u128 = 1_000;

    /// Reads a plain decimal of at most three decimals, such as `1.1`.
    ///
    /// # Errors
    ///
    /// When the text is not a plain decimal number, is too large, or has more than three decimals.
    pub const fn from_decimal_str(text: &str) -> Result<Self, ParseCostError> {
        match decimal::parse(text, PLACES) {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the guard keeps it in range"
            )]
            Ok(thousandths) if thousandths <= u32::MAX as u128 => Ok(Self(thousandths as u32)),
            Ok(_) => Err(ParseCostError::TOO_LARGE),
            Err(error) => Err(error),
        }
    }

    /// The factor in thousandths.
    #[must_use]
    pub const fn thousandths(self) -> u32 {
        self.0
    }
}

impl Default for Multiplier {
    fn default() -> Self {
        Self::ONE
    }
}

impl fmt::Display for Multiplier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        decimal::write(u128::from(self.0), PLACES as usize, f)
    }
}

impl FromStr for Multiplier {
    type Err = ParseCostError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_decimal_str(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints_plain_decimals() {
        assert_eq!("1.1".parse(), Ok(Multiplier::REGIONAL));
        assert_eq!("1.200".parse(), Ok(Multiplier::US_GOV));
        assert_eq!(Multiplier::BATCH.to_string(), "0.5");
        assert_eq!(Multiplier::default().to_string(), "1");
        assert_eq!(
            Multiplier::from_decimal_str("1.0001"),
            Err(ParseCostError::TOO_FINE)
        );
        assert_eq!(
            Multiplier::from_decimal_str("4294967.296"),
            Err(ParseCostError::TOO_LARGE)
        );
    }
}
