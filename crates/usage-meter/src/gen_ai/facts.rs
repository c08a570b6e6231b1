//! What the conventions ask, answered by a record.

use tower_claude_core::{Endpoint, Platform, Target};
#[cfg(feature = "tracing")]
use tower_claude_pricing::Cost;

use crate::{Outcome, UsageRecord};

/// The operation that a call for a message is.
pub(super) const CHAT: &str = "chat";

/// The conventions' word for errors that are not listed.
const OTHER: &str = "_OTHER";

/// What goes wrong by the API's own words; callers of other servers may get any text.
const ERROR_TYPES: [&str; 11] = [
    "api_error",
    "authentication_error",
    "billing_error",
    "conflict_error",
    "invalid_request_error",
    "not_found_error",
    "overloaded_error",
    "permission_error",
    "rate_limit_error",
    "request_too_large",
    "timeout_error",
];

/// Whether a model was to answer.
pub(super) fn is_chat(record: &UsageRecord) -> bool {
    record.endpoint == Endpoint::Messages
}

/// Whether we refused the call before anybody else was asked.
pub(super) fn is_our_own(record: &UsageRecord) -> bool {
    record.outcome == Outcome::Refused && record.attempt_log.is_empty()
}

/// Who was asked; where no target is named it is Anthropic.
pub(super) fn platform(record: &UsageRecord) -> Platform {
    record
        .target
        .as_ref()
        .map(Target::speaks)
        .unwrap_or_default()
}

/// The conventions' name of a platform.
pub(super) const fn provider(platform: Platform) -> &'static str {
    match platform {
        Platform::Bedrock => "aws.bedrock",
        Platform::Vertex => "gcp.vertex_ai",
        Platform::Foundry => "azure.ai.foundry",
        // The API that others speak unless they are named here.
        _ => "anthropic",
    }
}

/// Why the call failed, in one of a few words; `None` if it did not.
pub(super) fn error_type(record: &UsageRecord) -> Option<&'static str> {
    if record.outcome == Outcome::Complete {
        return None;
    }
    Some(match (record.error_type.as_deref(), record.outcome) {
        (Some(word), _) => {
            let known = ERROR_TYPES.into_iter().find(|known| *known == word);
            known.unwrap_or(OTHER)
        }
        (None, Outcome::Truncated) => Outcome::Truncated.as_str(),
        (None, Outcome::Dropped) => Outcome::Dropped.as_str(),
        (None, _) => OTHER,
    })
}

/// All input, which the API reports without what was read from or written to the cache.
pub(super) fn input_tokens(record: &UsageRecord) -> Option<u64> {
    let cached = record.cache_read_input_tokens.unwrap_or(0);
    let created = cache_creation(record).unwrap_or(0);
    let input = record.input_tokens?;
    Some(input.saturating_add(cached).saturating_add(created))
}

/// What was written to the cache, for however long.
pub(super) fn cache_creation(record: &UsageRecord) -> Option<u64> {
    let short = record.cache_creation_5m_input_tokens;
    let long = record.cache_creation_1h_input_tokens;
    match (short, long) {
        (None, None) => None,
        _ => Some(short.unwrap_or(0).saturating_add(long.unwrap_or(0))),
    }
}

/// The amount as a binary fraction, for charts.
#[cfg(feature = "tracing")]
#[expect(clippy::cast_precision_loss, reason = "charts are of binary fractions")]
pub(super) fn dollars(cost: Cost) -> f64 {
    cost.pico_dollars() as f64 / 1e12
}
