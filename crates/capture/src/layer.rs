use std::fmt;
use std::sync::Arc;

use tower_claude_core::Intake;
use tower_layer::Layer;

use crate::shared::{Settings, Shared};
use crate::{Capture, Redactor};

/// Keeps what was said in every call for a message, redacted.
///
/// Its services share the sink. See the [crate documentation](crate).
#[must_use]
pub struct CaptureLayer<K = ()> {
    shared: Arc<Shared<K>>,
}

// === impl CaptureLayer ===

impl<K> CaptureLayer<K> {
    /// How much text is kept of each direction unless another limit is set, in bytes.
    pub const DEFAULT_LIMIT: usize = 64 * 1024;

    /// Gives what was said to this [`CaptureSink`](crate::CaptureSink), with this redactor.
    pub fn new(redactor: Redactor, sink: K) -> Self {
        Self {
            shared: Arc::new(Shared {
                sink: Arc::new(sink),
                settings: Settings {
                    intake: Intake::new(),
                    redactor: Arc::new(redactor),
                    limit: Self::DEFAULT_LIMIT,
                },
            }),
        }
    }

    /// Keeps at most so many bytes of text of a request, and as many of its answer.
    ///
    /// With 0, the record has no text, only the facts.
    pub fn limit(mut self, bytes: usize) -> Self {
        Arc::make_mut(&mut self.shared).settings.limit = bytes;
        self
    }

    /// Says how requests are taken in, where this layer is the first to read them.
    pub fn intake(mut self, intake: Intake) -> Self {
        Arc::make_mut(&mut self.shared).settings.intake = intake;
        self
    }

    /// The sink.
    #[must_use]
    pub fn sink(&self) -> &K {
        &self.shared.sink
    }
}

impl<S, K> Layer<S> for CaptureLayer<K> {
    type Service = Capture<S, K>;

    fn layer(&self, inner: S) -> Self::Service {
        Capture::new(inner, Arc::clone(&self.shared))
    }
}

impl<K> Clone for CaptureLayer<K> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<K> fmt::Debug for CaptureLayer<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaptureLayer")
            .field("redactor", &self.shared.settings.redactor)
            .field("limit", &self.shared.settings.limit)
            .field("intake", &self.shared.settings.intake)
            .finish_non_exhaustive()
    }
}
