use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment in UTC, printed and read as RFC 3339 (`2026-11-20T10:15:01Z`).
///
/// The format of Anthropic's `anthropic-ratelimit-*-reset` headers and of our ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Milliseconds since the Unix epoch, between the years 0 and 9999.
    millis: i64,
}

const DAY: i64 = 86_400_000;
const FIRST: i64 = -62_167_219_200_000; // 0000-01-01
const LAST: i64 = 253_402_300_799_999; // 9999-12-31

// === impl Timestamp ===

impl Timestamp {
    /// The time on the machine's clock.
    #[must_use]
    pub fn now() -> Self {
        Self::from(SystemTime::now())
    }

    /// So many milliseconds after the Unix epoch, clamped to the years 0 to 9999.
    #[must_use]
    pub const fn from_unix_millis(millis: i64) -> Self {
        let millis = if millis < FIRST {
            FIRST
        } else if millis > LAST {
            LAST
        } else {
            millis
        };
        Self { millis }
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn unix_millis(self) -> i64 {
        self.millis
    }

    /// Reads RFC 3339: any offset, a fraction of any length (cut to milliseconds).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_ascii(text.as_bytes())
    }

    /// The same from bytes, as headers hold them.
    pub(crate) fn from_ascii(text: &[u8]) -> Option<Self> {
        // The length is known from here on, which spares a check at every digit.
        let (moment, rest) = text.split_first_chunk::<19>()?;
        let [
            y0,
            y1,
            y2,
            y3,
            b'-',
            mo0,
            mo1,
            b'-',
            d0,
            d1,
            b'T' | b't' | b' ', //
            h0,
            h1,
            b':',
            mi0,
            mi1,
            b':',
            s0,
            s1,
        ] = *moment
        else {
            return None;
        };
        let (year, month, day) = (
            two(y0, y1)? * 100 + two(y2, y3)?,
            two(mo0, mo1)?,
            two(d0, d1)?,
        );
        let (hour, minute, second) = (two(h0, h1)?, two(mi0, mi1)?, two(s0, s1)?);
        if !(1..=12).contains(&month)
            || !(1..=days_in(year, month)).contains(&day)
            || hour > 23
            || minute > 59
            || second > 60
        {
            return None;
        }
        let (fraction, offset) = match rest {
            b"Z" => (0, 0),
            _ => rest_of(rest)?,
        };
        let seconds = (hour * 60 + minute) * 60 + second;
        let millis = days_from_civil(year, month, day) * DAY + seconds * 1_000 + fraction - offset;
        (FIRST..=LAST).contains(&millis).then_some(Self { millis })
    }

    /// Midnight of the first day of the month after this.
    #[must_use]
    pub fn next_month(self) -> Self {
        let (year, month, _) = civil_from_days(self.millis.div_euclid(DAY));
        let (year, month) = if month == 12 {
            (year + 1, 1)
        } else {
            (year, month + 1)
        };
        Self::from_unix_millis(days_from_civil(year, month, 1) * DAY)
    }

    /// How long it is from `earlier` to this; zero if this is not later.
    #[must_use]
    pub fn saturating_since(self, earlier: Self) -> Duration {
        let millis = self.millis.saturating_sub(earlier.millis);
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let millis = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
        };
        Self::from_unix_millis(millis)
    }
}

impl fmt::Display for Timestamp {
    /// Whole seconds print without a fraction, others with three digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, millis) = (self.millis.div_euclid(DAY), self.millis.rem_euclid(DAY));
        let (year, month, day) = civil_from_days(days);
        let seconds = millis / 1_000;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}",
            seconds / 3_600,
            seconds / 60 % 60,
            seconds % 60,
        )?;
        match millis % 1_000 {
            0 => f.write_str("Z"),
            fraction => write!(f, ".{fraction:03}Z"),
        }
    }
}

/// The number two digits make.
fn two(tens: u8, ones: u8) -> Option<i64> {
    let is_number = tens.is_ascii_digit() && ones.is_ascii_digit();
    is_number.then(|| i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
}

/// What stands behind the seconds: milliseconds, and those that the offset is ahead of UTC.
fn rest_of(rest: &[u8]) -> Option<(i64, i64)> {
    let (fraction, zone) = match rest.strip_prefix(b".") {
        None => (0, rest),
        Some(digits) => {
            let length = digits.iter().take_while(|b| b.is_ascii_digit()).count();
            if length == 0 {
                return None;
            }
            let (digits, zone) = digits.split_at(length);
            let places = digits.iter().chain(b"00").take(3);
            let fraction = places.fold(0, |millis, digit| millis * 10 + i64::from(digit - b'0'));
            (fraction, zone)
        }
    };
    let offset = match *zone {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), h0, h1, b':', m0, m1] => {
            let (hours, minutes) = (two(h0, h1)?, two(m0, m1)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let offset = (hours * 60 + minutes) * 60_000;
            if sign == b'-' { -offset } else { offset }
        }
        _ => return None,
    };
    Some((fraction, offset))
}

/// Days since 1970-01-01 of a date in the proleptic Gregorian calendar, by Hinnant's algorithm.
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`].
const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

const fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_and_reads_the_same_moment() {
        for text in [
            "1970-01-01T00:00:00Z",
            "2026-11-20T10:15:01Z",
            "2024-02-29T23:59:59.007Z",
            "0000-01-01T00:00:00Z",
            "9999-12-31T23:59:59.999Z",
        ] {
            assert_eq!(Timestamp::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn reads_offsets_and_long_fractions() {
        let read = |text| Timestamp::parse(text).unwrap().to_string();
        assert_eq!(read("2026-01-01T01:00:00+01:00"), "2026-01-01T00:00:00Z");
        assert_eq!(
            read("2025-12-31t19:00:00.1-05:00"),
            "2026-01-01T00:00:00.100Z"
        );
        assert_eq!(
            read("2026-01-01T00:00:00.1239999Z"),
            "2026-01-01T00:00:00.123Z"
        );
    }

    #[test]
    fn the_next_month_begins_on_its_first_day() {
        let next = |text| Timestamp::parse(text).unwrap().next_month().to_string();
        assert_eq!(next("2026-11-20T10:15:01Z"), "2026-12-01T00:00:00Z");
        assert_eq!(next("2026-12-01T00:00:00Z"), "2027-01-01T00:00:00Z");
    }

    #[test]
    fn refuses_what_is_no_moment() {
        for text in [
            "",
            "2026-11-20",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00Zx",
            "2026-01-01T00:00:00+1:00",
            "é026-01-01T00:00:00Z",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }
}
