use std::fmt::{self, Write as _};

use crate::ReportedUsage;
use crate::content::Content;
use crate::message::{Block, Message};
use crate::quoted::Quoted;
use crate::usage_render::{DeltaUsage, FullUsage};

const SIGNATURE: &str = "aW52ZW50ZWQtc2lnbmF0dXJl";

/// Collects events, and where each ends.
struct Stream {
    text: String,
    ends: Vec<usize>,
}

struct StopReason<'a>(&'a Message);

/// The message as one document.
pub(crate) fn document(message: &Message) -> Content {
    let mut text = String::with_capacity(1024);
    write_document(&mut text, message).expect("a string takes any text");
    let mut content = Content::opaque(text.into());
    content.usage = message.usage;
    content.usage_end = Some(content.bytes.len());
    content
}

/// The message as an event stream.
pub(crate) fn stream(message: &Message) -> Content {
    let mut stream = Stream {
        text: String::with_capacity(4096),
        ends: Vec::new(),
    };
    let usage_end = write_stream(&mut stream, message).expect("a string takes any text");
    Content {
        bytes: stream.text.into(),
        event_ends: stream.ends,
        is_stream: true,
        usage: message.usage,
        usage_end: Some(usage_end),
        error_type: None,
        is_whole: true,
    }
}

fn write_document(out: &mut String, message: &Message) -> fmt::Result {
    write!(
        out,
        r#"{{"id":{},"type":"message","role":"assistant","model":{},"content":["#,
        Quoted(&message.id),
        Quoted(&message.model),
    )?;
    for (index, block) in message.blocks.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        match block {
            Block::Text(text) => write!(out, r#"{{"type":"text","text":{}}}"#, Quoted(text))?,
            Block::Thinking(text) => write!(
                out,
                r#"{{"type":"thinking","thinking":{},"signature":"{SIGNATURE}"}}"#,
                Quoted(text),
            )?,
            Block::ToolUse { name, input } => write!(
                out,
                r#"{{"type":"tool_use","id":"toolu_01TestKit{index:015}","name":{},"input":{input}}}"#,
                Quoted(name),
            )?,
        }
    }
    write!(
        out,
        r#"],"stop_reason":{},"stop_sequence":null,"stop_details":null,"container":null,"usage":{}}}"#,
        StopReason(message),
        FullUsage(message.usage),
    )
}

/// Answers where the final usage ends.
fn write_stream(stream: &mut Stream, message: &Message) -> Result<usize, fmt::Error> {
    let placeholder = ReportedUsage {
        output_tokens: message.usage.output_tokens.min(1),
        // Searches have not been made yet.
        web_search_requests: 0,
        ..message.usage
    };
    stream.event(
        "message_start",
        format_args!(
            r#","message":{{"id":{},"type":"message","role":"assistant","model":{},"content":[],"stop_reason":null,"stop_sequence":null,"stop_details":null,"usage":{}}}"#,
            Quoted(&message.id),
            Quoted(&message.model),
            FullUsage(placeholder),
        ),
    )?;
    for (index, block) in message.blocks.iter().enumerate() {
        write_block(stream, index, block, message.deltas)?;
    }
    stream.event(
        "message_delta",
        format_args!(
            r#","delta":{{"stop_reason":{},"stop_sequence":null,"stop_details":null}},"usage":{}"#,
            StopReason(message),
            DeltaUsage(message.usage),
        ),
    )?;
    let usage_end = stream.text.len();
    stream.event("message_stop", format_args!(""))?;
    Ok(usage_end)
}

