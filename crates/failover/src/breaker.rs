use std::num::NonZeroU32;
use std::time::Duration;

/// When a target is taken out of use for a class of models, and for how long.
///
/// It opens on so many failures within the window, if they came in a row or make up at least
/// half of the answers since the first of them: a busy target that fails now and then stays in
/// use. Once open, it lets one probe through at a time after [`open`](Breaker::open) and closes
/// when one succeeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Breaker {
    failures: NonZeroU32,
    window: Duration,
    open: Duration,
}

const FIVE: NonZeroU32 = NonZeroU32::MIN.saturating_add(4);

// === impl Breaker ===

impl Breaker {
    /// Opens on 5 failures within 30 seconds, for 15 seconds.
    pub const fn new() -> Self {
        Self {
            failures: FIVE,
            window: Duration::from_secs(30),
            open: Duration::from_secs(15),
        }
    }

    /// Sets how many failures it takes.
    pub const fn failures(mut self, failures: NonZeroU32) -> Self {
        self.failures = failures;
        self
    }

    /// Sets how long a failure counts.
    pub const fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// Sets how long it stays open before a probe may pass.
    ///
    /// Also how long a probe keeps others back: one that takes longer no longer does.
    pub const fn open(mut self, open: Duration) -> Self {
        self.open = open;
        self
    }

    pub(crate) const fn limit(&self) -> u32 {
        self.failures.get()
    }

    pub(crate) const fn memory(&self) -> Duration {
        self.window
    }

    pub(crate) const fn pause(&self) -> Duration {
        self.open
    }
}

impl Default for Breaker {
    fn default() -> Self {
        Self::new()
    }
}
