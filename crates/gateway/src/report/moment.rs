use std::fmt;
use std::str::FromStr;

use tower_claude::core::Timestamp;

/// A moment as the command line has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Moment {
    /// This one.
    At(Timestamp),
    /// So many milliseconds before the command is run.
    Ago(i64),
}

/// A text that is no [`Moment`]; its text says what is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseMomentError;

// === impl Moment ===

impl Moment {
    /// When that is for a command that is run now.
    #[must_use]
    pub const fn seen_from(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(timestamp) => timestamp,
            Self::Ago(millis) => {
                Timestamp::from_unix_millis(now.unix_millis().saturating_sub(millis))
            }
        }
    }

    /// Reads an age such as `7d`.
    fn ago(text: &str) -> Option<i64> {
        let unit = text.chars().next_back()?;
        let seconds = match unit {
            'd' => 86_400,
            'h' => 3_600,
            'm' => 60,
            _ => return None,
        };
        let number = text.strip_suffix(unit)?;
        let is_plain = number.bytes().all(|byte| byte.is_ascii_digit());
        let number: i64 = number.parse().ok().filter(|_| is_plain)?;
        number.checked_mul(seconds * 1_000)
    }
}

impl FromStr for Moment {
    type Err = ParseMomentError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(millis) = Self::ago(text) {
            return Ok(Self::Ago(millis));
        }
        let timestamp = match text.len() {
            10 => Timestamp::parse(&format!("{text}T00:00:00Z")),
            _ => Timestamp::parse(text),
        };
        timestamp.map(Self::At).ok_or(ParseMomentError)
    }
}

// === impl ParseMomentError ===

impl fmt::Display for ParseMomentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a moment like YYYY-MM-DDThh:mm:ssZ, a day like YYYY-MM-DD, or an age like 7d, 24h or 30m",
        )
    }
}

impl std::error::Error for ParseMomentError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        let now = Timestamp::parse("2026-11-20T10:15:01Z").unwrap();
        let moment: Moment = text.parse().ok()?;
        Some(moment.seen_from(now).to_string())
    }

    #[test]
    fn reads_moments_days_and_ages() {
        for (text, moment) in [
            ("2026-11-01T08:00:00+01:00", "2026-11-01T07:00:00Z"),
            ("2026-11-01", "2026-11-01T00:00:00Z"),
            ("7d", "2026-11-13T10:15:01Z"),
            ("24h", "2026-11-19T10:15:01Z"),
            ("30m", "2026-11-20T09:45:01Z"),
            ("0m", "2026-11-20T10:15:01Z"),
            ("99999999d", "0000-01-01T00:00:00Z"),
        ] {
            assert_eq!(read(text).as_deref(), Some(moment), "{text}");
        }
    }

    #[test]
    fn refuses_what_could_be_meant_otherwise() {
        for text in [
            "",
            "d",
            "7",
            "-7d",
            "+7d",
            "7 d",
            "7D",
            "1.5h",
            "7s",
            "9223372036854775807d",
            "99999999999999999999d",
            "2026-11",
            "2026-02-30",
            "20261101",
            "2026-11-01T08:00:00",
            "yesterday",
            "٧d",
            "7é",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
