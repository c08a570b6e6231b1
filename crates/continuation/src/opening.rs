use std::fmt;

use bytes::Bytes;
use tower_claude_core::{SseEvent, SseEventKind, SseScanner};

use crate::added::delta;
use crate::events::{BlockDelta, BlockStart};

/// Reads how a further answer begins.
pub(crate) struct Opening {
    scanner: SseScanner,
    /// What its text block began with, once that has begun.
    begun: Option<String>,
}

/// What an event says about how it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    /// Nothing yet, and it is about what has begun already.
    Unsaid,
    /// Nothing yet, and it is for the caller.
    Aside,
    /// With text, or with the end of one: from here on it is the rest of the answer.
    Text,
    /// There was no more to say; from here on it is the end of the answer.
    End,
    /// With something else, or not at all.
    Otherwise,
}

// === impl Opening ===

impl Opening {
    pub(crate) fn new() -> Self {
        Self {
            scanner: SseScanner::reading_all(),
            begun: None,
        }
    }

    /// Reads a whole event.
    pub(crate) fn read(&mut self, event: &[u8]) -> Opened {
        let begun = &mut self.begun;
        // What is no event, a comment for one, is passed on.
        let mut opened = Opened::Aside;
        self.scanner
            .push(event, |event| opened = read(&event, begun));
        opened
    }

    /// What the text block began with, as the event that adds it; usually nothing.
    pub(crate) fn first(&self) -> Option<Bytes> {
        self.begun.as_deref().and_then(delta)
    }
}

impl fmt::Debug for Opening {
    /// Prints how far it is, never what was said.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening")
            .field("has_begun", &self.begun.is_some())
            .finish_non_exhaustive()
    }
}

fn read(event: &SseEvent<'_>, begun: &mut Option<String>) -> Opened {
    let is_text = match event.kind {
        SseEventKind::Ping => return Opened::Aside,
        // Whatever is said before content is of an answer that may never be taken.
        SseEventKind::MessageStart | SseEventKind::Other => return Opened::Unsaid,
        SseEventKind::ContentBlockStart if begun.is_none() => {
            let start = BlockStart::read(event.data);
            *begun = start.and_then(|start| start.first_text().map(str::to_owned));
            return match begun {
                Some(_) => Opened::Unsaid,
                None => Opened::Otherwise,
            };
        }
        SseEventKind::ContentBlockDelta => {
            BlockDelta::read(event.data).is_some_and(|delta| delta.first_text().is_some())
        }
        SseEventKind::ContentBlockStop => true,
        SseEventKind::MessageDelta if begun.is_none() => return Opened::End,
        _ => false,
    };
    match is_text && begun.is_some() {
        true => Opened::Text,
        false => Opened::Otherwise,
    }
}
