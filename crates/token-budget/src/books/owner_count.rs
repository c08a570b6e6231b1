use super::sync::{AtomicUsize, Ordering::Relaxed};

/// How many owners are in the books of all shards; never more than the books were made for.
///
/// `tests/interleavings.rs` tries it in every order of its steps.
#[derive(Debug)]
pub(crate) struct OwnerCount {
    owners: AtomicUsize,
    most: usize,
}

// === impl OwnerCount ===

impl OwnerCount {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            owners: AtomicUsize::new(0),
            most,
        }
    }

    pub(crate) fn get(&self) -> usize {
        self.owners.load(Relaxed)
    }

    pub(crate) const fn most(&self) -> usize {
        self.most
    }

    /// Counts one more, if that is not too many.
    pub(crate) fn enter(&self) -> bool {
        self.owners
            .fetch_update(Relaxed, Relaxed, |owners| {
                (owners < self.most).then_some(owners + 1)
            })
            .is_ok()
    }

    /// So many have left.
    pub(crate) fn leave(&self, owners: usize) {
        if owners > 0 {
            self.owners.fetch_sub(owners, Relaxed);
        }
    }
}
