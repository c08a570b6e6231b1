use std::sync::Arc;

use tower_claude_core::{Target, TenantId, Text};
use tracing::{Span, Value};

use super::facts;
use crate::{UpstreamId, UsageRecord, UsageSink};

/// A sink that writes calls for messages into `tracing`, under OpenTelemetry's names.
///
/// It fills in those fields that the span has that is current where the call ends:
/// [`gen_ai_span`](crate::gen_ai_span) makes one with all of them. For those who have no such
/// span it also emits one event of the level `info`, named `gen_ai.usage`, with the same fields.
/// A field whose value is not known stays empty.
///
/// | field | what |
/// |---|---|
/// | `gen_ai.operation.name` | `chat` |
/// | `gen_ai.provider.name` | `anthropic`, `aws.bedrock`, `gcp.vertex_ai` or `azure.ai.foundry`, if one was asked |
/// | `gen_ai.request.model` | the model asked |
/// | `gen_ai.response.model` | the model that answered |
/// | `gen_ai.response.id` | upstream's id of the answer, as its header says it |
/// | `gen_ai.response.finish_reasons` | why the model stopped, as a JSON array of one |
/// | `gen_ai.usage.input_tokens` | all input, with what the cache gave and took |
/// | `gen_ai.usage.output_tokens` | all output |
/// | `gen_ai.usage.cache_read.input_tokens` | of the input, what the cache gave |
/// | `gen_ai.usage.cache_creation.input_tokens` | of the input, what the cache took |
/// | `error.type` | if it failed: the API's, `truncated`, `dropped`, or `_OTHER` |
/// | `claude.tenant` | who called |
/// | `claude.cost_usd` | what it costs, as a binary fraction; exact costs are in the records |
/// | `claude.target` | where the answer came from |
///
/// Both are of the target `tower_claude_usage_meter`. Nothing of what was asked or answered is
/// in there.
///
/// ```
/// use tower_claude_usage_meter::{TracingSink, UsageMeterLayer};
///
/// let layer = UsageMeterLayer::new(TracingSink::new());
/// # let _ = layer;
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct TracingSink(());

/// What is said of a call.
struct Fields<'a> {
    provider: Option<&'static str>,
    request_model: Option<&'a str>,
    response_model: Option<&'a str>,
    response_id: Option<&'a str>,
    finish_reasons: Option<String>,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read: Option<u64>,
    cache_creation: Option<u64>,
    error_type: Option<&'static str>,
    tenant: Option<&'a str>,
    cost: Option<f64>,
    target: Option<&'a str>,
}

// === impl TracingSink ===

impl TracingSink {
    /// Writes to whatever subscriber there is.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl UsageSink for TracingSink {
    fn record(&self, record: Arc<UsageRecord>) {
        if facts::is_chat(&record) {
            let fields = Fields::of(&record);
            fields.fill_in(&Span::current());
            fields.emit();
        }
    }
}

// === impl Fields ===

impl<'a> Fields<'a> {
    fn of(record: &'a UsageRecord) -> Self {
        let platform = facts::platform(record);
        Self {
            provider: (!facts::is_our_own(record)).then(|| facts::provider(platform)),
            request_model: record.model.as_deref(),
            response_model: record.served_model.as_deref(),
            response_id: record.upstream_request_id.as_ref().map(UpstreamId::as_str),
            // Fields hold no arrays.
            finish_reasons: record
                .stop_reason
                .as_ref()
                .and_then(|reason| serde_json::to_string(&[Text::as_str(reason)]).ok()),
            input_tokens: facts::input_tokens(record),
            output_tokens: record.output_tokens,
            cache_read: record.cache_read_input_tokens,
            cache_creation: facts::cache_creation(record),
            error_type: facts::error_type(record),
            tenant: record.tenant.as_ref().map(TenantId::as_str),
            cost: record.cost.map(facts::dollars),
            target: record.target.as_ref().map(Target::name),
        }
    }

    /// NOTE: `gen_ai_span` and `emit` have the same names.
    fn fill_in(&self, span: &Span) {
        let fields: [(&str, &dyn Value); 14] = [
            ("gen_ai.operation.name", &facts::CHAT),
            ("gen_ai.provider.name", &self.provider),
            ("gen_ai.request.model", &self.request_model),
            ("gen_ai.response.model", &self.response_model),
            ("gen_ai.response.id", &self.response_id),
            (
                "gen_ai.response.finish_reasons",
                &self.finish_reasons.as_deref(),
            ),
            ("gen_ai.usage.input_tokens", &self.input_tokens),
            ("gen_ai.usage.output_tokens", &self.output_tokens),
            ("gen_ai.usage.cache_read.input_tokens", &self.cache_read),
            (
                "gen_ai.usage.cache_creation.input_tokens",
                &self.cache_creation,
            ),
            ("error.type", &self.error_type),
            ("claude.tenant", &self.tenant),
            ("claude.cost_usd", &self.cost),
            ("claude.target", &self.target),
        ];
        for (name, value) in fields {
            span.record(name, value);
        }
    }

    fn emit(&self) {
        tracing::info!(
            name: "gen_ai.usage",
            target: "tower_claude_usage_meter",
            {
                gen_ai.operation.name = facts::CHAT,
                gen_ai.provider.name = self.provider,
                gen_ai.request.model = self.request_model,
                gen_ai.response.model = self.response_model,
                gen_ai.response.id = self.response_id,
                gen_ai.response.finish_reasons = self.finish_reasons.as_deref(),
                gen_ai.usage.input_tokens = self.input_tokens,
                gen_ai.usage.output_tokens = self.output_tokens,
                gen_ai.usage.cache_read.input_tokens = self.cache_read,
                gen_ai.usage.cache_creation.input_tokens = self.cache_creation,
                "error.type" = self.error_type,
                claude.tenant = self.tenant,
                claude.cost_usd = self.cost,
                claude.target = self.target,
            },
            "gen_ai.usage"
        );
    }
}
