use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// How the budget layer fares, for metrics. A clone is the same counters.
#[derive(Clone, Default)]
pub struct BudgetStats(Arc<Counts>);

#[derive(Default)]
struct Counts {
    is_down: AtomicBool,
    leased: AtomicU64,
    allowed: AtomicU64,
    refused: AtomicU64,
    warned: AtomicU64,
    stopped: AtomicU64,
}

// === impl BudgetStats ===

impl BudgetStats {
    /// Whether the store answered when it was asked last.
    #[must_use]
    pub fn is_store_up(&self) -> bool {
        !self.0.is_down.load(Relaxed)
    }

    /// Calls that passed within the share of this process while the store was away.
    #[must_use]
    pub fn leased(&self) -> u64 {
        self.0.leased.load(Relaxed)
    }

    /// Calls that passed unchecked while the store was away.
    #[must_use]
    pub fn allowed(&self) -> u64 {
        self.0.allowed.load(Relaxed)
    }

    /// Calls that were refused because the store was away.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Relaxed)
    }

    /// Calls that passed although a limit was spent, because it only warns.
    #[must_use]
    pub fn warned(&self) -> u64 {
        self.0.warned.load(Relaxed)
    }

    /// Streams that were ended because no more output could be set aside.
    #[must_use]
    pub fn stopped(&self) -> u64 {
        self.0.stopped.load(Relaxed)
    }

    pub(crate) fn store_answered(&self, is_up: bool) {
        // To read is cheaper than to write, and it hardly ever changes.
        if self.0.is_down.load(Relaxed) == is_up {
            self.0.is_down.store(!is_up, Relaxed);
        }
    }

    pub(crate) fn count_leased(&self) {
        self.0.leased.fetch_add(1, Relaxed);
    }

    pub(crate) fn count_allowed(&self) {
        self.0.allowed.fetch_add(1, Relaxed);
    }

    pub(crate) fn count_refused(&self) {
        self.0.refused.fetch_add(1, Relaxed);
    }

    pub(crate) fn count_warned(&self) {
        self.0.warned.fetch_add(1, Relaxed);
    }

    pub(crate) fn count_stopped(&self) {
        self.0.stopped.fetch_add(1, Relaxed);
    }
}

impl fmt::Debug for BudgetStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BudgetStats")
            .field("is_store_up", &self.is_store_up())
            .field("leased", &self.leased())
            .field("allowed", &self.allowed())
            .field("refused", &self.refused())
            .field("warned", &self.warned())
            .field("stopped", &self.stopped())
            .finish()
    }
}
