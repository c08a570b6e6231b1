use std::num::NonZeroUsize;
use std::time::Duration;

use toml::de::DeValue;

use super::duration::{duration, timeout};
use super::reader::Value;

/// `failover.wait`: calls that wait for a target to open instead of being refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Wait {
    /// How many may wait at a time.
    pub calls: NonZeroUsize,
    /// How long a call may; one that would have to wait longer is refused at once.
    pub longest: Duration,
    /// How long a call with thinking in it waits for its own target though others are open.
    pub stay: Duration,
}

const NEVER: &[(&str, Option<Wait>)] = &[("never", None)];

// === impl Wait ===

impl Wait {
    pub(super) const DEFAULT: Self = Self {
        calls: NonZeroUsize::MIN.saturating_add(1_023),
        longest: Duration::from_secs(5),
        stay: Duration::from_secs(2),
    };

    /// Reads it, or the word for none.
    pub(super) fn read(value: &Value<'_>) -> Option<Option<Self>> {
        let DeValue::Table(_) = value.node() else {
            return value.choice(NEVER);
        };
        let mut table = value.table("failover.wait")?;
        let mut wait = Self {
            calls: table.or("calls", calls, Self::DEFAULT.calls),
            longest: table.or("longest", timeout, Self::DEFAULT.longest),
            stay: Self::DEFAULT.stay,
        };
        let stay = table.optional("stay", |value| stay(value, wait.longest));
        wait.stay = stay.unwrap_or(wait.stay);
        table.finish();
        Some(Some(wait))
    }
}

fn stay(value: &Value<'_>, longest: Duration) -> Option<Duration> {
    let stay = duration(value)?;
    if stay > longest {
        let message = format!("`{}` is more than `longest`", value.name());
        value.warning(message, "no call waits longer than that");
    }
    Some(stay)
}

fn calls(value: &Value<'_>) -> Option<NonZeroUsize> {
    match value.integer() {
        Some(0) => value.error(
            format!("`{}` is zero", value.name()),
            "write 1 or more, or `wait = \"never\"`",
        ),
        Some(calls) => NonZeroUsize::new(calls),
        None => None,
    }
}
