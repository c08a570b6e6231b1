//! Lengths of time such as `"500ms"`, `"30s"`, `"10m"`, `"1h"`.

use std::time::Duration;

use super::reader::Value;
use super::text::quoted;

const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
/// Beyond this a deadline may no longer fit the clock's type.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// Reads a duration, zero included.
pub(super) fn duration(value: &Value<'_>) -> Option<Duration> {
    let Some(text) = value.node().as_str() else {
        return value.expected("a duration", "write it with its unit, such as \"30s\"");
    };
    match parse(text) {
        Some(duration) if duration <= LONGEST => Some(duration),
        Some(_) => value.error(format!("`{}` is longer than a year", value.name()), ""),
        None => {
            let message = format!("`{}` {} is not a duration", value.name(), quoted(text));
            value.error(
                message,
                "write a whole number and ms, s, m or h, such as \"30s\"",
            )
        }
    }
}

/// Reads a duration that something is waited for, so not zero.
pub(super) fn timeout(value: &Value<'_>) -> Option<Duration> {
    let timeout = duration(value)?;
    if timeout.is_zero() {
        return value.error(
            format!("`{}` is zero", value.name()),
            "write \"1ms\" or more",
        );
    }
    Some(timeout)
}

fn parse(text: &str) -> Option<Duration> {
    let unit = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit);
    let (_, milliseconds) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let number: u64 = number.parse().ok()?;
    Some(Duration::from_millis(number.saturating_mul(*milliseconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_whole_number_and_its_unit() {
        assert_eq!(parse("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(parse("30s"), Some(Duration::from_secs(30)));
        assert_eq!(parse("10m"), Some(Duration::from_secs(600)));
        assert_eq!(parse("1h"), Some(Duration::from_secs(3_600)));
        assert_eq!(parse("0s"), Some(Duration::ZERO));
    }

    #[test]
    fn reads_nothing_else() {
        for text in [
            "", "30", "s", "1.5s", "-1s", "1 s", "1d", "1h30m", "٣s", "1S",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert!(parse("18446744073709551615h").is_some_and(|duration| duration > LONGEST));
        assert_eq!(parse("18446744073709551616h"), None);
    }
}
