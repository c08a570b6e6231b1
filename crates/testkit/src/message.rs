use std::borrow::Cow;

use crate::message_render::{document, stream};
use crate::{Answer, ReportedUsage};

/// A message in the making: content, usage and stop reason, sent whole or as a stream.
///
/// Usage that is not given is made up: 12 input tokens, and one output token for every four
/// bytes of content.
#[derive(Clone, Debug)]
#[must_use]
pub struct Message {
    pub(crate) id: Cow<'static, str>,
    pub(crate) model: String,
    pub(crate) blocks: Vec<Block>,
    pub(crate) usage: ReportedUsage,
    pub(crate) stop_reason: Option<Cow<'static, str>>,
    pub(crate) deltas: Option<usize>,
    output_tokens: Option<u64>,
}

#[derive(Clone, Debug)]
pub(crate) enum Block {
    Text(String),
    Thinking(String),
    ToolUse { name: String, input: String },
}

// === impl Message ===

impl Message {
    pub(crate) fn new(model: impl Into<String>) -> Self {
        let usage = ReportedUsage {
            input_tokens: 12,
            ..ReportedUsage::default()
        };
        Self {
            id: Cow::Borrowed("msg_01TestKit000000000000000"),
            model: model.into(),
            blocks: Vec::new(),
            usage,
            stop_reason: None,
            deltas: None,
            output_tokens: None,
        }
    }

    /// The `id` of the message.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Cow::Owned(id.into());
        self
    }

    /// Adds a text block.
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.blocks.push(Block::Text(text.into()));
        self
    }

    /// Adds a thinking block, with an invented signature.
    pub fn thinking(mut self, thinking: impl Into<String>) -> Self {
        self.blocks.push(Block::Thinking(thinking.into()));
        self
    }

    /// Adds a tool call; `input` is a JSON object, passed on as it is.
    pub fn tool_use(mut self, name: impl Into<String>, input: impl Into<String>) -> Self {
        self.blocks.push(Block::ToolUse {
            name: name.into(),
            input: input.into(),
        });
        self
    }

    /// Streams each text in so many deltas, or as many as it has characters.
    ///
    /// The default is a delta for every three or four words.
    pub const fn deltas(mut self, deltas: usize) -> Self {
        self.deltas = Some(deltas);
        self
    }

    /// The uncached input.
    pub const fn input_tokens(mut self, tokens: u64) -> Self {
        self.usage.input_tokens = tokens;
        self
    }

    /// The final output; a stream starts with a placeholder of 1 instead.
    pub const fn output_tokens(mut self, tokens: u64) -> Self {
        self.output_tokens = Some(tokens);
        self
    }

    /// The input read from the cache.
    pub const fn cache_read(mut self, tokens: u64) -> Self {
        self.usage.cache_read = tokens;
        self
    }

    /// The input written to the cache for five minutes.
    pub const fn cache_creation_5m(mut self, tokens: u64) -> Self {
        self.usage.cache_creation_5m = tokens;
        self
    }

    /// The input written to the cache for an hour.
    pub const fn cache_creation_1h(mut self, tokens: u64) -> Self {
        self.usage.cache_creation_1h = tokens;
        self
    }

    /// The web searches made on the way.
    pub const fn web_search_requests(mut self, requests: u64) -> Self {
        self.usage.web_search_requests = requests;
        self
    }

    /// All usage at once.
    pub const fn usage(mut self, usage: ReportedUsage) -> Self {
        self.usage = usage;
        self.output_tokens = Some(usage.output_tokens);
        self
    }

    /// The `stop_reason`; by default `tool_use` after a tool call, otherwise `end_turn`.
    pub fn stop_reason(mut self, reason: impl Into<String>) -> Self {
        self.stop_reason = Some(Cow::Owned(reason.into()));
        self
    }

    /// Sends the message as one document.
    #[must_use]
    pub fn into_json(self) -> Answer {
        Answer::from_content(200, "application/json", document(&self.settled()))
    }

    /// Sends the message as an event stream.
    #[must_use]
    pub fn into_stream(self) -> Answer {
        Answer::from_content(200, crate::answer::EVENT_STREAM, stream(&self.settled()))
    }

    /// Fills in what was not given.
    fn settled(mut self) -> Self {
        self.usage.output_tokens = self.output_tokens.unwrap_or_else(|| {
            let bytes: usize = self.blocks.iter().map(Block::len).sum();
            (bytes as u64).div_ceil(4)
        });
        self.stop_reason.get_or_insert_with(|| {
            Cow::Borrowed(match self.blocks.last() {
                Some(Block::ToolUse { .. }) => "tool_use",
                _ => "end_turn",
            })
        });
        self
    }
}

// === impl Block ===

impl Block {
    const fn len(&self) -> usize {
        match self {
            Self::Text(text) | Self::Thinking(text) => text.len(),
            Self::ToolUse { name, input } => name.len() + input.len(),
        }
    }
}
