use std::fmt;

use serde::Serialize;

use crate::{CapturedText, Unread};

/// What was said in one direction of a call, redacted.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CapturedSide {
    /// The texts, in their order.
    pub texts: Vec<CapturedText>,
    /// Whether there was more than the limit let through, or than could be read.
    pub truncated: bool,
    /// Why it was not read, or not all of it.
    pub unread: Option<Unread>,
    /// How many events of content could not be read.
    pub unreadable_events: u64,
}

// === impl CapturedSide ===

impl fmt::Debug for CapturedSide {
    /// Prints lengths, never what was said.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CapturedSide")
            .field("texts", &self.texts)
            .field("truncated", &self.truncated)
            .field("unread", &self.unread)
            .field("unreadable_events", &self.unreadable_events)
            .finish()
    }
}
