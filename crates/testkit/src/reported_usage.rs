use serde::Serialize;

/// The token counts an answer reports, in the API's own terms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct ReportedUsage {
    /// `input_tokens`: uncached input only.
    pub input_tokens: u64,
    /// `output_tokens`: the authoritative last value, thinking included.
    pub output_tokens: u64,
    /// `cache_read_input_tokens`.
    pub cache_read: u64,
    /// `cache_creation.ephemeral_5m_input_tokens`.
    pub cache_creation_5m: u64,
    /// `cache_creation.ephemeral_1h_input_tokens`.
    pub cache_creation_1h: u64,
    /// `server_tool_use.web_search_requests`.
    pub web_search_requests: u64,
}

// === impl ReportedUsage ===

impl ReportedUsage {
    /// Both together, field by field.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            cache_read: self.cache_read.saturating_add(other.cache_read),
            cache_creation_5m: self
                .cache_creation_5m
                .saturating_add(other.cache_creation_5m),
            cache_creation_1h: self
                .cache_creation_1h
                .saturating_add(other.cache_creation_1h),
            web_search_requests: self
                .web_search_requests
                .saturating_add(other.web_search_requests),
        }
    }

    /// `cache_creation_input_tokens`: written to the cache, both lifetimes.
    #[must_use]
    pub const fn cache_creation(&self) -> u64 {
        self.cache_creation_5m
            .saturating_add(self.cache_creation_1h)
    }
}
