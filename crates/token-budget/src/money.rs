use std::sync::Arc;

use tower_claude_core::{Metered, Target, Timestamp};
use tower_claude_pricing::{Answered, Cost, Day, PriceTable, Unpriced};

/// What a call costs, where money is limited.
#[derive(Clone, Debug)]
pub(crate) struct Money {
    table: Arc<PriceTable>,
    asked: Arc<str>,
    at: Day,
}

// === impl Money ===

impl Money {
    pub(crate) fn new(table: Arc<PriceTable>, asked: &str) -> Self {
        let seconds = Timestamp::now().unix_millis() / 1_000;
        Self {
            table,
            asked: asked.into(),
            at: Day::from_unix_seconds(u64::try_from(seconds).unwrap_or(0)),
        }
    }

    /// The most that so many tokens can cost at a target, in nano-dollars.
    pub(crate) fn most(
        &self,
        target: Option<&Target>,
        input_tokens: u64,
        output_tokens: u64,
    ) -> Result<u64, Unpriced> {
        let cost = self
            .table
            .most_at(self.known(target), input_tokens, output_tokens);
        cost.map(Cost::nano_dollars_rounded_up)
    }

    /// What an answer costs, in nano-dollars; `None` if that cannot be told.
    pub(crate) fn of(&self, metered: &Metered, target: Option<&Target>) -> Option<u64> {
        let cost = self.table.answer_cost(metered, self.known(target));
        cost.map(Cost::nano_dollars_rounded_up).ok()
    }

    fn known<'a>(&'a self, target: Option<&'a Target>) -> Answered<'a> {
        Answered {
            asked: Some(&self.asked),
            target,
            at: self.at,
        }
    }
}
