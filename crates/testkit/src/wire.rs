//! Recorded shapes of the Messages API, byte for byte; every value in them is invented.

/// The head and the body of an error, by its name.
macro_rules! error {
    ($name:literal, $form:literal) => {
        (
            $name,
            include_str!(concat!("../wire/error-", $name, ".headers")),
            include_str!(concat!("../wire/error-", $name, ".", $form)),
        )
    };
}

/// The frame of an error, by its name.
macro_rules! error_frame {
    ($name:literal) => {
        (
            $name,
            include_bytes!(concat!("../wire/error-frame-", $name, ".bin")),
        )
    };
}

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

/// Answers that are errors: a name, the head as it is sent, and the body.
///
/// Of every platform: Anthropic's, with nothing before the status in the name; `-edge`, of a
/// server before it; `bedrock-`, `vertex-` and `foundry-`.
pub const ERRORS: &[(&str, &str, &str)] = &[
    error!("302-edge", "html"),
    error!("400", "json"),
    error!("400-credit", "json"),
    error!("400-encoding", "json"),
    error!("400-on-hold", "json"),
    error!("400-sampling", "json"),
    error!("400-spend-limit", "json"),
    error!("400-spend-limit-forged", "json"),
    error!("400-spend-limit-workspace", "json"),
    error!("400-thinking-binding", "json"),
    error!("401", "json"),
    error!("402", "json"),
    error!("402-linked-limit", "json"),
    error!("403", "json"),
    error!("404", "json"),
    error!("408", "json"),
    error!("409", "json"),
    error!("413", "json"),
    error!("413-edge", "html"),
    error!("429", "json"),
    error!("429-edge", "html"),
    error!("429-ramp", "json"),
    error!("429-spend-cap", "json"),
    error!("500", "json"),
    error!("502-edge", "html"),
    error!("503", "json"),
    error!("503-edge", "html"),
    error!("504", "json"),
    error!("524-edge", "html"),
    error!("529", "json"),
    error!("529-told", "json"),
    error!("bedrock-400", "json"),
    error!("bedrock-400-ondemand", "json"),
    error!("bedrock-400-quota", "json"),
    error!("bedrock-403-denied", "json"),
    error!("bedrock-403-expired", "json"),
    error!("bedrock-403-signature", "json"),
    error!("bedrock-404", "json"),
    error!("bedrock-408", "json"),
    error!("bedrock-424", "json"),
    error!("bedrock-424-invalid", "json"),
    error!("bedrock-429", "json"),
    error!("bedrock-429-not-ready", "json"),
    error!("bedrock-500", "json"),
    error!("bedrock-503", "json"),
    error!("foundry-401", "json"),
    error!("foundry-404", "json"),
    error!("foundry-429", "json"),
    error!("foundry-429-gateway", "json"),
    error!("foundry-500", "json"),
    error!("foundry-529-anthropic", "json"),
    error!("vertex-400", "json"),
    error!("vertex-400-anthropic", "json"),
    error!("vertex-401", "json"),
    error!("vertex-403", "json"),
    error!("vertex-404", "json"),
    error!("vertex-429", "json"),
    error!("vertex-429-array", "json"),
    error!("vertex-500", "json"),
    error!("vertex-503", "json"),
    error!("vertex-504", "json"),
];

/// Streams of Bedrock's that are one frame which is an error: a name and the bytes.
pub const ERROR_FRAMES: &[(&str, &[u8])] = &[
    error_frame!("internal"),
    error_frame!("model-stream"),
    error_frame!("model-timeout"),
    error_frame!("throttling"),
    error_frame!("unavailable"),
    error_frame!("unmodelled"),
    error_frame!("validation"),
];
