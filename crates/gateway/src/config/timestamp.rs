//! Points in time, as RFC 3339 writes them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use toml::de::DeValue;
use toml::value::{Date, Datetime, Offset};

use super::reader::Value;

/// Reads a timestamp, in quotes or as TOML's own.
pub(super) fn timestamp(value: &Value<'_>) -> Option<SystemTime> {
    let parsed = match value.node() {
        DeValue::Datetime(datetime) => convert(datetime),
        DeValue::String(text) => text.parse().ok().and_then(|datetime| convert(&datetime)),
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

fn convert(datetime: &Datetime) -> Option<SystemTime> {
    let (date, time) = (datetime.date?, datetime.time?);
    let offset = match datetime.offset? {
        Offset::Z => 0,
        Offset::Custom { minutes } => i64::from(minutes) * 60,
    };
    let of_day = i64::from(time.hour) * 3_600 + i64::from(time.minute) * 60;
    let seconds = days(date) * 86_400 + of_day + i64::from(time.second?) - offset;
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let start = if seconds < 0 {
        UNIX_EPOCH.checked_sub(whole)?
    } else {
        UNIX_EPOCH.checked_add(whole)?
    };
    start.checked_add(Duration::from_nanos(time.nanosecond.unwrap_or(0).into()))
}

/// Days since the epoch; years begin in March here, so that a leap day is a year's last.
fn days(date: Date) -> i64 {
    let (year, month, day) = (
        i64::from(date.year),
        i64::from(date.month),
        i64::from(date.day),
    );
    let year = if month <= 2 { year - 1 } else { year };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let before_month = ((month + 9) % 12 * 153 + 2) / 5;
    year * 365 + leap_days + before_month + day - 719_469
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> Option<u64> {
        let time = convert(&text.parse().ok()?)?;
        Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs())
    }

    #[test]
    fn counts_seconds_since_the_epoch() {
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(seconds("2000-02-29T12:34:56Z"), Some(951_827_696));
        assert_eq!(seconds("2027-01-01T00:00:00Z"), Some(1_798_761_600));
        assert_eq!(seconds("2027-01-01T02:00:00.5+02:00"), Some(1_798_761_600));
        assert_eq!(seconds("9999-12-31T23:59:59Z"), Some(253_402_300_799));
        let before = "1969-12-31T23:59:59Z".parse().ok();
        assert_eq!(
            before.and_then(|datetime| convert(&datetime)),
            UNIX_EPOCH.checked_sub(Duration::from_secs(1))
        );
    }

    #[test]
    fn wants_a_date_a_time_and_an_offset() {
        for text in [
            "2027-01-01",
            "2027-01-01T00:00:00",
            "00:00:00",
            "2027-02-30T00:00:00Z",
            "tomorrow",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
