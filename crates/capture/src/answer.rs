use std::fmt;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::response;
use serde::Deserialize;
use serde_json::value::RawValue;
use tower_claude_core::{End, SseEvent, SseEventKind, SseScanner, is_event_stream};

use crate::loose::Loose;
use crate::reader::{At, Reader};
use crate::texts::Texts;
use crate::{Role, Unread};

/// Reads what an answer says as it passes.
pub(crate) struct Answer {
    form: Form,
    said: Said,
    is_success: bool,
}

/// What was read of an answer.
pub(crate) struct Said {
    pub(crate) texts: Texts,
    pub(crate) unread: Option<Unread>,
    /// Events of content that could not be read, being no JSON or too large.
    pub(crate) unreadable_events: u64,
    /// How a stream says it ended.
    end: Option<End>,
    /// The block that deltas go to, and whose words they are.
    block: Option<(u64, Role)>,
}

enum Form {
    Stream(Box<SseScanner>),
    /// As far as it has come, and how large it may become.
    Json(Vec<u8>, usize),
    Unread,
}

#[derive(Deserialize)]
struct Start<'a> {
    #[serde(default)]
    index: u64,
    #[serde(borrow)]
    content_block: &'a RawValue,
}

/// A block that begins, if it is of a kind that deltas follow.
#[derive(Deserialize)]
struct Begun<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Loose<'a>,
    #[serde(borrow, default)]
    name: Loose<'a>,
    #[serde(borrow, default)]
    text: Loose<'a>,
    #[serde(borrow, default)]
    thinking: Loose<'a>,
}

#[derive(Deserialize)]
struct DeltaEvent<'a> {
    #[serde(default)]
    index: u64,
    #[serde(borrow)]
    delta: Delta<'a>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow, default)]
    text: Loose<'a>,
    #[serde(borrow, default)]
    thinking: Loose<'a>,
    #[serde(borrow, default)]
    partial_json: Loose<'a>,
    /// Of a summary of what was said before.
    #[serde(borrow, default)]
    content: Loose<'a>,
}

/// How many times as long as its texts a plain answer may be.
const JSON_PER_TEXT: usize = 16;

/// What a plain answer may have besides, in bytes.
const JSON_BESIDES: usize = 64 * 1024;

// === impl Answer ===

impl Answer {
    pub(crate) fn new(head: &response::Parts, limit: usize) -> Self {
        let is_plain =
            |coding: &http::HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"identity");
        let is_compressed = !head.headers.get_all(CONTENT_ENCODING).iter().all(is_plain);
        let kind = head
            .headers
            .get(CONTENT_TYPE)
            .map(http::HeaderValue::as_bytes);
        let is_json = kind
            .and_then(|kind| kind.get(..JSON.len()))
            .is_some_and(|kind| kind.eq_ignore_ascii_case(JSON));
        let (form, unread) = if is_compressed {
            (Form::Unread, Some(Unread::Compressed))
        } else if is_event_stream(&head.headers) {
            (Form::Stream(Box::new(SseScanner::reading_all())), None)
        } else if is_json {
            let most = limit
                .saturating_mul(JSON_PER_TEXT)
                .saturating_add(JSON_BESIDES);
            (Form::Json(Vec::new(), most), None)
        } else {
            (Form::Unread, Some(Unread::OtherType))
        };
        Self {
            form,
            said: Said {
                texts: Texts::first(limit),
                unread,
                unreadable_events: 0,
                end: None,
                block: None,
            },
            is_success: head.status.is_success(),
        }
    }

    /// Takes the next piece.
    pub(crate) fn read(&mut self, chunk: &[u8]) {
        let said = &mut self.said;
        match &mut self.form {
            Form::Stream(scanner) => scanner.push(chunk, |event| said.hear(event)),
            Form::Json(json, most) if json.len() + chunk.len() <= *most => {
                json.extend_from_slice(chunk);
            }
            Form::Json(..) => {
                self.form = Form::Unread;
                said.unread = Some(Unread::TooLarge);
            }
            Form::Unread => {}
        }
    }

    /// What was said, and how it ended; `looked` is how it looked from outside.
    pub(crate) fn finish(self, looked: End) -> (Said, End) {
        let Self {
            form,
            mut said,
            is_success,
        } = self;
        let end = match form {
            Form::Stream(mut scanner) => {
                scanner.finish(|event| said.hear(event));
                match (said.end, looked) {
                    (Some(end), _) => end,
                    (None, End::Complete) => End::Truncated,
                    (None, looked) => looked,
                }
            }
            Form::Json(json, _) => {
                if !Reader::read(&mut said.texts, At::Message, &json) {
                    said.unread = Some(Unread::Malformed);
                }
                end_of_plain(looked, is_success)
            }
            Form::Unread => end_of_plain(looked, is_success),
        };
        (said, end)
    }
}

