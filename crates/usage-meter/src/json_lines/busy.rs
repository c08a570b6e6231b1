use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

/// Whether a writer is at something, so that others see when it is stuck.
#[derive(Debug)]
pub(crate) struct Busy {
    base: Instant,
    /// When the try under way began, in milliseconds after `base`, and one more; 0 if there is
    /// none.
    since: AtomicU64,
    /// How often the disk has answered, whatever it said.
    steps: AtomicU64,
}

// === impl Busy ===

impl Busy {
    pub(super) fn begin(&self) {
        let millis = u64::try_from(self.base.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.since.store(millis.saturating_add(1), Relaxed);
    }

    pub(super) fn end(&self) {
        self.since.store(0, Relaxed);
    }

    pub(super) fn step(&self) {
        self.steps.fetch_add(1, Relaxed);
    }

    pub(super) fn steps(&self) -> u64 {
        self.steps.load(Relaxed)
    }

    /// Whether one try has taken longer than this by now.
    pub(crate) fn is_beyond(&self, most: Duration) -> bool {
        let Some(since) = self.since.load(Relaxed).checked_sub(1) else {
            return false;
        };
        let elapsed = self.base.elapsed();
        elapsed.saturating_sub(Duration::from_millis(since)) > most
    }
}

impl Default for Busy {
    fn default() -> Self {
        Self {
            base: Instant::now(),
            since: AtomicU64::new(0),
            steps: AtomicU64::new(0),
        }
    }
}
