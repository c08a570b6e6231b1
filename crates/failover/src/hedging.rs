use std::time::Duration;

use tower_claude_core::{Call, Endpoint};

use crate::hedge_budget::HedgeBudget;
use crate::latency::Latency;
use crate::{Hedge, ModelClass};

/// When calls are asked elsewhere as well, and what is known for it.
#[derive(Debug)]
pub(crate) struct Hedging {
    hedge: Hedge,
    budget: HedgeBudget,
    /// By class of models, plain answers apart from streams: those are good at their end, and
    /// streams at their first content.
    latencies: [[Latency; 2]; ModelClass::ALL.len()],
}

// === impl Hedging ===

impl Hedging {
    pub(crate) fn new(hedge: Hedge) -> Self {
        Self {
            budget: HedgeBudget::new(&hedge),
            latencies: Default::default(),
            hedge,
        }
    }

    /// A call came in.
    pub(crate) fn deposit(&self) {
        self.budget.deposit();
    }

    /// What `ask` gives for asking one more target, if that can be paid.
    pub(crate) fn pay<T>(&self, ask: impl FnOnce() -> Option<T>) -> Option<T> {
        let asked = self.budget.withdraw().then(ask)?;
        if asked.is_none() {
            self.budget.refund();
        }
        asked
    }

    /// An answer to a call was good after so long.
    pub(crate) fn record(&self, class: ModelClass, call: &Call, latency: Duration) {
        if call.endpoint() == Endpoint::Messages {
            self.latency(class, call).record(latency);
        }
    }

    /// How long to wait before another target is asked as well; `None` is for ever.
    ///
    /// Calls with thinking in them are better off where they are.
    pub(crate) fn wait(&self, class: ModelClass, call: &Call) -> Option<Duration> {
        if call.endpoint() != Endpoint::Messages || call.has_thinking() {
            return None;
        }
        self.hedge.wait(self.latency(class, call))
    }

    fn latency(&self, class: ModelClass, call: &Call) -> &Latency {
        &self.latencies[class.index()][usize::from(call.is_stream())]
    }
}
