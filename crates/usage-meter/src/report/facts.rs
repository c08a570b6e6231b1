use tower_claude_core::Timestamp;
use tower_claude_pricing::Cost;

use super::ReportSums;
use crate::Outcome;
use crate::snapshot::Totals;

/// What a report takes from a line of the ledger, whichever way it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts<'a> {
    pub(super) timestamp: Timestamp,
    pub(super) tenant: Option<&'a str>,
    pub(super) user: Option<&'a str>,
    pub(super) feature: Option<&'a str>,
    pub(super) session: Option<&'a str>,
    pub(super) endpoint: Option<&'a str>,
    pub(super) model: Option<&'a str>,
    pub(super) served_model: Option<&'a str>,
    pub(super) target: Option<&'a str>,
    pub(super) platform: Option<&'a str>,
    pub(super) status: Option<u16>,
    pub(super) outcome: Outcome,
    pub(super) input_tokens: Option<u64>,
    pub(super) output_tokens: Option<u64>,
    pub(super) cache_read_input_tokens: Option<u64>,
    pub(super) cache_creation_5m_input_tokens: Option<u64>,
    pub(super) cache_creation_1h_input_tokens: Option<u64>,
    pub(super) web_search_requests: Option<u64>,
    pub(super) service_tier: Option<&'a str>,
    pub(super) cost: Option<Cost>,
}

// === impl Facts ===

impl Facts<'_> {
    /// The outcome of a word; a word of another build's is a line that cannot be read.
    pub(super) fn outcome(word: &str) -> Option<Outcome> {
        Outcome::ALL
            .into_iter()
            .find(|outcome| outcome.as_str() == word)
    }

    /// The sums of this call alone.
    pub(super) fn sums(&self) -> ReportSums {
        let one = |is: bool| u64::from(is);
        let writes = [
            self.cache_creation_5m_input_tokens,
            self.cache_creation_1h_input_tokens,
        ];
        ReportSums {
            totals: Totals {
                requests: 1,
                complete: one(self.outcome == Outcome::Complete),
                refused: one(self.outcome == Outcome::Refused),
                errored: one(self.outcome == Outcome::Errored),
                truncated: one(self.outcome == Outcome::Truncated),
                dropped: one(self.outcome == Outcome::Dropped),
                input_tokens: self.input_tokens.unwrap_or(0),
                output_tokens: self.output_tokens.unwrap_or(0),
                cache_read_input_tokens: self.cache_read_input_tokens.unwrap_or(0),
                cache_creation_input_tokens: writes
                    .into_iter()
                    .flatten()
                    .fold(0, u64::saturating_add),
                cost: self.cost.unwrap_or(Cost::ZERO),
                unpriced: one(self.cost.is_none()),
            },
            web_search_requests: self.web_search_requests.unwrap_or(0),
        }
    }
}
