use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tower_claude_core::Intake;
use tower_layer::Layer;

use crate::Heartbeat;

/// Sends the head of a stream and pings while the inner service is at work; see the [crate]
/// docs.
#[must_use = "a layer does nothing until it wraps a service"]
pub struct HeartbeatLayer {
    shared: Arc<Settings>,
}

/// What all services of a layer have in common.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) after: Duration,
    pub(crate) every: Duration,
    pub(crate) deadline: Option<Duration>,
    pub(crate) intake: Intake,
}

// === impl HeartbeatLayer ===

impl HeartbeatLayer {
    /// The shortest time between two pings: whatever is shorter counts as this.
    pub const SHORTEST: Duration = Duration::from_millis(100);

    /// A layer with a patience of 5 s, pings every 10 s, and no deadline.
    pub fn new() -> Self {
        Self {
            shared: Arc::new(Settings {
                after: Duration::from_secs(5),
                every: Duration::from_secs(10),
                deadline: None,
                intake: Intake::new(),
            }),
        }
    }

    /// Waits so long for the inner service before a head goes out; the default is 5 s.
    ///
    /// An answer that comes within it passes untouched, so that a 429 is a 429. With zero, the
    /// head goes out at once unless the answer is there at once.
    pub fn after(self, patience: Duration) -> Self {
        self.set(|settings| settings.after = patience)
    }

    /// Sends a ping so often while the inner service is at work; the default is 10 s.
    ///
    /// The first goes out with the head. At least [`SHORTEST`](Self::SHORTEST).
    pub fn every(self, interval: Duration) -> Self {
        self.set(|settings| settings.every = interval.max(Self::SHORTEST))
    }

    /// Gives up when the inner service has not answered so long after it was asked; the
    /// default is never.
    ///
    /// It is dropped then, and the caller gets a `timeout_error`: as an event if the head is
    /// out, else as a 504. An answer that has begun is not cut short.
    pub fn deadline(self, deadline: Duration) -> Self {
        self.set(|settings| settings.deadline = Some(deadline))
    }

    /// Reads requests that nobody outside has read within these limits.
    pub fn intake(self, intake: Intake) -> Self {
        self.set(|settings| settings.intake = intake)
    }

    fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.shared));
        self
    }
}

impl Default for HeartbeatLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for HeartbeatLayer {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<S> Layer<S> for HeartbeatLayer {
    type Service = Heartbeat<S>;

    fn layer(&self, inner: S) -> Heartbeat<S> {
        Heartbeat::new(inner, Arc::clone(&self.shared))
    }
}

impl fmt::Debug for HeartbeatLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeartbeatLayer")
            .field("after", &self.shared.after)
            .field("every", &self.shared.every)
            .field("deadline", &self.shared.deadline)
            .finish_non_exhaustive()
    }
}
