use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tower_claude_core::Intake;

use crate::{CaptureSink, Captured, Redactor};

/// What a layer and all its services have in common.
pub(crate) struct Shared<K> {
    pub(crate) sink: Arc<K>,
    pub(crate) settings: Settings,
}

/// All of it but the sink.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) intake: Intake,
    pub(crate) redactor: Arc<Redactor>,
    /// The most text that is kept of each direction, in bytes.
    pub(crate) limit: usize,
}

/// The same without its type, so that futures and bodies do not carry the sink's.
pub(crate) trait Outlet: Send + Sync {
    fn settings(&self) -> &Settings;

    /// Gives a call to the sink. Never panics: it is called in drops, and while unwinding.
    fn hand_over(&self, captured: Captured);
}

// === impl Shared ===

impl<K> Clone for Shared<K> {
    fn clone(&self) -> Self {
        Self {
            sink: Arc::clone(&self.sink),
            settings: self.settings.clone(),
        }
    }
}

impl<K> Outlet for Shared<K>
where
    K: CaptureSink + Send + Sync,
{
    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn hand_over(&self, captured: Captured) {
        // A second panic while unwinding would end the process.
        let _ = catch_unwind(AssertUnwindSafe(|| self.sink.capture(captured)));
    }
}