fn write_block(
    stream: &mut Stream,
    index: usize,
    block: &Block,
    deltas: Option<usize>,
) -> fmt::Result {
    match block {
        Block::Text(_) => stream.start(index, format_args!(r#""type":"text","text":"""#))?,
        Block::Thinking(_) => stream.start(
            index,
            format_args!(r#""type":"thinking","thinking":"","signature":"""#),
        )?,
        Block::ToolUse { name, .. } => stream.start(
            index,
            format_args!(
                r#""type":"tool_use","id":"toolu_01TestKit{index:015}","name":{},"input":{{}}"#,
                Quoted(name),
            ),
        )?,
    }
    if index == 0 {
        stream.event("ping", format_args!(""))?;
    }
    match block {
        Block::Text(text) => {
            for piece in pieces(text, deltas) {
                stream.delta(index, "text_delta", "text", piece)?;
            }
        }
        Block::Thinking(text) => {
            for piece in pieces(text, deltas) {
                stream.delta(index, "thinking_delta", "thinking", piece)?;
            }
            stream.delta(index, "signature_delta", "signature", SIGNATURE)?;
        }
        Block::ToolUse { input, .. } => {
            stream.delta(index, "input_json_delta", "partial_json", "")?;
            for piece in pieces(input, Some(2)) {
                stream.delta(index, "input_json_delta", "partial_json", piece)?;
            }
        }
    }
    stream.event("content_block_stop", format_args!(r#","index":{index}"#))
}

/// A text in so many pieces of about one size, or cut before every fourth space.
fn pieces(text: &str, count: Option<usize>) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    if let Some(count) = count {
        for left in (2..=count).rev() {
            let at = rest.ceil_char_boundary(rest.len().div_ceil(left));
            let (piece, tail) = rest.split_at(at);
            if !piece.is_empty() {
                pieces.push(piece);
            }
            rest = tail;
        }
    } else {
        while let Some((at, _)) = rest.match_indices(' ').nth(3) {
            let (piece, tail) = rest.split_at(at);
            pieces.push(piece);
            rest = tail;
        }
    }
    if !rest.is_empty() {
        pieces.push(rest);
    }
    pieces
}

// === impl Stream ===

impl Stream {
    fn event(&mut self, name: &str, fields: fmt::Arguments<'_>) -> fmt::Result {
        writeln!(
            self.text,
            "event: {name}\ndata: {{\"type\":\"{name}\"{fields}}}\n"
        )?;
        self.ends.push(self.text.len());
        Ok(())
    }

    fn start(&mut self, index: usize, block: fmt::Arguments<'_>) -> fmt::Result {
        self.event(
            "content_block_start",
            format_args!(r#","index":{index},"content_block":{{{block}}}"#),
        )
    }

    fn delta(&mut self, index: usize, kind: &str, field: &str, text: &str) -> fmt::Result {
        let text = Quoted(text);
        self.event(
            "content_block_delta",
            format_args!(r#","index":{index},"delta":{{"type":"{kind}","{field}":{text}}}"#),
        )
    }
}

// === impl StopReason ===

impl fmt::Display for StopReason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.stop_reason {
            Some(reason) => Quoted(reason).fmt(f),
            None => f.write_str("null"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Answer;

    fn message() -> Message {
        Answer::message("claude-sonnet-5-5")
            .thinking("Which \"tide\"?\n")
            .text("Seven o'clock, één moment, then the pier gate opens again.")
            .tool_use("tide_height", r#"{"pier":"North"}"#)
            .input_tokens(100)
            .output_tokens(40)
            .cache_read(7)
            .cache_creation_5m(5)
            .cache_creation_1h(3)
            .web_search_requests(2)
    }

    #[test]
    fn renders_what_the_scanner_reads_back() {
        for rendered in [
            message().into_json().script().content.clone(),
            message().into_stream().script().content.clone(),
        ] {
            let bytes = rendered.bytes.clone();
            let scanned = if rendered.is_stream {
                Content::stream(bytes)
            } else {
                Content::json(bytes)
            };
            assert_eq!(scanned.usage, rendered.usage);
            assert_eq!(scanned.usage_end, rendered.usage_end);
            assert_eq!(scanned.event_ends, rendered.event_ends);
            assert!(scanned.is_whole);
        }
    }

    #[test]
    fn stops_for_the_tool_it_calls() {
        let json = document(&message().stop_reason("tool_use")).bytes;
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(json["stop_reason"], "tool_use");
        assert_eq!(json["content"][2]["input"]["pier"], "North");
    }

    #[test]
    fn splits_a_text_into_as_many_pieces_as_it_is_told() {
        let text = "één twee drie vier vijf zes";
        for count in [1, 2, 5, 9] {
            let pieces = pieces(text, Some(count));
            assert_eq!(pieces.len(), count);
            assert_eq!(pieces.concat(), text);
        }
        assert_eq!(pieces("ab", Some(9)).concat(), "ab");
        assert_eq!(pieces(text, None).len(), 2);
        assert!(pieces("", Some(3)).is_empty());
    }
}
