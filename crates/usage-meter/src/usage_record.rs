use std::sync::Arc;
use std::time::Duration;

use tower_claude_core::{
    Attribution, Endpoint, RequestId, ServiceTier, Speed, Target, TenantId, Text, Timestamp,
};
use tower_claude_pricing::{Cost, Unpriced};

use crate::{AttemptRecords, Outcome, UpstreamId, UsageSource};

/// What is known of one call when it has ended: who, what, where, how much.
///
/// Serialises as the line of the ledger, with a field for every column; see the
/// [crate documentation](crate#the-record). It holds nothing of the request's body: it may
/// wait in a queue without keeping that alive.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UsageRecord {
    /// When the call began.
    pub timestamp: Timestamp,
    /// Our id of the call.
    pub request_id: RequestId,
    /// Upstream's id of the answer, if it gave one.
    pub upstream_request_id: Option<UpstreamId>,
    /// Who called; `None` for nobody's call.
    pub tenant: Option<TenantId>,
    /// For whom, within the tenant.
    pub user: Option<Box<str>>,
    /// For what, within the tenant; `unknown` where the caller does not say.
    pub feature: Arc<str>,
    /// In which session of the caller's.
    pub session: Option<Box<str>>,
    /// What was called.
    pub endpoint: Endpoint,
    /// The model that was asked, in the caller's words.
    pub model: Option<Arc<str>>,
    /// The model that answered, in the answer's words.
    pub served_model: Option<Arc<str>>,
    /// Where the answer came from, or where it was asked for last.
    pub target: Option<Target>,
    /// Every attempt; empty if no target was asked.
    pub attempt_log: AttemptRecords,
    /// Whether the caller asked for a stream.
    pub stream: bool,
    /// The status sent to the caller; `None` if nothing was.
    pub status: Option<u16>,
    /// How the call ended.
    pub outcome: Outcome,
    /// The `error.type` the caller got, if any.
    pub error_type: Option<Arc<str>>,
    /// Why the model stopped.
    pub stop_reason: Option<Text>,
    /// Input that was neither read from nor written to the cache.
    pub input_tokens: Option<u64>,
    /// Output, thinking included.
    pub output_tokens: Option<u64>,
    /// Input read from the cache.
    pub cache_read_input_tokens: Option<u64>,
    /// Input written to the cache for five minutes; all that is not said to be for an hour.
    pub cache_creation_5m_input_tokens: Option<u64>,
    /// Input written to the cache for an hour.
    pub cache_creation_1h_input_tokens: Option<u64>,
    /// Web searches run by the server.
    pub web_search_requests: Option<u64>,
    /// The tier that served the call.
    pub service_tier: Option<ServiceTier>,
    /// The speed that served the call.
    pub speed: Option<Speed>,
    /// How the counts came about.
    pub usage_source: UsageSource,
    /// What is billed, over all attempts; `None` where that is not known.
    pub cost: Option<Cost>,
    /// The version of the prices that were applied, if any were.
    pub price_version: Option<&'static str>,
    /// Why there is no cost; `None` where there is one.
    pub unpriced: Option<Unpriced>,
    /// The input as it was estimated before the call, if anybody did.
    pub estimated_input_tokens: Option<u64>,
    /// SHA-256 of the system prompt's raw JSON.
    pub system_prompt_sha256: Option<[u8; 32]>,
    /// From the start of the call to the end of the answer; `None` for a result of a batch,
    /// which is not answered to a call of its own.
    pub latency: Option<Duration>,
    /// From the start of the call to the first content.
    pub time_to_first_token: Option<Duration>,
}

// === impl UsageRecord ===

impl UsageRecord {
    /// The record of a call that nothing is known of: dropped, with nothing used.
    #[must_use]
    pub fn new(timestamp: Timestamp, request_id: RequestId) -> Self {
        Self::begin(
            timestamp,
            request_id,
            Arc::from(Attribution::UNKNOWN_FEATURE),
        )
    }

    pub(crate) const fn begin(
        timestamp: Timestamp,
        request_id: RequestId,
        feature: Arc<str>,
    ) -> Self {
        Self {
            timestamp,
            request_id,
            upstream_request_id: None,
            tenant: None,
            user: None,
            feature,
            session: None,
            endpoint: Endpoint::Unknown,
            model: None,
            served_model: None,
            target: None,
            attempt_log: AttemptRecords::EMPTY,
            stream: false,
            status: None,
            outcome: Outcome::Dropped,
            error_type: None,
            stop_reason: None,
            input_tokens: None,
            output_tokens: None,
            cache_read_input_tokens: None,
            cache_creation_5m_input_tokens: None,
            cache_creation_1h_input_tokens: None,
            web_search_requests: None,
            service_tier: None,
            speed: None,
            usage_source: UsageSource::None,
            cost: Some(Cost::ZERO),
            price_version: None,
            unpriced: None,
            estimated_input_tokens: None,
            system_prompt_sha256: None,
            latency: None,
            time_to_first_token: None,
        }
    }

    /// What is billed, or why that is not known.
    pub fn billed(&self) -> Result<Cost, Unpriced> {
        match (self.cost, &self.unpriced) {
            (Some(cost), _) => Ok(cost),
            (None, Some(reason)) => Err(reason.clone()),
            (None, None) => Err(Unpriced::UsageMissing),
        }
    }

    /// Whether it is of a call, and not of a result of a batch that a call has fetched.
    #[must_use]
    pub fn is_of_call(&self) -> bool {
        self.endpoint != Endpoint::Batches || self.latency.is_some()
    }

    pub(crate) fn bill(&mut self, billed: Result<Cost, Unpriced>) {
        match billed {
            Ok(cost) => {
                self.cost = Some(cost);
                self.unpriced = None;
            }
            Err(reason) => {
                self.cost = None;
                self.unpriced = Some(reason);
            }
        }
    }
}
