//! Reads what an answer says of itself: a stream's events, or a plain body's few fields.

use http::HeaderMap;

use crate::answer_reader::is_of_type;
use crate::content_block::ContentBlock;
use crate::frames::FramesReader;
use crate::json_cursor::JsonCursor;
use crate::json_skimmer::JsonSkimmer;
use crate::sse_event::{SseEvent, SseEventKind};
use crate::sse_scanner::SseScanner;
use crate::usage_cell::{End, Metered, UsageCell};
use crate::{Failure, Text, Usage};

/// Reads one answer, which is not compressed, into its cell. Dropped before the end, it says so.
#[derive(Debug)]
pub(crate) struct PlainReader {
    cell: UsageCell,
    form: Form,
    /// Content that has passed since the cell was last written.
    unsaid: Unsaid,
    is_success: bool,
    is_whole: bool,
    ended: bool,
}

/// What an answer is made of.
#[derive(Debug)]
pub(crate) enum Form {
    Events(SseScanner),
    /// Of Bedrock.
    Frames(Box<FramesReader>),
    Json(JsonSkimmer),
    /// A stream of which the rest cannot be read.
    Broken,
    /// Nothing that is read.
    Opaque,
}

#[derive(Debug, Default)]
struct Unsaid {
    deltas: u64,
    bytes: u64,
    /// What a delta of the open block has around its text, in bytes.
    envelope: u64,
}

// === impl PlainReader ===

impl PlainReader {
    pub(crate) fn new(form: Form, cell: UsageCell, is_success: bool) -> Self {
        if let Form::Events(_) | Form::Frames(_) = form {
            cell.write(|metered| metered.is_stream = true);
        }
        Self {
            cell,
            form,
            unsaid: Unsaid::default(),
            is_success,
            is_whole: false,
            ended: false,
        }
    }

    pub(crate) fn read(&mut self, chunk: &[u8]) {
        let (cell, unsaid) = (&self.cell, &mut self.unsaid);
        match &mut self.form {
            Form::Events(scanner) => scanner.push(chunk, |event| read_event(cell, unsaid, event)),
            Form::Frames(frames) => {
                if frames
                    .push(chunk, |event| read_event(cell, unsaid, event))
                    .is_err()
                {
                    self.give_up();
                }
            }
            Form::Json(skimmer) => {
                skimmer.push(chunk, is_read, |key, value| {
                    cell.write(|metered| read_field(metered, key, value));
                });
                if skimmer.is_whole() && !self.is_whole {
                    self.is_whole = true;
                    cell.write(|metered| metered.is_whole = true);
                }
            }
            Form::Broken | Form::Opaque => {}
        }
        // Whoever hears of the end wants to know of all that came before it.
        if self.unsaid.deltas > 0 && (self.cell.is_watched() || self.cell.has_ended()) {
            let unsaid = &mut self.unsaid;
            self.cell.write(|metered| unsaid.say(metered));
        }
    }

    /// The rest cannot be read: what is known of the answer is not all.
    pub(crate) fn give_up(&mut self) {
        self.form = match self.form {
            // Nobody has seen it say that it is complete.
            Form::Events(_) | Form::Frames(_) | Form::Broken => Form::Broken,
            Form::Json(_) | Form::Opaque => Form::Opaque,
        };
        self.cell.write(|metered| metered.is_unread = true);
    }

    /// The body came to its end.
    pub(crate) fn finish(&mut self) {
        let (cell, unsaid) = (&self.cell, &mut self.unsaid);
        let end = match &mut self.form {
            Form::Events(scanner) => {
                scanner.finish(|event| read_event(cell, unsaid, event));
                // Whatever says it was complete has said so already.
                End::Truncated
            }
            Form::Frames(_) | Form::Broken => End::Truncated,
            // A connection that is closed is all that tells of an end without a length.
            Form::Json(_) if self.is_success && !self.is_whole => End::Truncated,
            Form::Json(_) | Form::Opaque => self.plain_end(),
        };
        self.end(end);
    }

    /// The body broke.
    pub(crate) fn fail(&mut self) {
        self.end(End::Truncated);
    }

