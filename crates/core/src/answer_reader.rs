//! Reads what an answer says of itself, as it passes: a stream's events, or a plain body's
//! few fields.

use crate::json_cursor::JsonCursor;
use crate::json_skimmer::JsonSkimmer;
use crate::sse_event::{SseEvent, SseEventKind};
use crate::sse_scanner::SseScanner;
use crate::usage_cell::{End, Metered, UsageCell};
use crate::{Failure, Text, Usage};
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, response};

/// Reads one answer into its cell. Dropped before the end, it says so.
#[derive(Debug)]
pub(crate) struct AnswerReader {
    cell: UsageCell,
    form: Form,
    /// Content that has passed since the cell was last written.
    unsaid: Unsaid,
    is_success: bool,
    ended: bool,
}

#[derive(Debug)]
enum Form {
    Stream(SseScanner),
    Json(JsonSkimmer),
    /// Of no form that is read: another type, or compressed.
    Opaque,
}

#[derive(Debug, Default)]
struct Unsaid {
    deltas: u64,
    bytes: u64,
}

// === impl AnswerReader ===

impl AnswerReader {
    pub(crate) fn new(head: &response::Parts, cell: UsageCell) -> Self {
        let form = if is_event_stream(&head.headers) {
            Form::Stream(SseScanner::new())
        } else if is_of_type(&head.headers, b"application/json") && is_plain(&head.headers) {
            Form::Json(JsonSkimmer::default())
        } else {
            Form::Opaque
        };
        Self {
            cell,
            form,
            unsaid: Unsaid::default(),
            is_success: head.status.is_success(),
            ended: false,
        }
    }

    pub(crate) fn read(&mut self, chunk: &Bytes) {
        let (cell, unsaid) = (&self.cell, &mut self.unsaid);
        match &mut self.form {
            Form::Stream(scanner) => {
                scanner.push(chunk, |event| read_event(cell, unsaid, event));
                if cell.is_watched() && unsaid.deltas > 0 {
                    let unsaid = std::mem::take(unsaid);
                    cell.write(|metered| unsaid.say(metered));
                }
            }
            Form::Json(skimmer) => {
                skimmer.push(chunk, is_read, |key, value| {
                    cell.write(|metered| read_field(metered, key, value));
                });
                if skimmer.is_whole() && !self.ended {
                    self.end(self.plain_end());
                }
            }
            Form::Opaque => {}
        }
    }

    /// The body came to its end.
    pub(crate) fn finish(&mut self) {
        let (cell, unsaid) = (&self.cell, &mut self.unsaid);
        let end = match &mut self.form {
            Form::Stream(scanner) => {
                scanner.finish(|event| read_event(cell, unsaid, event));
                // Whatever says it was complete has said so already.
                End::Truncated
            }
            Form::Json(_) | Form::Opaque => self.plain_end(),
        };
        self.end(end);
    }

    /// How a body ends that is no stream.
    const fn plain_end(&self) -> End {
        match self.is_success {
            true => End::Complete,
            false => End::Errored,
        }
    }

    /// The body broke.
    pub(crate) fn fail(&mut self) {
        self.end(End::Truncated);
    }

    fn end(&mut self, end: End) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let unsaid = std::mem::take(&mut self.unsaid);
        self.cell.write(|metered| {
            unsaid.say(metered);
            metered.finish(end);
        });
    }
}

impl Drop for AnswerReader {
    fn drop(&mut self) {
        self.end(End::Dropped);
    }
}

// === impl Unsaid ===

impl Unsaid {
    fn say(self, metered: &mut Metered) {
        metered.deltas += self.deltas;
        metered.delta_bytes += self.bytes;
    }
}

/// Whether these are the headers of server-sent events that can be read as they pass: a
/// compressed stream is none.
#[must_use]
pub fn is_event_stream(headers: &HeaderMap) -> bool {
    is_of_type(headers, b"text/event-stream") && is_plain(headers)
}

fn is_plain(headers: &HeaderMap) -> bool {
    headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

fn is_of_type(headers: &HeaderMap, expected: &[u8]) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.as_bytes().get(..expected.len()))
        .is_some_and(|kind| kind.eq_ignore_ascii_case(expected))
}

