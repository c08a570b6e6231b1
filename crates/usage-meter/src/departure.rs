use std::sync::{Arc, OnceLock};

use tokio::time::Instant;

/// When the caller left, where the call is brought to its end without them. An extension of
/// requests.
///
/// Whoever goes on with a call that nobody waits for, as [`DrainLayer`](crate::DrainLayer)
/// does, puts it there before and says so; the record then has what the answer said, and is
/// that of a call whose caller left.
#[derive(Clone, Debug, Default)]
pub struct Departure(Arc<OnceLock<Left>>);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Left {
    pub(crate) at: Instant,
    /// Whether nothing of the answer had been sent.
    pub(crate) before_head: bool,
}

// === impl Departure ===

impl Departure {
    /// A caller who is there.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The caller has left: before the head of the answer, or while its body passed. Only the
    /// first word counts.
    pub fn leave(&self, before_head: bool) {
        let at = Instant::now();
        let _ = self.0.set(Left { at, before_head });
    }

    pub(crate) fn left(&self) -> Option<Left> {
        self.0.get().copied()
    }
}