const JSON: &[u8] = b"application/json";

const fn end_of_plain(looked: End, is_success: bool) -> End {
    match looked {
        End::Complete if !is_success => End::Errored,
        looked => looked,
    }
}

impl fmt::Debug for Answer {
    /// Prints how it is read, never what it says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("texts", &self.said.texts)
            .field("unread", &self.said.unread)
            .finish_non_exhaustive()
    }
}

// === impl Said ===

impl Said {
    fn hear(&mut self, event: SseEvent<'_>) {
        let is_read = match event.kind {
            _ if event.data.len() as u64 != event.length => !may_hold_text(event.kind),
            SseEventKind::ContentBlockStart => self.start(event.data).is_some(),
            SseEventKind::ContentBlockDelta => self.delta(event.data).is_some(),
            SseEventKind::Error => {
                self.end = Some(End::Errored);
                Reader::read(&mut self.texts, At::Message, event.data)
            }
            SseEventKind::MessageStop => {
                self.end.get_or_insert(End::Complete);
                true
            }
            _ => true,
        };
        if !is_read {
            self.unreadable_events += 1;
            self.texts.mark_truncated();
        }
    }

    fn start(&mut self, data: &[u8]) -> Option<()> {
        let start: Start<'_> = serde_json::from_slice(data).ok()?;
        let block = start.content_block.get();
        let begun: Begun<'_> = serde_json::from_str(block).ok()?;
        let (role, text) = match begun.kind.as_str() {
            "text" => (Role::Assistant, begun.text.as_str()),
            "thinking" => (Role::Thinking, begun.thinking.as_str()),
            // Its input is always empty here.
            "tool_use" | "server_tool_use" | "mcp_tool_use" => (Role::ToolUse, ""),
            _ => {
                self.block = None;
                let at = At::Content(Some(Role::Assistant));
                return Reader::read(&mut self.texts, at, block.as_bytes()).then_some(());
            }
        };
        let name = (role == Role::ToolUse).then(|| begun.name.as_str());
        self.begin(start.index, role, name);
        if self.block.is_some() {
            self.texts.append(text);
        }
        Some(())
    }

    fn delta(&mut self, data: &[u8]) -> Option<()> {
        let DeltaEvent { index, delta } = serde_json::from_slice(data).ok()?;
        let (role, text) = match delta {
            Delta {
                text: Loose(Some(text)),
                ..
            } => (Role::Assistant, text),
            Delta {
                thinking: Loose(Some(text)),
                ..
            } => (Role::Thinking, text),
            Delta {
                partial_json: Loose(Some(text)),
                ..
            } => (Role::ToolUse, text),
            Delta {
                content: Loose(Some(text)),
                ..
            } => (Role::Assistant, text),
            // A signature or a citation.
            _ => return Some(()),
        };
        if text.is_empty() {
            return Some(());
        }
        if self.block != Some((index, role)) {
            self.begin(index, role, None);
        }
        if self.block.is_some() {
            self.texts.append(&text);
        }
        Some(())
    }

    fn begin(&mut self, index: u64, role: Role, name: Option<&str>) {
        let is_begun = self.texts.begin(Some(role), name);
        self.block = is_begun.then_some((index, role));
    }
}

/// Whether an event of this kind may hold text; one without a name, whose data is not kept, may.
fn may_hold_text(kind: SseEventKind) -> bool {
    matches!(
        kind,
        SseEventKind::ContentBlockStart
            | SseEventKind::ContentBlockDelta
            | SseEventKind::Error
            | SseEventKind::Other
    )
}
