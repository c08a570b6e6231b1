use tower_claude_core::{End, IterationKind, Metered, Target};

use crate::call::Call;
use crate::cost::Cost;
use crate::day::Day;
use crate::platform::Platform;
use crate::price_table::PriceTable;
use crate::unpriced::Unpriced;

/// What is known of an answer to a message besides what it says itself.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'a> {
    /// The model that the caller asked for.
    pub asked: Option<&'a str>,
    /// Where it was answered.
    pub target: Option<&'a Target>,
    /// When the call began.
    pub at: Day,
}

// === impl PriceTable ===

impl PriceTable {
    /// What an answer to a message costs, as far as it has come.
    ///
    /// What an answer reports that broke off is a placeholder; then the output that was seen
    /// is priced, if that is more. An error in band before content is not billed.
    ///
    /// # Errors
    ///
    /// When it has reported no usage, or as [`cost`](Self::cost).
    pub fn answer_cost(&self, metered: &Metered, known: Answered<'_>) -> Result<Cost, Unpriced> {
        if metered.end == Some(End::Errored) && !metered.has_content {
            return Ok(Cost::ZERO);
        }
        if !metered.usage.is_known() {
            return Err(Unpriced::UsageMissing);
        }
        let served = served_model(metered).or(known.model()).unwrap_or_default();
        let call = known.call(served);
        let call = call.refused(metered.stop_reason.as_deref() == Some("refusal"));
        if metered.is_exact() || !metered.is_stream {
            return self.cost(&call, &metered.usage);
        }
        let mut usage = metered.usage.clone();
        usage.output_tokens = Some(usage.output_tokens.unwrap_or(0).max(metered.output_seen()));
        self.cost(&call, &usage)
    }

    /// The most that a call to a target can cost; see [`worst_case`](Self::worst_case).
    ///
    /// # Errors
    ///
    /// When the model has no price.
    pub fn most_at(
        &self,
        known: Answered<'_>,
        input_tokens: u64,
        max_tokens: u64,
    ) -> Result<Cost, Unpriced> {
        let model = known.model().unwrap_or_default();
        self.worst_case(&known.call(model), input_tokens, max_tokens)
    }
}

// === impl Answered ===

impl<'a> Answered<'a> {
    /// The model that was asked in the end: the caller's, or the one that stood in for it.
    fn model(self) -> Option<&'a str> {
        let fallback = self.target.and_then(Target::fallback_model);
        fallback.or(self.asked)
    }

    fn call(self, served: &'a str) -> Call<'a> {
        let mut call =
            Call::new(served, self.at).platform(self.target.map_or(Platform::Anthropic, platform));
        if let Some(asked) = self.model() {
            call = call.asked(asked);
            if let Some(sent) = self.target.and_then(|target| target.model_here(asked)) {
                call = call.sent(sent);
            }
        }
        call
    }
}

/// The model that answered, as far as the answer says.
///
/// In a stream with a fallback, `message_start` names the model that declined; the one that
/// served is named by the iterations.
#[must_use]
pub fn served_model(metered: &Metered) -> Option<&str> {
    metered
        .usage
        .iterations
        .iter()
        .flatten()
        .rev()
        .filter(|iteration| iteration.kind == IterationKind::Fallback)
        .find_map(|iteration| iteration.model.as_deref())
        .or(metered.model.as_deref())
}

fn platform(target: &Target) -> Platform {
    match target.speaks() {
        tower_claude_core::Platform::Bedrock => Platform::Bedrock,
        tower_claude_core::Platform::Vertex => Platform::Vertex,
        tower_claude_core::Platform::Foundry => Platform::Foundry,
        _ => Platform::Anthropic,
    }
}
