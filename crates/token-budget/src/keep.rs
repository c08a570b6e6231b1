//! The books as those see them who do not know which store keeps them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::learned::{Learned, LearnedKey};
use crate::outage::Outage;
use crate::{BudgetStore, Reservation, Reserved, Settlement, StoreError};

/// A store, what is learned from what it is told, and what holds while it is away.
#[derive(Debug)]
pub(crate) struct Books<St> {
    pub(crate) store: Arc<St>,
    pub(crate) learned: Arc<Learned>,
    pub(crate) outage: Outage,
}

/// The part of [`Books`] that bodies need, without the type of the store.
pub(crate) trait Keep {
    fn extend(&self, total: Reservation) -> Extending;
    /// `leased` tells what this process has granted on its own.
    fn settle(&self, settlement: Settlement, leased: bool);
    fn observe(&self, key: LearnedKey, output: u64, lasted: Duration);
}

/// The answer to an extension, to come.
pub(crate) type Extending = Pin<Box<dyn Future<Output = Result<Reserved, StoreError>> + Send>>;

// === impl Books ===

impl<St> Books<St> {
    pub(crate) fn new(store: St) -> Self {
        Self {
            store: Arc::new(store),
            learned: Arc::default(),
            outage: Outage::new(),
        }
    }

    /// The same books with another policy for when the store is away.
    pub(crate) fn with_outage(&self, edit: impl FnOnce(&mut Outage)) -> Self {
        let mut outage = self.outage.clone();
        edit(&mut outage);
        Self {
            store: Arc::clone(&self.store),
            learned: Arc::clone(&self.learned),
            outage,
        }
    }
}

impl<St> Keep for Books<St>
where
    St: BudgetStore,
{
    fn extend(&self, total: Reservation) -> Extending {
        Box::pin(self.store.extend(total))
    }

    fn settle(&self, settlement: Settlement, leased: bool) {
        if leased {
            self.outage.settle(settlement.clone());
        }
        self.store.settle(settlement);
    }

    fn observe(&self, key: LearnedKey, output: u64, lasted: Duration) {
        self.learned.observe(key, output, lasted);
    }
}
