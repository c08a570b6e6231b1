use crate::{Answer, wire};

/// Answers made of the recorded shapes in [`wire`].
impl Answer {
    /// A stream with thinking, text and two tools: [`wire::STREAM_THINKING_TOOL_USE`].
    #[must_use]
    pub fn thinking_tool_use() -> Self {
        Self::sse(wire::STREAM_THINKING_TOOL_USE)
    }

    /// The same message as one document: [`wire::MESSAGE_THINKING_TOOL_USE`].
    #[must_use]
    pub fn thinking_tool_use_json() -> Self {
        Self::json(200, wire::MESSAGE_THINKING_TOOL_USE)
    }

    /// A stream with a web search and cumulative usage: [`wire::STREAM_SERVER_TOOL`].
    #[must_use]
    pub fn server_tool() -> Self {
        Self::sse(wire::STREAM_SERVER_TOOL)
    }

    /// A stream with CRLF, comments and an unknown event: [`wire::STREAM_CRLF_COMMENTS`].
    #[must_use]
    pub fn crlf_comments() -> Self {
        Self::sse(wire::STREAM_CRLF_COMMENTS)
    }

    /// A stream that turns into a refusal, billed: [`wire::STREAM_REFUSAL`].
    #[must_use]
    pub fn refusal_midway() -> Self {
        Self::sse(wire::STREAM_REFUSAL)
    }

    /// A refusal before any output, not billed: [`wire::MESSAGE_REFUSAL`].
    #[must_use]
    pub fn refusal() -> Self {
        Self::json(200, wire::MESSAGE_REFUSAL)
    }

    /// A message with cache reads and writes: [`wire::MESSAGE`].
    #[must_use]
    pub fn cached_message() -> Self {
        Self::json(200, wire::MESSAGE)
    }

    /// A message whose usage has `iterations`: [`wire::MESSAGE_ITERATIONS`].
    #[must_use]
    pub fn iterations() -> Self {
        Self::json(200, wire::MESSAGE_ITERATIONS)
    }

    /// A message served by a fallback model: [`wire::MESSAGE_FALLBACK`].
    #[must_use]
    pub fn fallback() -> Self {
        Self::json(200, wire::MESSAGE_FALLBACK)
    }

    /// An `error` event and nothing else: [`wire::STREAM_ERROR_BEFORE_CONTENT`].
    #[must_use]
    pub fn error_before_content() -> Self {
        Self::sse(wire::STREAM_ERROR_BEFORE_CONTENT)
    }

    /// An `error` event after the start: [`wire::STREAM_ERROR_AFTER_START`].
    #[must_use]
    pub fn error_after_start() -> Self {
        Self::sse(wire::STREAM_ERROR_AFTER_START)
    }

    /// An `error` event after some text: [`wire::STREAM_ERROR_MIDWAY`].
    #[must_use]
    pub fn error_midway() -> Self {
        Self::sse(wire::STREAM_ERROR_MIDWAY)
    }

    /// A stream that ends without an end: [`wire::STREAM_TRUNCATED`].
    #[must_use]
    pub fn truncated() -> Self {
        Self::sse(wire::STREAM_TRUNCATED)
    }
}
