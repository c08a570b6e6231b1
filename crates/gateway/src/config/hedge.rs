use std::num::NonZeroU8;
use std::time::Duration;

use toml::de::DeValue;

use super::duration::duration;
use super::reader::Value;

/// `failover.hedge`: when a silent target's call is also sent to another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hedge {
    /// After longer than this many of a hundred calls take to their first content.
    pub percentile: NonZeroU8,
    /// But not before.
    pub at_least: Duration,
    /// Of a hundred calls, how many may be sent twice.
    pub budget_percent: NonZeroU8,
}

const NEVER: &[(&str, Option<Hedge>)] = &[("never", None)];

const NINETY_FIVE: NonZeroU8 = NonZeroU8::MIN.saturating_add(94);
const FIVE: NonZeroU8 = NonZeroU8::MIN.saturating_add(4);

// === impl Hedge ===

impl Hedge {
    /// Reads it, or the word for none; there are so many targets.
    pub(super) fn read(value: &Value<'_>, targets: usize) -> Option<Option<Self>> {
        let DeValue::Table(_) = value.node() else {
            return value.choice(NEVER);
        };
        let mut table = value.table("failover.hedge")?;
        let hedge = Self {
            percentile: table.or("percentile", percent, NINETY_FIVE),
            at_least: table.or("at_least", duration, Duration::from_secs(1)),
            budget_percent: table.or("budget_percent", percent, FIVE),
        };
        table.finish();
        if targets == 1 {
            let message = format!("`{}` needs a second target to ask", value.name());
            value.warning(message, "add one, or remove it");
        }
        Some(Some(hedge))
    }
}

/// Reads a whole number of 1 to 100.
fn percent(value: &Value<'_>) -> Option<NonZeroU8> {
    let percent: i128 = value.integer()?;
    match u8::try_from(percent).ok().and_then(NonZeroU8::new) {
        Some(percent) if percent.get() <= 100 => Some(percent),
        _ => value.error(
            format!("`{}` is no percentage", value.name()),
            "write 1 to 100",
        ),
    }
}
