use bytes::Bytes;
use tower_claude_core::{Failure, Refusal, RefusalKind, RequestId, TransportError};

/// How a stream ends that never began.
pub(crate) struct Parting {
    pub(crate) event: Bytes,
    /// Whether upstream may bill it all the same.
    pub(crate) is_possibly_billed: bool,
}

// === impl Parting ===

impl Parting {
    /// For a call that ended in an error. What the error says of itself stays inside, but for
    /// the text of one that was made to be read.
    pub(crate) fn unanswered<E: 'static>(error: &E, id: RequestId) -> Self {
        let refusal = match TransportError::find(error) {
            Some(found) if found.is_timeout() => {
                Refusal::new(RefusalKind::GatewayTimeout, found.to_string())
            }
            Some(found) => Refusal::new(RefusalKind::BadGateway, found.to_string()),
            None => Refusal::new(RefusalKind::BadGateway, "upstream gave no answer"),
        };
        Self {
            event: refusal.to_event(id),
            is_possibly_billed: Failure::from_error(error).possibly_billed(),
        }
    }
}

/// What is said when the deadline is over.
pub(crate) fn late() -> Refusal {
    Refusal::new(
        RefusalKind::GatewayTimeout,
        "upstream took too long to answer",
    )
}
