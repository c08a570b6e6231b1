use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Sees from outside what has become of a [`ScriptedBody`](crate::ScriptedBody).
///
/// Stays valid after the body is gone.
#[derive(Clone, Debug)]
pub struct BodyObserver {
    watch: Arc<Watch>,
}

/// What a body notes down about itself, one writer and any number of readers.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    polls: AtomicU64,
    frames: AtomicU64,
    bytes: AtomicU64,
    finished: AtomicBool,
    dropped: AtomicBool,
}

// === impl BodyObserver ===

impl BodyObserver {
    pub(crate) const fn new(watch: Arc<Watch>) -> Self {
        Self { watch }
    }

    /// How often the body was polled for a frame.
    #[must_use]
    pub fn polls(&self) -> u64 {
        self.watch.polls.load(Relaxed)
    }

    /// How many frames were taken, data and trailers.
    #[must_use]
    pub fn frames_sent(&self) -> u64 {
        self.watch.frames()
    }

    /// How many bytes of data were taken.
    #[must_use]
    pub fn bytes_sent(&self) -> u64 {
        self.watch.bytes()
    }

    /// Whether the script was played to its end, an error included.
    ///
    /// True as soon as the last frame is taken: a receiver that trusts `is_end_stream` does
    /// not poll again.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.watch.finished.load(Relaxed)
    }

    /// Whether the body is gone, at whatever point.
    #[must_use]
    pub fn is_dropped(&self) -> bool {
        self.watch.dropped.load(Relaxed)
    }
}

// === impl Watch ===

impl Watch {
    pub(crate) fn polled(&self) {
        self.polls.fetch_add(1, Relaxed);
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.frames.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn finished(&self) {
        self.finished.store(true, Relaxed);
    }

    pub(crate) fn dropped(&self) {
        self.dropped.store(true, Relaxed);
    }

    pub(crate) fn frames(&self) -> u64 {
        self.frames.load(Relaxed)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }
}
