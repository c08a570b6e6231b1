use std::time::{SystemTime, UNIX_EPOCH};

/// A day in UTC, from which a price holds or on which a call was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(u32);

const SECONDS: u64 = 86_400;

// === impl Day ===

impl Day {
    /// The first day there is: 1 January 1970.
    pub const EPOCH: Self = Self(0);

    /// So many days after the Unix epoch.
    #[must_use]
    pub const fn from_days_since_epoch(days: u32) -> Self {
        Self(days)
    }

    /// The day of a Unix time in seconds; saturates.
    #[must_use]
    pub fn from_unix_seconds(seconds: u64) -> Self {
        Self(u32::try_from(seconds / SECONDS).unwrap_or(u32::MAX))
    }

    /// The day of a date in the Gregorian calendar, or `None` if there is none since the epoch.
    #[must_use]
    pub const fn from_date(year: u16, month: u8, day: u8) -> Option<Self> {
        if year < 1970 || month < 1 || month > 12 || day < 1 || day > days_in(year, month) {
            return None;
        }
        let mut days = day as u32 - 1;
        let mut earlier = month;
        while earlier > 1 {
            earlier -= 1;
            days += days_in(year, earlier) as u32;
        }
        let year = year as u32;
        days += (year - 1970) * 365;
        Some(Self(days + leap_days(year - 1) - leap_days(1969)))
    }

    /// Days since the Unix epoch.
    #[must_use]
    pub const fn days_since_epoch(self) -> u32 {
        self.0
    }
}

impl From<SystemTime> for Day {
    /// Times before the epoch are read as the epoch.
    fn from(time: SystemTime) -> Self {
        time.duration_since(UNIX_EPOCH)
            .map_or(Self::EPOCH, |since| {
                Self::from_unix_seconds(since.as_secs())
            })
    }
}

/// How many leap days there are up to the end of a year.
const fn leap_days(year: u32) -> u32 {
    year / 4 - year / 100 + year / 400
}

const fn days_in(year: u16, month: u8) -> u8 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dates_are_days_since_the_epoch() {
        for ((year, month, day), days) in [
            ((1970, 1, 1), 0),
            ((1970, 12, 31), 364),
            ((1972, 3, 1), 790),
            ((2000, 2, 29), 11_016),
            ((2026, 10, 7), 20_733),
            ((2100, 3, 1), 47_541),
        ] {
            assert_eq!(Day::from_date(year, month, day), Some(Day(days)));
        }
    }

    #[test]
    fn what_is_no_date_is_no_day() {
        for (year, month, day) in [
            (1969, 12, 31),
            (2026, 0, 1),
            (2026, 13, 1),
            (2026, 1, 0),
            (2026, 2, 29),
            (2100, 2, 29),
            (2026, 4, 31),
        ] {
            assert_eq!(Day::from_date(year, month, day), None);
        }
    }

    #[test]
    fn a_day_ends_at_midnight_utc() {
        let october_seventh = Day::from_date(2026, 10, 7).unwrap();
        assert!(Day::from_unix_seconds(1_791_331_199) < october_seventh);
        assert_eq!(Day::from_unix_seconds(1_791_331_200), october_seventh);
        assert_eq!(Day::from_unix_seconds(u64::MAX), Day(u32::MAX));
        assert_eq!(Day::from(UNIX_EPOCH - Duration::from_secs(1)), Day::EPOCH);
        assert_eq!(Day::from(UNIX_EPOCH + Duration::from_secs(86_400)), Day(1));
    }
}
