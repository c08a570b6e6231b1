use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Whether a circuit has nothing to remember, and its era, in one word.
///
/// What lets the calls of a healthy target pass without a lock. It is written under the
/// circuit's lock; who reads an old value lets one more call through, as one that came a
/// moment earlier.
#[derive(Debug)]
pub(crate) struct Calm(AtomicU32);

// === impl Calm ===

impl Calm {
    /// The era, if it is calm.
    pub(crate) fn era(&self) -> Option<u32> {
        let word = self.0.load(Relaxed);
        (word & 1 == 1).then_some(word >> 1)
    }

    pub(crate) fn set(&self, is_calm: bool, era: u32) {
        self.0.store(era << 1 | u32::from(is_calm), Relaxed);
    }
}

impl Default for Calm {
    fn default() -> Self {
        Self(AtomicU32::new(1))
    }
}
