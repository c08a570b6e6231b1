use serde::de::{Deserialize, Deserializer, IgnoredAny};
use tower_claude_core::Timestamp;
use tower_claude_pricing::Cost;

use super::facts::Facts;

/// A record in any JSON: its fields in any order, with escapes, with fields of other builds.
///
/// What a report may need has to be there, if only as `null`, and of its type, whatever is
/// asked: whether a line is a record does not depend on the question. No field of the ledger
/// may be there twice, as nobody can say which one is meant.
#[derive(Debug, serde::Deserialize)]
pub(super) struct FullLine {
    timestamp: String,
    #[serde(deserialize_with = "nullable")]
    tenant: Option<String>,
    #[serde(deserialize_with = "nullable")]
    user: Option<String>,
    #[serde(deserialize_with = "nullable")]
    feature: Option<String>,
    #[serde(deserialize_with = "nullable")]
    session: Option<String>,
    #[serde(deserialize_with = "nullable")]
    endpoint: Option<String>,
    #[serde(deserialize_with = "nullable")]
    model: Option<String>,
    #[serde(deserialize_with = "nullable")]
    served_model: Option<String>,
    #[serde(deserialize_with = "nullable")]
    target: Option<String>,
    #[serde(deserialize_with = "nullable")]
    platform: Option<String>,
    #[serde(deserialize_with = "nullable")]
    status: Option<u16>,
    outcome: String,
    #[serde(deserialize_with = "nullable")]
    input_tokens: Option<u64>,
    #[serde(deserialize_with = "nullable")]
    output_tokens: Option<u64>,
    #[serde(deserialize_with = "nullable")]
    cache_read_input_tokens: Option<u64>,
    #[serde(deserialize_with = "nullable")]
    cache_creation_5m_input_tokens: Option<u64>,
    #[serde(deserialize_with = "nullable")]
    cache_creation_1h_input_tokens: Option<u64>,
    #[serde(deserialize_with = "nullable")]
    web_search_requests: Option<u64>,
    #[serde(deserialize_with = "nullable")]
    service_tier: Option<String>,
    #[serde(deserialize_with = "nullable")]
    cost_usd: Option<String>,
    // The rest is of no use here, but for being there once at most.
    #[serde(default, rename = "request_id")]
    _request_id: IgnoredAny,
    #[serde(default, rename = "upstream_request_id")]
    _upstream_request_id: IgnoredAny,
    #[serde(default, rename = "attempts")]
    _attempts: IgnoredAny,
    #[serde(default, rename = "attempt_log")]
    _attempt_log: IgnoredAny,
    #[serde(default, rename = "stream")]
    _stream: IgnoredAny,
    #[serde(default, rename = "error_type")]
    _error_type: IgnoredAny,
    #[serde(default, rename = "stop_reason")]
    _stop_reason: IgnoredAny,
    #[serde(default, rename = "speed")]
    _speed: IgnoredAny,
    #[serde(default, rename = "usage_source")]
    _usage_source: IgnoredAny,
    #[serde(default, rename = "price_version")]
    _price_version: IgnoredAny,
    #[serde(default, rename = "unpriced")]
    _unpriced: IgnoredAny,
    #[serde(default, rename = "estimated_input_tokens")]
    _estimated_input_tokens: IgnoredAny,
    #[serde(default, rename = "system_prompt_sha256")]
    _system_prompt_sha256: IgnoredAny,
    #[serde(default, rename = "latency_ms")]
    _latency_ms: IgnoredAny,
    #[serde(default, rename = "time_to_first_token_ms")]
    _time_to_first_token_ms: IgnoredAny,
}

// === impl FullLine ===

impl FullLine {
    /// What stands in a line, or `None` if it is no record.
    pub(super) fn read(line: &str) -> Option<Self> {
        // An array would do as well, by its order alone.
        let is_object = line.trim_start().starts_with('{');
        is_object.then(|| serde_json::from_str(line).ok())?
    }

    /// What a report takes from it, or `None` where a text is none of those it may be.
    pub(super) fn facts(&self) -> Option<Facts<'_>> {
        let cost = self.cost_usd.as_deref().map(Cost::from_dollars_str);
        Some(Facts {
            timestamp: Timestamp::parse(&self.timestamp)?,
            tenant: self.tenant.as_deref(),
            user: self.user.as_deref(),
            feature: self.feature.as_deref(),
            session: self.session.as_deref(),
            endpoint: self.endpoint.as_deref(),
            model: self.model.as_deref(),
            served_model: self.served_model.as_deref(),
            target: self.target.as_deref(),
            platform: self.platform.as_deref(),
            status: self.status,
            outcome: Facts::outcome(&self.outcome)?,
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
            cache_read_input_tokens: self.cache_read_input_tokens,
            cache_creation_5m_input_tokens: self.cache_creation_5m_input_tokens,
            cache_creation_1h_input_tokens: self.cache_creation_1h_input_tokens,
            web_search_requests: self.web_search_requests,
            service_tier: self.service_tier.as_deref(),
            cost: cost.transpose().ok()?,
        })
    }
}

/// A field that may be `null`, but has to be there.
fn nullable<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer)
}
