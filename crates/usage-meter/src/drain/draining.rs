use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::left_over::LeftOvers;
use super::{DrainLayer, Drainer, Drains};

/// How far calls are read on whose callers have left.
///
/// A host with several runtimes makes a pair for each; their counts are the same.
#[derive(Clone, Debug)]
#[must_use]
pub struct Draining {
    tokens: u64,
    time: Duration,
    most: NonZeroUsize,
    drains: Drains,
}

// === impl Draining ===

impl Draining {
    /// How many calls a pair reads on at once, unless said otherwise.
    pub const MOST: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1023);

    /// For so many more output tokens and for so long, both at most; tokens of an answer under
    /// way are estimated from its text.
    pub fn new(tokens: u64, time: Duration) -> Self {
        Self {
            tokens,
            time,
            most: Self::MOST,
            drains: Drains::default(),
        }
    }

    /// How many calls a pair reads on at once, at most.
    pub const fn most(mut self, calls: NonZeroUsize) -> Self {
        self.most = calls;
        self
    }

    /// How the calls fare.
    #[must_use]
    pub fn drains(&self) -> Drains {
        self.drains.clone()
    }

    /// A layer, and the task that reads on for it. Without the task, nothing is read on.
    pub fn pair(&self) -> (DrainLayer, Drainer) {
        // As many may wait for the task as may be read on: it takes them at once.
        let (queue, receiver) = mpsc::channel(self.most.get());
        let left_overs = LeftOvers::new(queue, self.tokens, self.drains.clone());
        let layer = DrainLayer::keep(Arc::new(left_overs));
        let drainer = Drainer::new(receiver, self.time, self.most, self.drains.clone());
        (layer, drainer)
    }
}
