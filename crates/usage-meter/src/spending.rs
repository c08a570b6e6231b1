use metrics::{Counter, Gauge};
use tower_claude_pricing::Cost;

use crate::UsageRecord;

/// The handles of what one tenant spends on one feature and model.
pub(crate) struct Spending {
    pub(crate) input: Counter,
    pub(crate) output: Counter,
    pub(crate) cache_read: Counter,
    pub(crate) cache_creation_5m: Counter,
    pub(crate) cache_creation_1h: Counter,
    pub(crate) cost: Gauge,
}

// === impl Spending ===

impl Spending {
    pub(crate) fn record(&self, record: &UsageRecord) {
        let counts = [
            (&self.input, record.input_tokens),
            (&self.output, record.output_tokens),
            (&self.cache_read, record.cache_read_input_tokens),
            (
                &self.cache_creation_5m,
                record.cache_creation_5m_input_tokens,
            ),
            (
                &self.cache_creation_1h,
                record.cache_creation_1h_input_tokens,
            ),
        ];
        for (counter, tokens) in counts {
            if let Some(tokens @ 1..) = tokens {
                counter.increment(tokens);
            }
        }
        if let Some(cost) = record.cost.filter(|cost| !cost.is_zero()) {
            self.cost.increment(dollars(cost));
        }
    }
}

/// The amount as a binary fraction; nothing is added up that way before this.
#[expect(clippy::cast_precision_loss, reason = "metrics are binary fractions")]
fn dollars(cost: Cost) -> f64 {
    cost.pico_dollars() as f64 / 1e12
}