fn read_event(cell: &UsageCell, unsaid: &mut Unsaid, event: SseEvent<'_>) {
    match event.kind {
        SseEventKind::ContentBlockDelta => {
            let is_first = unsaid.deltas == 0;
            unsaid.deltas += 1;
            unsaid.bytes += event.length;
            if is_first {
                cell.write(|metered| metered.has_content = true);
            }
        }
        SseEventKind::ContentBlockStart if !begins_empty(event.data) => {
            unsaid.deltas += 1;
            unsaid.bytes += event.length;
            cell.write(|metered| metered.has_content = true);
        }
        SseEventKind::MessageStart => {
            let mut cursor = JsonCursor::new(event.data);
            cell.write(|metered| read_message(metered, &mut cursor, b"message"));
        }
        SseEventKind::MessageDelta => {
            let mut cursor = JsonCursor::new(event.data);
            cell.write(|metered| read_message(metered, &mut cursor, b"delta"));
        }
        SseEventKind::MessageStop => cell.write(|metered| metered.finish(End::Complete)),
        SseEventKind::Error => {
            let failure = Failure::from_event(event.data);
            cell.write(|metered| {
                metered.error_type = failure.error_type;
                metered.failure = Some(failure.kind);
                metered.finish(End::Errored);
            });
        }
        _ => {}
    }
}

/// Reads what an event says of the message: in itself, and in the object it has at `inner`.
fn read_message(metered: &mut Metered, cursor: &mut JsonCursor<'_>, inner: &[u8]) {
    if !cursor.enter_object() {
        return;
    }
    while let Some(key) = cursor.next_key() {
        match key {
            b"usage" => {
                if let Some(usage) = Usage::read(cursor) {
                    metered.usage.replace(usage);
                }
            }
            b"model" => metered.model = cursor.text().map(|text| word(&text)),
            b"stop_reason" => {
                if let Some(reason) = cursor.text() {
                    metered.stop_reason = Some(word(&reason));
                }
            }
            // Entered where it stands: it holds no field of its own name.
            key if key == inner => read_message(metered, cursor, b""),
            _ => {
                cursor.skip();
            }
        }
    }
}

/// Whether a block begins without content; others arrive whole in their start.
fn begins_empty(data: &[u8]) -> bool {
    let block = field(data, b"content_block");
    let kind = block.and_then(|mut block| field(block.skip(), b"type")?.text());
    matches!(
        kind.as_deref(),
        Some("text" | "thinking" | "tool_use" | "server_tool_use" | "mcp_tool_use")
    )
}

/// A cursor before a field of an object.
fn field<'a>(json: &'a [u8], name: &[u8]) -> Option<JsonCursor<'a>> {
    let mut cursor = JsonCursor::new(json);
    if !cursor.enter_object() {
        return None;
    }
    while let Some(key) = cursor.next_key() {
        if key == name {
            return Some(cursor);
        }
        cursor.skip();
    }
    None
}

/// The fields of a message, or of an error, that are read.
fn is_read(key: &[u8]) -> bool {
    matches!(key, b"model" | b"stop_reason" | b"usage" | b"error")
}

fn read_field(metered: &mut Metered, key: &[u8], value: &[u8]) {
    let text = |value| JsonCursor::new(value).text().map(|text| word(&text));
    match key {
        b"usage" => {
            if let Some(usage) = Usage::from_json(value) {
                metered.usage = usage;
                metered.has_content = true;
            }
        }
        b"error" => {
            let kind = field(value, b"type").and_then(|mut kind| kind.text());
            metered.error_type = kind.map(|kind| word(&kind));
        }
        b"model" => metered.model = text(value).or_else(|| metered.model.take()),
        _ => metered.stop_reason = text(value).or_else(|| metered.stop_reason.take()),
    }
}

/// Text, without an allocation for the words nearly every answer holds.
fn word(text: &str) -> Text {
    match text {
        "end_turn" => Text::from_static("end_turn"),
        "max_tokens" => Text::from_static("max_tokens"),
        "stop_sequence" => Text::from_static("stop_sequence"),
        "tool_use" => Text::from_static("tool_use"),
        "refusal" => Text::from_static("refusal"),
        other => Text::from(other),
    }
}
