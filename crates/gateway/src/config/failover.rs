use std::num::NonZeroU32;
use std::time::Duration;

use super::duration::timeout;
use super::fallback::Fallback;
use super::hedge::Hedge;
use super::known_models::KnownModels;
use super::reader::{TableReader, Value};
use super::wait::Wait;

/// `[failover]`: when a target is left alone, and what calls do then.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failover {
    /// One for each target and model class.
    pub breaker: Breaker,
    /// How calls wait while no target is open; `None` is not at all.
    pub wait: Option<Wait>,
    /// When a second target is asked as well; not by default.
    pub hedge: Option<Hedge>,
    /// Models that stand in for others, the most exact names first; none by default.
    pub fallbacks: Vec<Fallback>,
    /// Whether a text that breaks off is gone on with; not by default.
    pub continue_text: bool,
}

/// When a target's failures keep calls away from it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Breaker {
    /// How many failures open it.
    pub failures: NonZeroU32,
    /// Within how long.
    pub window: Duration,
    /// How long it stays open before a probe.
    pub open: Duration,
}

// === impl Failover ===

impl Failover {
    /// `targets` is how many of them the file has.
    pub(super) fn read(
        mut table: TableReader<'_>,
        known: &KnownModels<'_>,
        targets: usize,
    ) -> Self {
        let hedge = |value: &Value<'_>| Hedge::read(value, targets);
        let fallbacks = |value: &Value<'_>| Fallback::read_all(value, known);
        let failover = Self {
            breaker: Breaker::read(table.section("breaker", "failover.breaker")),
            wait: table.or("wait", Wait::read, Some(Wait::DEFAULT)),
            hedge: table.or("hedge", hedge, None),
            fallbacks: table.or("fallbacks", fallbacks, Vec::new()),
            continue_text: table.or("continue_text", Value::boolean, false),
        };
        table.finish();
        failover
    }
}

// === impl Breaker ===

impl Breaker {
    fn read(mut table: TableReader<'_>) -> Self {
        let five = NonZeroU32::MIN.saturating_add(4);
        let breaker = Self {
            failures: table.or("failures", Value::positive, five),
            window: table.or("window", timeout, Duration::from_secs(30)),
            open: table.or("open", timeout, Duration::from_secs(15)),
        };
        table.finish();
        breaker
    }
}