    /// How a body ends that says nothing of it.
    const fn plain_end(&self) -> End {
        match self.is_success {
            true => End::Complete,
            false => End::Errored,
        }
    }

    fn end(&mut self, end: End) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let unsaid = &mut self.unsaid;
        self.cell.write(|metered| {
            unsaid.say(metered);
            metered.finish(end);
        });
    }
}

impl Drop for PlainReader {
    fn drop(&mut self) {
        self.end(End::Dropped);
    }
}

// === impl Form ===

impl Form {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        if is_of_type(headers, b"text/event-stream") {
            Self::Events(SseScanner::new())
        } else if is_of_type(headers, b"application/vnd.amazon.eventstream") {
            Self::Frames(Box::default())
        } else if is_of_type(headers, b"application/json") {
            Self::Json(JsonSkimmer::default())
        } else {
            Self::Opaque
        }
    }
}

// === impl Unsaid ===

impl Unsaid {
    fn add(&mut self, bytes: u64) {
        self.deltas += 1;
        self.bytes += bytes;
    }

    fn say(&mut self, metered: &mut Metered) {
        metered.deltas += std::mem::take(&mut self.deltas);
        metered.delta_bytes += std::mem::take(&mut self.bytes);
    }
}

fn read_event(cell: &UsageCell, unsaid: &mut Unsaid, event: SseEvent<'_>) {
    match event.kind {
        SseEventKind::ContentBlockDelta => {
            let is_first = unsaid.deltas == 0;
            unsaid.add(event.length.saturating_sub(unsaid.envelope));
            if is_first {
                cell.write(|metered| metered.has_content = true);
            }
        }
        SseEventKind::ContentBlockStart => {
            let block = ContentBlock::read(event.data);
            match block {
                ContentBlock::Empty { envelope } => {
                    unsaid.envelope = envelope;
                    return;
                }
                ContentBlock::Whole => unsaid.add(event.length.saturating_sub(ContentBlock::EMPTY)),
                ContentBlock::Given | ContentBlock::Fallback(_) => {}
            }
            cell.write(|metered| {
                metered.has_content = true;
                if let ContentBlock::Fallback(Some(model)) = block {
                    metered.model = Some(model);
                }
            });
        }
        SseEventKind::MessageStart => cell.write(|metered| {
            read_message(metered, &event, b"message");
        }),
        SseEventKind::MessageDelta => cell.write(|metered| {
            metered.is_reported |= read_message(metered, &event, b"delta");
        }),
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
/// Whether it has reported output.
fn read_message(metered: &mut Metered, event: &SseEvent<'_>, inner: &[u8]) -> bool {
    let mut cursor = JsonCursor::new(event.data);
    let reports = read_fields(metered, &mut cursor, Some(inner));
    // Of data that is too large nothing is kept.
    let is_whole = event.data.len() as u64 == event.length && !cursor.is_broken();
    metered.is_unread |= !is_whole;
    reports && is_whole
}

fn read_fields(metered: &mut Metered, cursor: &mut JsonCursor<'_>, inner: Option<&[u8]>) -> bool {
    let mut reports = false;
    if !cursor.enter_object() {
        metered.is_unread |= cursor.skip() != b"null";
        return false;
    }
    while let Some(key) = cursor.next_key() {
        match key {
            b"usage" => {
                if let Some(usage) = Usage::read(cursor) {
                    reports |= usage.output_tokens.is_some();
                    metered.usage.replace(usage);
                }
            }
            b"model" => metered.model = cursor.text().map(|text| word(&text)),
            b"stop_reason" => {
                if let Some(reason) = cursor.text() {
                    metered.stop_reason = Some(word(&reason));
                }
            }
            // Entered where it stands, and nothing in it is: whoever sent the answer must not
            // say how deep this goes.
            key if Some(key) == inner => reports |= read_fields(metered, cursor, None),
            _ => {
                cursor.skip();
            }
        }
    }
    reports
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
                metered.is_reported = usage.output_tokens.is_some();
                metered.usage = usage;
                metered.has_content = true;
            }
        }
        b"error" => {
            let kind = JsonCursor::field(value, b"type").and_then(|mut kind| kind.text());
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
