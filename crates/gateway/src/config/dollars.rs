use std::fmt;

use toml::de::DeValue;

use super::reader::Value;

/// An exact amount of US dollars, in pico-dollars.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dollars {
    pico: u128,
}

const PICO_DIGITS: i32 = 12;

// === impl Dollars ===

impl Dollars {
    /// The amount in units of 10⁻¹² dollars.
    pub const fn pico(self) -> u128 {
        self.pico
    }

    /// Reads an integer, a decimal or a string, from the text as written.
    pub(super) fn read(value: &Value<'_>) -> Option<Self> {
        Self::read_to(value, PICO_DIGITS)
    }

    /// Reads a price of a million tokens that is whole pico-dollars for one.
    pub(super) fn read_per_million(value: &Value<'_>) -> Option<Self> {
        Self::read_to(value, PICO_DIGITS - 6)
    }

    fn read_to(value: &Value<'_>, decimals: i32) -> Option<Self> {
        let parsed = match value.node() {
            DeValue::Integer(integer) if integer.radix() == 10 => parse(integer.as_str(), decimals),
            DeValue::Float(float) => parse(float.as_str(), decimals),
            DeValue::String(text) => parse(text, decimals),
            _ => return value.expected("an amount of dollars", "write it such as 50 or \"5.00\""),
        };
        match parsed {
            Ok(dollars) => Some(dollars),
            Err(problem) => {
                let suggestion = match decimals {
                    PICO_DIGITS => "write dollars such as 50 or \"5.00\", 12 decimals at most",
                    _ => "write dollars such as 3 or 0.25, 6 decimals at most",
                };
                value.error(format!("`{}` {problem}", value.name()), suggestion)
            }
        }
    }
}

impl fmt::Debug for Dollars {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Dollars({self})")
    }
}

/// Dollars with as many decimals as it takes.
impl fmt::Display for Dollars {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, pico) = (self.pico / 10_u128.pow(12), self.pico % 10_u128.pow(12));
        match format!("{pico:012}").trim_end_matches('0') {
            "" => write!(formatter, "{whole}"),
            decimals => write!(formatter, "{whole}.{decimals}"),
        }
    }
}

/// Reads decimal text exactly: no binary fraction ever stands between.
fn parse(text: &str, most_decimals: i32) -> Result<Dollars, &'static str> {
    const NO_NUMBER: &str = "is not an amount of dollars";
    if text.starts_with('-') {
        return Err("is negative");
    }
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        None => (unsigned, 0),
        Some((mantissa, exponent)) => (mantissa, exponent.parse().map_err(|_| NO_NUMBER)?),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        None => (mantissa, None),
        Some((whole, fraction)) => (whole, Some(fraction)),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !fraction.is_none_or(digits) {
        return Err(NO_NUMBER);
    }
    let fraction = fraction.unwrap_or("").trim_end_matches('0');
    let decimals = i32::try_from(fraction.len()).map_err(|_| "has too many decimals")?;
    let number = format!("{whole}{fraction}");
    let significant = number.trim_end_matches('0');
    let number: u128 = match significant.trim_start_matches('0') {
        "" => return Ok(Dollars { pico: 0 }),
        digits => digits.parse().map_err(|_| "has too many digits")?,
    };
    let zeros = i32::try_from(whole.len() + fraction.len() - significant.len());
    let exponent = zeros
        .unwrap_or(i32::MAX)
        .saturating_sub(decimals)
        .saturating_add(exponent);
    if exponent < -most_decimals {
        return Err("has too many decimals");
    }
    u32::try_from(exponent.saturating_add(PICO_DIGITS))
        .ok()
        .and_then(|exponent| 10_u128.checked_pow(exponent)?.checked_mul(number))
        .map(|pico| Dollars { pico })
        .ok_or("is too large")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pico(text: &str) -> Result<u128, &'static str> {
        parse(text, PICO_DIGITS).map(Dollars::pico)
    }

    #[test]
    fn a_tenth_is_a_tenth() {
        assert_eq!(pico("0.1"), Ok(100_000_000_000));
        assert_eq!(pico("0.000000000001"), Ok(1));
        assert_eq!(pico("5.00"), Ok(5_000_000_000_000));
        assert_eq!(pico("50"), Ok(50_000_000_000_000));
        assert_eq!(pico("+1e3"), Ok(1_000_000_000_000_000));
        assert_eq!(pico("2.5E-3"), Ok(2_500_000_000));
        assert_eq!(pico("0.10000000000000000000"), Ok(100_000_000_000));
        assert_eq!(pico("0e99"), Ok(0));
    }

    #[test]
    fn what_cannot_be_exact_is_refused() {
        assert_eq!(pico("0.0000000000001"), Err("has too many decimals"));
        assert_eq!(pico("1e30"), Err("is too large"));
        assert_eq!(pico("1e2147483647"), Err("is too large"));
        assert_eq!(pico("1e-2147483648"), Err("has too many decimals"));
        assert_eq!(pico("-1"), Err("is negative"));
        for text in [
            "", ".", ".5", "5.", "$5", "1,5", "inf", "nan", "0x10", "1e", "e1", "1.2.3",
        ] {
            assert_eq!(pico(text), Err("is not an amount of dollars"), "{text}");
        }
        assert_eq!(pico(&"9".repeat(50)), Err("has too many digits"));
    }

    #[test]
    fn is_printed_in_dollars() {
        let shown = parse("12.3400", PICO_DIGITS).map(|dollars| dollars.to_string());
        assert_eq!(shown.as_deref(), Ok("12.34"));
    }
}
