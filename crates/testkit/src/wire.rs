//! Recorded shapes of the Messages API, byte for byte; every value in them is invented.

/// A message with thinking, cache reads and writes of both lifetimes.
pub const MESSAGE: &str = include_str!("../wire/message-nonstream.json");

/// The message of [`STREAM_THINKING_TOOL_USE`], not streamed.
pub const MESSAGE_THINKING_TOOL_USE: &str = include_str!("../wire/message-thinking-tooluse.json");

/// A message whose usage has `iterations`: compaction, advisor, two executor turns.
pub const MESSAGE_ITERATIONS: &str = include_str!("../wire/message-nonstream-iterations.json");

/// A message another model served after the first declined.
pub const MESSAGE_FALLBACK: &str = include_str!("../wire/message-nonstream-fallback.json");

/// A refusal before any output: status 200, counts in usage, not billed.
pub const MESSAGE_REFUSAL: &str = include_str!("../wire/message-nonstream-refusal.json");

/// A stream with all usual events: thinking, a ping, non-ASCII text, two tools.
pub const STREAM_THINKING_TOOL_USE: &str = include_str!("../wire/stream-thinking-tooluse.sse");

/// A stream with two `message_delta` events, cumulative usage and a web search.
pub const STREAM_SERVER_TOOL: &str = include_str!("../wire/stream-servertool-cumulative.sse");

/// A stream with CRLF line ends, a comment and an event nobody knows.
pub const STREAM_CRLF_COMMENTS: &str = include_str!("../wire/stream-crlf-comments.sse");

/// A stream that ends in a refusal after some output, which is billed.
pub const STREAM_REFUSAL: &str = include_str!("../wire/stream-refusal-midway.sse");

/// A stream whose only event is an `error`.
pub const STREAM_ERROR_BEFORE_CONTENT: &str =
    include_str!("../wire/stream-error-before-content.sse");

/// A stream with an `error` after `message_start` and a ping.
pub const STREAM_ERROR_AFTER_START: &str = include_str!("../wire/stream-error-after-start.sse");

/// A stream with an `error` after some text.
pub const STREAM_ERROR_MIDWAY: &str = include_str!("../wire/stream-error-midway.sse");

/// A stream that breaks off after some text, without an `error`.
pub const STREAM_TRUNCATED: &str = include_str!("../wire/stream-truncated.sse");

/// A stream of Bedrock's: six chunks in frames with right checksums.
pub const BEDROCK_STREAM: &[u8] = include_bytes!("../wire/bedrock-stream.eventstream");

/// A stream of Bedrock's that ends in an exception: it throttles after some text.
pub const BEDROCK_STREAM_EXCEPTION: &[u8] =
    include_bytes!("../wire/bedrock-stream-exception.eventstream");
