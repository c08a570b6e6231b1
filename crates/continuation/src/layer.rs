use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use http::Request;
use tower_claude_core::{Call, CallBody, Endpoint, Intake};
use tower_layer::Layer;

use crate::plan::Plan;
use crate::{Continuation, DefaultTakesPrefill, TakesPrefill};

/// Has texts that broke off finished; see the [crate] docs.
#[must_use = "a layer does nothing until it wraps a service"]
pub struct ContinuationLayer<P = DefaultTakesPrefill> {
    shared: Arc<Shared<P>>,
}

/// What all services of a layer have in common.
pub(crate) struct Shared<P> {
    models: Arc<P>,
    limit: NonZeroUsize,
    pub(crate) intake: Intake,
}

/// The longest text that is gone on with by default, in bytes.
const LIMIT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1024 * 1024 - 1);

// === impl ContinuationLayer ===

impl<P> ContinuationLayer<P> {
    /// A layer for the models that `models` says take a prefill.
    pub fn new(models: P) -> Self {
        Self {
            shared: Arc::new(Shared {
                models: Arc::new(models),
                limit: LIMIT,
                intake: Intake::new(),
            }),
        }
    }

    /// Goes on with texts of at most so many bytes; the default is 1 MiB.
    ///
    /// Each stream that may have to be gone on with keeps its text, and its request, until it
    /// ends.
    pub fn limit(self, bytes: NonZeroUsize) -> Self {
        self.edit(|shared| shared.limit = bytes)
    }

    /// Reads requests that nobody outside has read within these limits.
    pub fn intake(self, intake: Intake) -> Self {
        self.edit(|shared| shared.intake = intake)
    }

    fn edit(mut self, change: impl FnOnce(&mut Shared<P>)) -> Self {
        change(Arc::make_mut(&mut self.shared));
        self
    }
}

impl Default for ContinuationLayer {
    fn default() -> Self {
        Self::new(DefaultTakesPrefill)
    }
}

impl<P> Clone for ContinuationLayer<P> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<S, P> Layer<S> for ContinuationLayer<P> {
    type Service = Continuation<S, P>;

    fn layer(&self, inner: S) -> Continuation<S, P> {
        Continuation::new(inner, Arc::clone(&self.shared))
    }
}

impl<P> fmt::Debug for ContinuationLayer<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContinuationLayer")
            .field("limit", &self.shared.limit)
            .finish_non_exhaustive()
    }
}

// === impl Shared ===

impl<P> Shared<P> {
    /// What it takes to ask once more; `None` if the answer is none to go on with.
    pub(crate) fn plan(&self, request: &Request<CallBody>, call: &Call) -> Option<Box<Plan>>
    where
        P: TakesPrefill,
    {
        let may_be = call.endpoint() == Endpoint::Messages
            && call.is_stream()
            && call
                .model()
                .is_some_and(|model| self.models.takes_prefill(model));
        if !may_be {
            return None;
        }
        Plan::new(request, call, self.limit.get()).map(Box::new)
    }
}

impl<P> Clone for Shared<P> {
    fn clone(&self) -> Self {
        Self {
            models: Arc::clone(&self.models),
            limit: self.limit,
            intake: self.intake.clone(),
        }
    }
}
