use std::sync::Arc;

use tower_claude_core::{Attempt, Endpoint, Metered, Target};
use tower_claude_pricing::{Answered, Cost, Day, PriceTable, Unpriced};

use crate::UsageRecord;
use crate::shared::Settings;

/// Says what the attempts of one call cost.
pub(crate) struct Biller<'a> {
    table: &'a PriceTable,
    endpoint: Endpoint,
    asked: Option<Arc<str>>,
    day: Day,
    /// Whether what batches cost is in records of their results.
    meters_results: bool,
    has_priced: bool,
}

// === impl Biller ===

impl<'a> Biller<'a> {
    pub(crate) fn new(table: &'a PriceTable, record: &UsageRecord, settings: &Settings) -> Self {
        let seconds = record.timestamp.unix_millis() / 1_000;
        Self {
            table,
            endpoint: record.endpoint,
            asked: record.model.clone(),
            day: Day::from_unix_seconds(u64::try_from(seconds).unwrap_or(0)),
            meters_results: settings.batch_results.is_some(),
            has_priced: false,
        }
    }

    /// The version of the prices, if one of them was applied.
    pub(crate) fn version(&self) -> Option<&'static str> {
        self.has_priced.then(|| self.table.version())
    }

    /// Whether no call to this endpoint costs anything.
    pub(crate) const fn is_free(&self) -> bool {
        match self.endpoint {
            Endpoint::CountTokens
            | Endpoint::Models
            | Endpoint::Files
            | Endpoint::Hello
            | Endpoint::Unknown => true,
            Endpoint::Batches => self.meters_results,
            _ => false,
        }
    }

    /// What an answer costs, as far as it has come.
    pub(crate) fn answer(
        &mut self,
        status: Option<u16>,
        metered: &Metered,
        target: Option<&Target>,
    ) -> Result<Cost, Unpriced> {
        if self.is_free() || !is_success(status) {
            return Ok(Cost::ZERO);
        }
        // What passes unread is not known.
        if self.endpoint != Endpoint::Messages {
            return Err(Unpriced::UsageMissing);
        }
        self.has_priced |= metered.usage.is_known();
        let known = Answered {
            asked: self.asked.as_deref(),
            target,
            at: self.day,
        };
        self.table.answer_cost(metered, known)
    }

    /// What an attempt costs whose answer the caller does not get.
    pub(crate) fn attempt(&mut self, attempt: &Attempt) -> Result<Cost, Unpriced> {
        let is_error = attempt.status.is_some() && !is_success(attempt.status);
        if self.is_free() || is_error {
            return Ok(Cost::ZERO);
        }
        match &attempt.usage {
            // An answer that is being read was a success.
            Some(cell) => {
                cell.read(|metered| self.answer(Some(200), metered, attempt.target.as_ref()))
            }
            None if attempt.failure.is_some_and(|kind| !kind.possibly_billed()) => Ok(Cost::ZERO),
            None => Err(Unpriced::UsageMissing),
        }
    }
}

pub(crate) fn is_success(status: Option<u16>) -> bool {
    status.is_some_and(|status| (200..300).contains(&status))
}
