use std::error::Error;
use std::fmt;

/// Why a text is not an exact amount.
///
/// Amounts are plain decimals such as `3`, `0.25` or `12.50`: digits, and at most one point
/// between digits. No sign, no exponent, no currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseCostError {
    problem: Problem,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Problem {
    NotDecimal,
    TooFine,
    TooLarge,
}

// === impl ParseCostError ===

impl ParseCostError {
    pub(crate) const NOT_DECIMAL: Self = Self {
        problem: Problem::NotDecimal,
    };
    pub(crate) const TOO_FINE: Self = Self {
        problem: Problem::TooFine,
    };
    pub(crate) const TOO_LARGE: Self = Self {
        problem: Problem::TooLarge,
    };
}

impl fmt::Display for ParseCostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.problem {
            Problem::NotDecimal => "reading an amount: it is not a plain decimal number",
            Problem::TooFine => "reading an amount: it has more decimals than can be kept exactly",
            Problem::TooLarge => "reading an amount: it is too large",
        })
    }
}

impl Error for ParseCostError {}

/// Reads a plain decimal as a whole number of `10^-places`, exactly or not at all.
///
/// Runs at compile time for the built-in table, so a typing error there does not build.
pub(crate) const fn parse(text: &str, places: u32) -> Result<u128, ParseCostError> {
    let bytes = text.as_bytes();
    let mut value: u128 = 0;
    let mut digits_before_point = 0_u32;
    let mut decimals: Option<u32> = None;
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        at += 1;
        if byte == b'.' {
            if decimals.is_some() || digits_before_point == 0 || at == bytes.len() {
                return Err(ParseCostError::NOT_DECIMAL);
            }
            decimals = Some(0);
            continue;
        }
        if !byte.is_ascii_digit() {
            return Err(ParseCostError::NOT_DECIMAL);
        }
        match decimals {
            None => digits_before_point = digits_before_point.saturating_add(1),
            Some(seen) if seen < places => decimals = Some(seen + 1),
            Some(_) if byte == b'0' => continue,
            Some(_) => return Err(ParseCostError::TOO_FINE),
        }
        let Some(larger) = shift(value, 1) else {
            return Err(ParseCostError::TOO_LARGE);
        };
        let Some(larger) = larger.checked_add((byte - b'0') as u128) else {
            return Err(ParseCostError::TOO_LARGE);
        };
        value = larger;
    }
    if digits_before_point == 0 {
        return Err(ParseCostError::NOT_DECIMAL);
    }
    let seen = match decimals {
        Some(seen) => seen,
        None => 0,
    };
    match shift(value, places - seen) {
        Some(value) => Ok(value),
        None => Err(ParseCostError::TOO_LARGE),
    }
}

/// `value` times `10^places`.
const fn shift(value: u128, places: u32) -> Option<u128> {
    match 10_u128.checked_pow(places) {
        Some(power) => value.checked_mul(power),
        None => None,
    }
}

/// Writes a whole number of `10^-places` as a plain decimal without trailing zeros.
pub(crate) fn write(value: u128, places: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    // From the last digit to the first; 39 digits, the point, and zeros before a small fraction.
    let mut text = [0; 64];
    let mut start = text.len();
    let (mut rest, mut place) = (value, 0);
    while rest > 0 || place <= places {
        if place == places && start < text.len() {
            start -= 1;
            text[start] = b'.';
        }
        let digit;
        (rest, digit) = split_digit(rest);
        // Zeros at the end of a fraction are left out.
        if digit > 0 || start < text.len() || place >= places {
            start -= 1;
            text[start] = b'0' + digit;
        }
        place += 1;
    }
    f.pad(std::str::from_utf8(&text[start..]).unwrap_or_default())
}

/// All but the last digit, and that.
fn split_digit(value: u128) -> (u128, u8) {
    match u64::try_from(value) {
        // Division of 128 bits is a call, and amounts are small.
        Ok(small) => (u128::from(small / 10), (small % 10) as u8),
        Err(_) => (value / 10, (value % 10) as u8),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::from_fn;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn prints_what_the_digits_say(value: u128, shift in 0..128_u32, places in 0..13_usize) {
            let value = value >> shift;
            let digits = format!("{value:0>width$}", width = places + 1);
            let (whole, fraction) = digits.split_at(digits.len() - places);
            let expected = match fraction.trim_end_matches('0') {
                "" => whole.to_owned(),
                fraction => format!("{whole}.{fraction}"),
            };
            prop_assert_eq!(from_fn(|f| write(value, places, f)).to_string(), expected);
        }
    }

    #[test]
    fn reads_plain_decimals_exactly() {
        for (text, value) in [
            ("0", 0),
            ("3", 3_000_000),
            ("3.0", 3_000_000),
            ("0.25", 250_000),
            ("007.5", 7_500_000),
            ("0.000001", 1),
            ("0.0000010000000000000000000000000000000000000000", 1),
        ] {
            assert_eq!(parse(text, 6), Ok(value), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_plain_decimal() {
        for text in [
            "", ".", ".5", "5.", "1.2.3", "1..2", "-1", "+1", "1e3", "$1", " 1", "1,5", "1_0",
            "NaN", "inf", "١",
        ] {
            assert_eq!(parse(text, 6), Err(ParseCostError::NOT_DECIMAL), "{text}");
        }
    }

    #[test]
    fn refuses_what_cannot_be_kept_exactly() {
        assert_eq!(parse("0.0000001", 6), Err(ParseCostError::TOO_FINE));
        let largest = u128::MAX.to_string();
        assert_eq!(parse(&largest, 0), Ok(u128::MAX));
        assert_eq!(parse(&largest, 1), Err(ParseCostError::TOO_LARGE));
        assert_eq!(
            parse("340282366920938463463374607431768211456", 0),
            Err(ParseCostError::TOO_LARGE)
        );
    }
}
