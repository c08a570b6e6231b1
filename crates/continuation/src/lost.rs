use std::fmt;

use bytes::Bytes;
use tower_claude_core::{End, FailureKind, TransportError, UsageCell};

/// How a stream broke off, and what there was at its end: all of it is still to be said if
/// nothing comes after it.
pub(crate) struct Lost<E> {
    pub(crate) reason: FailureKind,
    /// The bytes from the end of the last event that was passed on.
    pub(crate) ending: Bytes,
    /// The body's error that came after them.
    pub(crate) error: Option<E>,
    /// Whether more may come after that.
    pub(crate) is_event: bool,
}

// === impl Lost ===

impl<E> Lost<E> {
    /// By an `error` event, upstream's or that of a layer of ours which saw the stream break.
    pub(crate) fn in_band(kind: FailureKind, ending: Bytes, cell: &UsageCell) -> Self {
        let was_cut = cell.read(|metered| metered.end == Some(End::Truncated));
        let reason = match kind {
            FailureKind::Timeout if was_cut => FailureKind::Stalled,
            _ if was_cut => FailureKind::Truncated,
            kind => kind,
        };
        Self {
            reason,
            ending,
            error: None,
            is_event: true,
        }
    }

    /// By the end of the body, or its error.
    pub(crate) fn cut(ending: Bytes, error: Option<E>) -> Self
    where
        E: 'static,
    {
        let is_stalled = error
            .as_ref()
            .and_then(TransportError::find)
            .is_some_and(TransportError::is_timeout);
        Self {
            reason: match is_stalled {
                true => FailureKind::Stalled,
                false => FailureKind::Truncated,
            },
            ending,
            error,
            is_event: false,
        }
    }

    /// Whether the rest may come if it is asked for again.
    pub(crate) const fn passes(&self) -> bool {
        matches!(
            self.reason,
            FailureKind::Overloaded
                | FailureKind::ServerError
                | FailureKind::Timeout
                | FailureKind::Truncated
                | FailureKind::Stalled
        )
    }
}

impl<E> fmt::Debug for Lost<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lost")
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}
