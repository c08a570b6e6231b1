use std::error::Error;
use std::fmt;

/// Any error, boxed: the error of bodies whose source is not known.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A call that ended without an answer, and what upstream can have seen of it.
///
/// Whoever speaks to upstream makes it, because only they know. A layer that has to decide
/// whether the call may be repeated looks for it with [`TransportError::find`]; an error
/// that holds none is taken for [`Sent::Maybe`].
pub struct TransportError {
    sent: Sent,
    timeout: bool,
    source: Option<BoxError>,
}

/// Whether a byte of the request can have reached upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sent {
    /// Nothing was sent, so nothing can have been billed: refused, unresolved, no handshake.
    No,
    /// Something may have been sent and no answer came: it may have been billed.
    Maybe,
}

// === impl TransportError ===

impl TransportError {
    /// An error from before anything was sent.
    pub fn not_sent(source: impl Into<BoxError>) -> Self {
        Self {
            sent: Sent::No,
            timeout: false,
            source: Some(source.into()),
        }
    }

    /// An error from after something may have been sent, and before an answer.
    pub fn no_reply(source: impl Into<BoxError>) -> Self {
        Self {
            sent: Sent::Maybe,
            timeout: false,
            source: Some(source.into()),
        }
    }

    /// Time ran out, waiting for a connection (`Sent::No`) or for an answer (`Sent::Maybe`).
    #[must_use]
    pub const fn timeout(sent: Sent) -> Self {
        Self {
            sent,
            timeout: true,
            source: None,
        }
    }

    /// Whether a byte of the request can have reached upstream.
    #[must_use]
    pub const fn sent(&self) -> Sent {
        self.sent
    }

    /// Whether time ran out, rather than a connection breaking.
    #[must_use]
    pub const fn is_timeout(&self) -> bool {
        self.timeout
    }

    /// Looks for one in an error of any type: itself, inside a box, or among its sources.
    ///
    /// Works for `BoxError`, which is not an [`Error`] itself.
    pub fn find<E: 'static>(error: &E) -> Option<&Self> {
        let any: &dyn std::any::Any = error;
        if let Some(found) = any.downcast_ref::<Self>() {
            return Some(found);
        }
        let boxed = any.downcast_ref::<BoxError>()?;
        let mut next: Option<&(dyn Error + 'static)> = Some(&**boxed);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref::<Self>() {
                return Some(found);
            }
            next = error.source();
        }
        None
    }
}

impl fmt::Debug for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransportError")
            .field("sent", &self.sent)
            .field("timeout", &self.timeout)
            .field("source", &self.source)
            .finish()
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.sent, self.timeout) {
            (Sent::No, false) => "connecting to upstream failed",
            (Sent::No, true) => "connecting to upstream took too long",
            (Sent::Maybe, false) => "upstream closed the connection without an answer",
            (Sent::Maybe, true) => "upstream took too long to answer",
        })
    }
}

impl Error for TransportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn Error + 'static))
    }
}
