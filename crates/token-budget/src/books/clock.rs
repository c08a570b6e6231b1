use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use tokio::time::Instant;
use tower_claude_core::Timestamp;

/// A clock that stands until it is set: for tests of what happens at midnight, or when clocks
/// jump. A clone is the same clock.
#[derive(Clone)]
pub struct ManualClock(Arc<AtomicU64>);

/// The clock of a memory store.
#[derive(Clone, Debug)]
pub(crate) enum Clock {
    /// The time when the store was made, and what has passed since on tokio's clock.
    Running {
        began: Instant,
        began_at: u64,
    },
    Manual(ManualClock),
}

// === impl ManualClock ===

impl ManualClock {
    /// A clock that says `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self(Arc::new(AtomicU64::new(millis(now))))
    }

    /// Sets it, forward or back.
    pub fn set(&self, now: Timestamp) {
        self.0.store(millis(now), SeqCst);
    }

    /// What it says, in milliseconds since 1970.
    #[must_use]
    pub fn millis(&self) -> u64 {
        self.0.load(SeqCst)
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ManualClock({})", self.millis())
    }
}

// === impl Clock ===

impl Clock {
    pub(crate) fn running() -> Self {
        Self::Running {
            began: Instant::now(),
            began_at: millis(Timestamp::now()),
        }
    }

    /// Milliseconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        match self {
            Self::Running { began, began_at } => {
                let elapsed = Instant::now().saturating_duration_since(*began);
                let elapsed = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
                began_at.saturating_add(elapsed)
            }
            Self::Manual(clock) => clock.millis(),
        }
    }
}

fn millis(at: Timestamp) -> u64 {
    u64::try_from(at.unix_millis()).unwrap_or(0)
}
