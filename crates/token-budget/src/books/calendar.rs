//! Days and months in UTC, as numbers.

use crate::Per;

/// A period of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Period {
    /// Grows by one from each period to the next.
    pub(crate) number: u64,
    /// Its end, in milliseconds since 1970.
    pub(crate) end: u64,
}

const DAY: u64 = 86_400_000;
/// Days from 1 March of the year 0 to 1 January 1970.
const EPOCH: u64 = 719_468;
/// Days of 400 years.
const ERA: u64 = 146_097;

// === impl Period ===

impl Period {
    /// The period a moment is in, in milliseconds since 1970.
    pub(crate) const fn of(per: Per, now: u64) -> Self {
        let day = now / DAY;
        if !matches!(per, Per::Month) {
            return Self {
                number: day,
                end: (day + 1).saturating_mul(DAY),
            };
        }
        // Years that begin in March have their leap day at their end.
        let days = day + EPOCH;
        let (era, of_era) = (days / ERA, days % ERA);
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let next = month + 1;
        let first_of_next = if next == 12 {
            365 + leap_day_of(year + 1)
        } else {
            (153 * next + 2) / 5
        };
        let end = day + first_of_next - of_year;
        Self {
            number: (era * 400 + year) * 12 + month,
            end: end.saturating_mul(DAY),
        }
    }
}

/// 1 if the year of the era, which begins in March, is preceded by a leap day.
const fn leap_day_of(year: u64) -> u64 {
    if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) {
        1
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use tower_claude_core::Timestamp;

    use super::*;

    fn at(text: &str) -> u64 {
        let at = Timestamp::parse(text).unwrap();
        u64::try_from(at.unix_millis()).unwrap()
    }

    #[test]
    fn a_day_ends_at_midnight() {
        let before = Period::of(Per::Day, at("2026-11-20T23:59:59.999Z"));
        let after = Period::of(Per::Day, at("2026-11-21T00:00:00Z"));
        assert_eq!(before.end, at("2026-11-21T00:00:00Z"));
        assert_eq!(after.number, before.number + 1);
    }

    #[test]
    fn every_month_of_five_centuries_ends_where_the_next_begins() {
        let mut now = 0;
        for month in 0..500 * 12 {
            let this = Period::of(Per::Month, now);
            let last = Period::of(Per::Month, this.end - 1);
            let next = Period::of(Per::Month, this.end);
            assert_eq!(last, this, "month {month}");
            assert_eq!(next.number, this.number + 1, "month {month}");
            let text = Timestamp::from_unix_millis(i64::try_from(this.end).unwrap()).to_string();
            assert!(text.contains("-01T00:00:00"), "{text}");
            now = this.end;
        }
    }

    #[test]
    fn leap_days_belong_to_february() {
        for (moment, end) in [
            ("2028-02-29T12:00:00Z", "2028-03-01T00:00:00Z"),
            ("2026-02-28T12:00:00Z", "2026-03-01T00:00:00Z"),
            ("2000-02-29T12:00:00Z", "2000-03-01T00:00:00Z"),
            ("2100-02-28T12:00:00Z", "2100-03-01T00:00:00Z"),
            ("2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z"),
        ] {
            assert_eq!(Period::of(Per::Month, at(moment)).end, at(end), "{moment}");
        }
    }
}
