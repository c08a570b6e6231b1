use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

/// What the caller gets and whoever reads the answer along does not see.
///
/// An `error` event says to a reader that nothing is billed. Of an answer that has not come to
/// its end nobody knows that, so a reader is to see it cut off.
#[derive(Debug, Default)]
pub(crate) struct Aside(Mutex<Option<Bytes>>);

// === impl Aside ===

impl Aside {
    pub(crate) fn put(&self, data: Bytes) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(data);
    }

    pub(crate) fn is_empty(&self) -> bool {
        let data = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        data.is_none()
    }

    pub(crate) fn take(&self) -> Option<Bytes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
