//! Numbers of bytes such as `"32MiB"`, or plain.

use toml::de::DeValue;

use super::reader::Value;
use super::text::quoted;

const UNITS: [(&str, usize); 5] = [
    ("", 1),
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Reads a size above zero.
pub(super) fn size(value: &Value<'_>) -> Option<usize> {
    let size = match value.node() {
        DeValue::String(text) => match parse(text) {
            Some(size) => size,
            None => {
                let message = format!("`{}` {} is not a size", value.name(), quoted(text));
                let suggestion = "write a whole number and KiB, MiB or GiB, such as \"32MiB\"";
                return value.error(message, suggestion);
            }
        },
        DeValue::Integer(_) => value.integer()?,
        _ => return value.expected("a size", "write it such as \"32MiB\""),
    };
    if size == 0 {
        return value.error(format!("`{}` is zero", value.name()), "write 1 or more");
    }
    Some(size)
}

fn parse(text: &str) -> Option<usize> {
    let unit = text.find(|character: char| !character.is_ascii_digit());
    let (number, unit) = text.split_at(unit.unwrap_or(text.len()));
    let (_, bytes) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number.parse::<usize>().ok()?.checked_mul(*bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_whole_number_and_its_unit() {
        assert_eq!(parse("32MiB"), Some(32 << 20));
        assert_eq!(parse("512KiB"), Some(512 << 10));
        assert_eq!(parse("1GiB"), Some(1 << 30));
        assert_eq!(parse("100"), Some(100));
        assert_eq!(parse("100B"), Some(100));
    }

    #[test]
    fn reads_nothing_else() {
        for text in [
            "",
            "MiB",
            "32MB",
            "32 MiB",
            "1.5MiB",
            "-1",
            "99999999999999999999GiB",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse("18446744073709551615GiB"), None);
    }
}
