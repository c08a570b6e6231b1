use std::fmt;

use crate::ReportedUsage;

/// `usage` as a whole message and `message_start` have it.
pub(crate) struct FullUsage(pub(crate) ReportedUsage);

/// `usage` as `message_delta` has it: no cache lifetimes, no tiers.
pub(crate) struct DeltaUsage(pub(crate) ReportedUsage);

struct ServerToolUse(u64);

// === impl FullUsage ===

impl fmt::Display for FullUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let usage = self.0;
        write!(
            f,
            r#"{{"input_tokens":{},"cache_creation_input_tokens":{},"cache_read_input_tokens":{},"cache_creation":{{"ephemeral_5m_input_tokens":{},"ephemeral_1h_input_tokens":{}}},"output_tokens":{},"server_tool_use":{},"service_tier":"standard","inference_geo":"global","speed":"standard"}}"#,
            usage.input_tokens,
            usage.cache_creation(),
            usage.cache_read,
            usage.cache_creation_5m,
            usage.cache_creation_1h,
            usage.output_tokens,
            ServerToolUse(usage.web_search_requests),
        )
    }
}

// === impl DeltaUsage ===

impl fmt::Display for DeltaUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let usage = self.0;
        write!(
            f,
            r#"{{"input_tokens":{},"cache_creation_input_tokens":{},"cache_read_input_tokens":{},"output_tokens":{},"server_tool_use":{}}}"#,
            usage.input_tokens,
            usage.cache_creation(),
            usage.cache_read,
            usage.output_tokens,
            ServerToolUse(usage.web_search_requests),
        )
    }
}

// === impl ServerToolUse ===

impl fmt::Display for ServerToolUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("null"),
            requests => write!(
                f,
                r#"{{"web_search_requests":{requests},"web_fetch_requests":0}}"#
            ),
        }
    }
}
