use std::time::Duration;

use tower_claude_core::Target;

/// A target that may serve a call, as a [`Route`](crate::Route) sees it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Candidate<'a> {
    /// The target.
    pub target: &'a Target,
    /// How long it will take no calls of this class of models; `None` if it takes one now.
    pub closed_for: Option<Duration>,
}

// === impl Candidate ===

impl<'a> Candidate<'a> {
    /// A candidate that takes calls.
    #[must_use]
    pub const fn new(target: &'a Target) -> Self {
        Self {
            target,
            closed_for: None,
        }
    }

    /// Says that it will take no calls for so long.
    #[must_use]
    pub const fn closed_for(mut self, wait: Duration) -> Self {
        self.closed_for = Some(wait);
        self
    }

    /// Whether it takes a call now.
    #[must_use]
    pub const fn is_available(&self) -> bool {
        self.closed_for.is_none()
    }
}
