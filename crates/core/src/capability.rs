/// Something that a call may need and that not every platform offers.
///
/// What a call needs is read from its body by [`Call::needs`](crate::Call::needs); what a place
/// offers is asked of its [`Target`](crate::Target). What every platform offers is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Capability {
    /// Batches of messages.
    Batches,
    /// The list of models, and what is said of one.
    Models,
    /// Files that were uploaded before, and referring to them.
    Files,
    /// Containers, in which the server runs code.
    Containers,
    /// Skills, in a container.
    Skills,
    /// Conversations whose earlier messages the server keeps.
    Threads,
    /// Tools that the server runs, other than those that stand here by themselves.
    ServerTools,
    /// The server's tool that searches the web.
    WebSearch,
    /// The server's tool that searches among the tools.
    ToolSearch,
    /// The server's tool that asks another model for advice.
    Advisor,
    /// MCP servers that the server talks to.
    McpServers,
    /// Saying where to compute.
    InferenceGeo,
    /// Saying which capacity to use.
    ServiceTier,
    /// Asking for more speed at a higher price.
    FastMode,
    /// Having the server choose what is cached.
    TopLevelCaching,
    /// Models to which the server itself turns after a refusal.
    Fallbacks,
    /// Answers in the form of a JSON schema.
    StructuredOutputs,
}

/// How the names of betas begin that go with something a call may need.
const BETAS: [(&str, Capability); 11] = [
    ("advisor-", Capability::Advisor),
    ("code-execution-", Capability::ServerTools),
    ("fast-mode-", Capability::FastMode),
    ("files-api-", Capability::Files),
    ("mcp-client-", Capability::McpServers),
    ("message-batches-", Capability::Batches),
    ("skills-", Capability::Skills),
    ("structured-outputs-", Capability::StructuredOutputs),
    ("tool-search-tool-", Capability::ToolSearch),
    ("web-fetch-", Capability::ServerTools),
    ("web-search-", Capability::WebSearch),
];

// === impl Capability ===

impl Capability {
    /// All there are.
    pub const ALL: &[Self] = &[
        Self::Batches,
        Self::Models,
        Self::Files,
        Self::Containers,
        Self::Skills,
        Self::Threads,
        Self::ServerTools,
        Self::WebSearch,
        Self::ToolSearch,
        Self::Advisor,
        Self::McpServers,
        Self::InferenceGeo,
        Self::ServiceTier,
        Self::FastMode,
        Self::TopLevelCaching,
        Self::Fallbacks,
        Self::StructuredOutputs,
    ];

    /// The word for it in configuration and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Batches => "batches",
            Self::Models => "models",
            Self::Files => "files",
            Self::Containers => "containers",
            Self::Skills => "skills",
            Self::Threads => "threads",
            Self::ServerTools => "server_tools",
            Self::WebSearch => "web_search",
            Self::ToolSearch => "tool_search",
            Self::Advisor => "advisor",
            Self::McpServers => "mcp_servers",
            Self::InferenceGeo => "inference_geo",
            Self::ServiceTier => "service_tier",
            Self::FastMode => "fast_mode",
            Self::TopLevelCaching => "top_level_caching",
            Self::Fallbacks => "fallbacks",
            Self::StructuredOutputs => "structured_outputs",
        }
    }

    /// The capability of a word, as [`Capability::as_str`] writes it.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|capability| capability.as_str() == word)
    }

    /// What a beta goes with, if that is something of which platforms differ.
    pub(crate) fn of_beta(name: &str) -> Option<Self> {
        let mut betas = BETAS.iter();
        let (_, capability) = betas.find(|(begin, _)| name.starts_with(begin))?;
        Some(*capability)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back_and_differ() {
        for (at, capability) in Capability::ALL.iter().enumerate() {
            assert_eq!(Capability::named(capability.as_str()), Some(*capability));
            assert_eq!(*capability as usize, at, "the list is in order and whole");
        }
        assert_eq!(Capability::named("Files"), None);
        assert_eq!(Capability::named(""), None);
    }
}
