use std::sync::Arc;

use crate::outbox::{Counters, Parcel};

/// A parcel in the channel; one that nobody takes out is counted.
///
/// A receiver that counts what is left when it goes would miss what is put in meanwhile.
pub(super) struct Waiting {
    parcel: Option<Parcel>,
    counters: Arc<Counters>,
}

// === impl Waiting ===

impl Waiting {
    pub(super) const fn new(parcel: Parcel, counters: Arc<Counters>) -> Self {
        Self {
            parcel: Some(parcel),
            counters,
        }
    }

    pub(super) fn take(mut self) -> Option<Parcel> {
        self.parcel.take()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.parcel.is_some() {
            self.counters.lose(1);
        }
    }
}
