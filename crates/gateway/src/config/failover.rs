use std::num::NonZeroU32;
use std::time::Duration;

use super::duration::timeout;
use super::reader::{TableReader, Value};

/// `[failover]`: when a target is left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failover {
    /// One for each target and model class.
    pub breaker: Breaker,
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
    pub(super) fn read(mut table: TableReader<'_>) -> Self {
        let failover = Self {
            breaker: Breaker::read(table.section("breaker", "failover.breaker")),
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
