use std::fmt;

use serde::de::IgnoredAny;
use tower_claude_core::{Failure, FailureKind, SseEvent, SseEventKind, SseScanner};

use crate::events::{BlockDelta, BlockStart};

/// The text of an answer so far, as long as it is one that can be gone on with.
pub(crate) struct Said {
    scanner: SseScanner,
    text: String,
    /// The most text that is kept, in bytes.
    limit: usize,
    /// Whether the text block has begun; it is the only one, and open.
    is_open: bool,
}

/// What an event says about going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Nothing against it.
    Fine,
    /// It cannot be read; if it was cut off, that does not matter.
    Unread,
    /// The answer is not, or no longer, one to go on with.
    Unfit,
    /// The stream ends with an error.
    Lost(FailureKind),
}

// === impl Said ===

impl Said {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            scanner: SseScanner::reading_all(),
            text: String::new(),
            limit,
            is_open: false,
        }
    }

    /// The text, if there is any and its block is open.
    pub(crate) fn text(&self) -> Option<&str> {
        Some(&*self.text).filter(|text| self.is_open && !text.is_empty())
    }

    /// Reads a whole event.
    pub(crate) fn hear(&mut self, event: &[u8]) -> Heard {
        let Self {
            scanner,
            text,
            limit,
            is_open,
        } = self;
        // What is no event, a comment for one, is nobody's business.
        let mut heard = Heard::Fine;
        scanner.push(event, |event| heard = read(&event, text, *limit, is_open));
        heard
    }
}

impl fmt::Debug for Said {
    /// Prints how much was said, never what.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Said")
            .field("bytes", &self.text.len())
            .field("is_open", &self.is_open)
            .finish_non_exhaustive()
    }
}

fn read(event: &SseEvent<'_>, text: &mut String, limit: usize, is_open: &mut bool) -> Heard {
    let is_whole = event.data.len() as u64 == event.length;
    let more = match event.kind {
        SseEventKind::Ping => return Heard::Fine,
        SseEventKind::Error => return Heard::Lost(Failure::from_event(event.data).kind),
        _ if !is_whole => return Heard::Unread,
        SseEventKind::MessageStart if !*is_open => return Heard::Fine,
        SseEventKind::ContentBlockStart => match BlockStart::read(event.data) {
            None => return Heard::Unread,
            Some(_) if *is_open => return Heard::Unfit,
            Some(start) => {
                *is_open = true;
                start.first_text().map(|more| append(text, more, limit))
            }
        },
        SseEventKind::ContentBlockDelta => match BlockDelta::read(event.data) {
            None => return Heard::Unread,
            Some(delta) => delta
                .first_text()
                .filter(|_| *is_open)
                .map(|more| append(text, more, limit)),
        },
        // Something new; or the name of an event that was cut off, with what came after.
        SseEventKind::Other => return Heard::Unread,
        // The block is closed, or the reason known.
        _ if serde_json::from_slice::<IgnoredAny>(event.data).is_ok() => return Heard::Unfit,
        _ => return Heard::Unread,
    };
    match more {
        Some(true) => Heard::Fine,
        _ => Heard::Unfit,
    }
}

/// Whether there was room for it.
fn append(text: &mut String, more: &str, limit: usize) -> bool {
    let fits = text.len().saturating_add(more.len()) <= limit;
    if fits {
        text.push_str(more);
    }
    fits
}
