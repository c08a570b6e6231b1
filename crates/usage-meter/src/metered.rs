//! What an answer said of itself, as it stands in the record.

use std::sync::Arc;

use tower_claude_core::Metered;
use tower_claude_pricing::served_model;

use crate::names::Names;
use crate::{UsageRecord, UsageSource};

/// The output tokens of an answer, and how its counts came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) tokens: Option<u64>,
    pub(crate) source: UsageSource,
}

// === impl Output ===

impl Output {
    pub(crate) fn of(metered: &Metered) -> Self {
        let reported = metered.usage.output_tokens;
        let seen = metered.output_seen();
        let (tokens, source) = match (metered.usage.is_known(), seen) {
            (true, _) if metered.is_exact() => (reported, UsageSource::Exact),
            // What a stream reports at its beginning is a placeholder.
            (true, _) if metered.is_stream => {
                (Some(reported.unwrap_or(0).max(seen)), UsageSource::Partial)
            }
            (true, _) => (reported, UsageSource::Partial),
            (false, 0) => (None, UsageSource::None),
            (false, _) => (Some(seen), UsageSource::Estimated),
        };
        Self { tokens, source }
    }
}

/// Writes down what an answer said of itself.
pub(crate) fn write(record: &mut UsageRecord, metered: &Metered, names: &Names) {
    record.served_model = served_model(metered).map(|served| match &record.model {
        Some(asked) if **asked == *served => Arc::clone(asked),
        _ => names.get(served),
    });
    record.stop_reason.clone_from(&metered.stop_reason);
    record.error_type = metered.error_type.as_deref().map(|word| names.get(word));
    let usage = &metered.usage;
    let output = Output::of(metered);
    record.usage_source = output.source;
    record.input_tokens = usage.input_tokens;
    record.output_tokens = output.tokens;
    record.cache_read_input_tokens = usage.cache_read_input_tokens;
    record.cache_creation_1h_input_tokens = usage.cache_creation_1h_input_tokens;
    // In a stream the sum keeps growing after the split was reported.
    // NOTE: pricing reads the two in the same way.
    let hour = usage.cache_creation_1h_input_tokens.unwrap_or(0);
    let rest = usage
        .cache_creation_input_tokens
        .map(|written| written.saturating_sub(hour));
    record.cache_creation_5m_input_tokens = usage.cache_creation_5m_input_tokens.max(rest);
    record.web_search_requests = usage.web_search_requests;
    record.service_tier.clone_from(&usage.service_tier);
    record.speed.clone_from(&usage.speed);
}
