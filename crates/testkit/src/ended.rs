use std::fmt;

use serde::Serialize;

/// How an answer of the fake ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ended {
    /// Everything was taken, up to what the protocol calls an end, an `error` event included.
    Complete,
    /// The body ended cleanly before the protocol's end: no `message_stop`, half a document.
    Cut,
    /// The body broke off with an error.
    Reset,
    /// The body went silent for ever.
    Stalled,
    /// The receiver dropped the body, or the call itself, before the end.
    DroppedByReceiver,
    /// There was no answer: refused, reset before the head, or the request never arrived.
    NoAnswer,
    /// It has not ended yet.
    InProgress,
}

// === impl Ended ===

impl Ended {
    /// The name used in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Cut => "cut",
            Self::Reset => "reset",
            Self::Stalled => "stalled",
            Self::DroppedByReceiver => "dropped_by_receiver",
            Self::NoAnswer => "no_answer",
            Self::InProgress => "in_progress",
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
