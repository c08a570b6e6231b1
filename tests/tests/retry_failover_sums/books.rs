use std::num::NonZeroU64;

use tower_claude::core::Timestamp;
use tower_claude::token_budget::{
    BudgetStore as _, Limit, ManualClock, MemoryStore, Meter, Owner, Per, Plan, Plans, Subject,
};

use crate::sum::Sum;

/// The books of the only tenant.
pub(crate) struct Books {
    pub(crate) store: MemoryStore,
    pub(crate) plans: Plans,
}

// === impl Books ===

impl Books {
    pub(crate) fn new() -> Self {
        let plenty = NonZeroU64::new(1 << 50).unwrap();
        let plan = [Meter::InputTokens, Meter::OutputTokens]
            .into_iter()
            .map(|meter| Limit::new(meter, plenty, Per::Month))
            .chain([Limit::nano_dollars(plenty, Per::Month)])
            .fold(Plan::new("standard"), Plan::limit);
        Self {
            store: MemoryStore::by_clock(ManualClock::new(Timestamp::now())),
            plans: Plans::for_all(plan).unwrap(),
        }
    }

    /// What is spent; nothing may be held any more.
    pub(crate) async fn spent(&self) -> Sum {
        let plan = self.plans.get(None).unwrap();
        let subject = Subject::new(Owner::Anonymous);
        let usage = self.store.usage(&subject, &plan).await.unwrap();
        assert!(usage.iter().all(|limit| limit.held == 0), "{usage:?}");
        Sum {
            input: usage[0].spent,
            output: usage[1].spent,
            pico_dollars: u128::from(usage[2].spent) * 1_000,
        }
    }
}
