use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use http::Response;

use crate::{FailureKind, Text, Usage};

/// What one answer has said so far, filled in as it passes. An extension of responses.
///
/// [`tap`](crate::tap) makes it; whoever meets a response with a cell reads along and does not
/// scan again. A clone is the same cell.
#[derive(Clone, Default)]
pub struct UsageCell(Arc<Shared>);

#[derive(Default)]
struct Shared {
    metered: Mutex<Metered>,
    /// Whether somebody wants to know of content while it passes.
    is_watched: AtomicBool,
    /// Whether it is said how the answer ended.
    has_ended: AtomicBool,
    /// Whether the answer has been through a gate.
    is_gated: AtomicBool,
}

/// What an answer has said so far.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Metered {
    /// Usage as last reported.
    pub usage: Usage,
    /// The model the answer names; in a stream with a fallback, not always the one billed.
    pub model: Option<Text>,
    /// Why the model stopped; in a stream it comes last.
    pub stop_reason: Option<Text>,
    /// The `error.type` of an error answer or event.
    pub error_type: Option<Text>,
    /// How the answer failed, if it did.
    pub failure: Option<FailureKind>,
    /// How it ended; `None` while it runs.
    pub end: Option<End>,
    /// Whether content has come: from then on the caller has something that cannot be taken
    /// back.
    pub has_content: bool,
    /// Whether it is read event by event.
    pub is_stream: bool,
    /// Whether the output has been reported other than at a stream's beginning, where it is a
    /// placeholder.
    pub is_reported: bool,
    /// Whether the object of a JSON body has come to its end, though the body may have not.
    pub is_whole: bool,
    /// Whether a part could not be read: it was broken, too large, or badly compressed.
    pub is_unread: bool,
    /// How many events of content have passed.
    pub deltas: u64,
    /// Bytes of what the model wrote in those events, as JSON has it.
    pub delta_bytes: u64,
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum End {
    /// To the last: `message_stop`, or the whole of a plain body.
    Complete,
    /// With an error, in band or as the answer itself.
    Errored,
    /// Before its end: no `message_stop`, or a broken body.
    Truncated,
    /// Nobody wanted the rest.
    Dropped,
}

// === impl UsageCell ===

impl UsageCell {
    /// The cell of a response; `None` if nobody taps it.
    #[must_use]
    pub fn of<B>(response: &Response<B>) -> Option<&Self> {
        response.extensions().get()
    }

    /// Looks at what has been said so far. The look must be short: the answer waits for it.
    pub fn read<R>(&self, look: impl FnOnce(&Metered) -> R) -> R {
        look(
            &self
                .0
                .metered
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// Has content counted as it passes: without, [`deltas`](Metered::deltas) and what comes
    /// of them are written only at the end.
    pub fn watch(&self) {
        self.0.is_watched.store(true, Relaxed);
    }

    /// Whether the answer has said how it ended. Of a stream that is known with the event that
    /// ends it, before the body is at its end.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.0.has_ended.load(Relaxed)
    }

    /// Notes that the answer goes through a gate; says whether it went through one before.
    pub(crate) fn gate(&self) -> bool {
        self.0.is_gated.swap(true, Relaxed)
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.0.is_watched.load(Relaxed)
    }

    pub(crate) fn write(&self, change: impl FnOnce(&mut Metered)) {
        let metered = &mut self
            .0
            .metered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        change(metered);
        if metered.end.is_some() {
            self.0.has_ended.store(true, Relaxed);
        }
    }
}

impl fmt::Debug for UsageCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.read(|metered| metered.fmt(f))
    }
}

// === impl Metered ===

impl Metered {
    /// Whether the usage is what upstream finally reported.
    ///
    /// The report that comes with the stop reason is the last, even if the end is missing.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        let is_last = self.end == Some(End::Complete) || self.stop_reason.is_some();
        self.is_reported && is_last && !self.is_unread
    }

    /// Output tokens that the content seen so far comes to, at four bytes of text a token.
    ///
    /// For answers that broke off: the report that comes with a stream's beginning counts a
    /// placeholder of output.
    #[must_use]
    pub fn output_seen(&self) -> u64 {
        self.delta_bytes.div_ceil(4).max(self.deltas)
    }

    pub(crate) fn finish(&mut self, end: End) {
        self.end.get_or_insert(end);
    }
}

// === impl End ===

impl End {
    /// The word for it in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Errored => "errored",
            Self::Truncated => "truncated",
            Self::Dropped => "dropped",
        }
    }
}
