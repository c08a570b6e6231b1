use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How the calls fare whose callers have left. A clone is the same count.
#[derive(Clone, Debug, Default)]
pub struct Drains(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    running: AtomicU64,
    finished: AtomicU64,
    timed_out: AtomicU64,
    refused: AtomicU64,
}

/// Counts a call as running as long as it lives.
#[derive(Debug)]
pub(crate) struct Running(Drains);

// === impl Drains ===

impl Drains {
    /// How many are being read on now.
    #[must_use]
    pub fn running(&self) -> u64 {
        self.0.running.load(Relaxed)
    }

    /// How many were read on until their end, or until they had used their tokens.
    #[must_use]
    pub fn finished(&self) -> u64 {
        self.0.finished.load(Relaxed)
    }

    /// How many had no time left.
    #[must_use]
    pub fn timed_out(&self) -> u64 {
        self.0.timed_out.load(Relaxed)
    }

    /// How many were not read on, because too many were or nobody runs the drainer.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Relaxed)
    }

    pub(crate) fn begin(&self) -> Running {
        self.0.running.fetch_add(1, Relaxed);
        Running(self.clone())
    }

    pub(crate) fn end(&self, is_in_time: bool) {
        let counter = match is_in_time {
            true => &self.0.finished,
            false => &self.0.timed_out,
        };
        counter.fetch_add(1, Relaxed);
    }

    pub(super) fn refuse(&self) {
        self.0.refused.fetch_add(1, Relaxed);
    }
}

// === impl Running ===

impl Drop for Running {
    fn drop(&mut self) {
        self.0.0.running.fetch_sub(1, Relaxed);
    }
}
