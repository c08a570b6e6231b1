//! Points in time, as RFC 3339 writes them.

use toml::de::DeValue;
use tower_claude::core::Timestamp;

use super::reader::Value;

/// Reads a timestamp, in quotes or as TOML's own.
pub(super) fn timestamp(value: &Value<'_>) -> Option<Timestamp> {
    let parsed = match value.node() {
        DeValue::Datetime(datetime) => Timestamp::parse(&datetime.to_string()),
        DeValue::String(text) => Timestamp::parse(text),
        _ => return value.expected("a timestamp", "write \"2027-01-01T00:00:00Z\""),
    };
    match parsed {
        Some(time) => Some(time),
        None => value.error(
            format!("`{}` is not an RFC 3339 timestamp", value.name()),
            "write a date, a time and an offset, such as \"2027-01-01T00:00:00Z\"",
        ),
    }
}
