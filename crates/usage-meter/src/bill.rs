use std::sync::Arc;

use tower_claude_core::{Attempt, End, Endpoint, Metered, Platform, Target};
use tower_claude_pricing::{self as pricing, Cost, Day, PriceTable, Unpriced};

use crate::metered::{Output, served_model};
use crate::{UsageRecord, UsageSource};

/// Says what the attempts of one call cost.
pub(crate) struct Biller<'a> {
    table: &'a PriceTable,
    endpoint: Endpoint,
    asked: Option<Arc<str>>,
    day: Day,
    has_priced: bool,
}

// === impl Biller ===

impl<'a> Biller<'a> {
    pub(crate) fn new(table: &'a PriceTable, record: &UsageRecord) -> Self {
        let seconds = record.timestamp.unix_millis() / 1_000;
        Self {
            table,
            endpoint: record.endpoint,
            asked: record.model.clone(),
            day: Day::from_unix_seconds(u64::try_from(seconds).unwrap_or(0)),
            has_priced: false,
        }
    }

    /// The version of the prices, if one of them was applied.
    pub(crate) fn version(&self) -> Option<&'static str> {
        self.has_priced.then(|| self.table.version())
    }

    /// Whether nothing at this endpoint is ever billed.
    pub(crate) const fn is_free(&self) -> bool {
        matches!(
            self.endpoint,
            Endpoint::CountTokens
                | Endpoint::Models
                | Endpoint::Files
                | Endpoint::Hello
                | Endpoint::Unknown
        )
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
        // An error before content is not billed, although usage may have been reported.
        if metered.end == Some(End::Errored) && !metered.has_content {
            return Ok(Cost::ZERO);
        }
        // The items of a batch are billed by its results; what passes unread is not known.
        if self.endpoint != Endpoint::Messages || !metered.usage.is_known() {
            return Err(Unpriced::UsageMissing);
        }
        self.price(metered, target)
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

    fn price(&mut self, metered: &Metered, target: Option<&Target>) -> Result<Cost, Unpriced> {
        let asked = self.asked.as_deref();
        let served = served_model(metered).or(asked).unwrap_or_default();
        let mut call = pricing::Call::new(served, self.day)
            .platform(target.map_or(pricing::Platform::Anthropic, platform))
            .refused(metered.stop_reason.as_deref() == Some("refusal"));
        if let Some(asked) = asked {
            call = call.asked(asked);
            if let Some(sent) = target.and_then(|target| target.model_here(asked)) {
                call = call.sent(sent);
            }
        }
        self.has_priced = true;
        let output = Output::of(metered);
        if output.source == UsageSource::Exact {
            return self.table.cost(&call, &metered.usage);
        }
        let mut usage = metered.usage.clone();
        usage.output_tokens = output.tokens;
        self.table.cost(&call, &usage)
    }
}

pub(crate) fn is_success(status: Option<u16>) -> bool {
    status.is_some_and(|status| (200..300).contains(&status))
}

fn platform(target: &Target) -> pricing::Platform {
    match target.speaks() {
        Platform::Bedrock => pricing::Platform::Bedrock,
        Platform::Vertex => pricing::Platform::Vertex,
        Platform::Foundry => pricing::Platform::Foundry,
        _ => pricing::Platform::Anthropic,
    }
}
