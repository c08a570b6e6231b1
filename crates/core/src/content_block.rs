use crate::Text;
use crate::json_cursor::JsonCursor;

/// What a block of content is when it begins.
pub(crate) enum ContentBlock {
    /// Empty, to be filled by deltas that have so many bytes around their text.
    Empty { envelope: u64 },
    /// Whole, and of the model's making.
    Whole,
    /// Whole, and not of its making.
    Given,
    /// What follows is another model's.
    Fallback(Option<Text>),
}

// What is around the text of a delta, in bytes.
const TEXT: u64 =
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":""}}"#.len()
        as u64;
const THINKING: u64 =
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":""}}"#
        .len() as u64;
const INPUT: u64 =
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":""}}"#
        .len() as u64;

// === impl ContentBlock ===

impl ContentBlock {
    /// The least there is in the event of a block, in bytes.
    pub(crate) const EMPTY: u64 =
        r#"{"type":"content_block_start","index":0,"content_block":{"type":""}}"#.len() as u64;

    /// Reads the data of the event that begins a block.
    pub(crate) fn read(data: &[u8]) -> Self {
        let block = JsonCursor::field(data, b"content_block").map(|mut block| block.skip());
        let block = block.unwrap_or_default();
        let kind = JsonCursor::field(block, b"type").and_then(|mut kind| kind.text());
        match kind.as_deref() {
            Some("text") => Self::Empty { envelope: TEXT },
            Some("thinking") => Self::Empty { envelope: THINKING },
            Some("tool_use" | "server_tool_use" | "mcp_tool_use") => {
                Self::Empty { envelope: INPUT }
            }
            Some("fallback") => Self::Fallback(next_model(block)),
            Some(kind) if kind.ends_with("_tool_result") => Self::Given,
            _ => Self::Whole,
        }
    }
}

/// Who goes on after a fallback.
fn next_model(block: &[u8]) -> Option<Text> {
    let next = JsonCursor::field(block, b"to")?.skip();
    let model = JsonCursor::field(next, b"model")?.text()?;
    Some(Text::from(&*model))
}
