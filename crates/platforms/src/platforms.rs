use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_claude_core::{CallBody, Target, TransportError};
use tower_service::Service;

use crate::{Adapter, AnswerBody, ConfigError, ResponseFuture};

/// Sends each call to the platform of the [`Target`] it carries; the first if it has none.
///
/// A target that is not among them gets an error: nothing was sent. It is always ready, and a
/// clone is a reference count.
#[derive(Clone)]
pub struct Platforms(Arc<[(Target, Adapter)]>);

// === impl Platforms ===

impl Platforms {
    /// The platforms of these targets.
    ///
    /// # Errors
    ///
    /// When there is none, or two have the same name.
    pub fn new<A>(targets: impl IntoIterator<Item = (Target, A)>) -> Result<Self, ConfigError>
    where
        A: Into<Adapter>,
    {
        let targets: Arc<[(Target, Adapter)]> = targets
            .into_iter()
            .map(|(target, adapter)| (target, adapter.into()))
            .collect();
        if targets.is_empty() {
            return Err(ConfigError::new("there is no target"));
        }
        let is_repeated = |(at, (target, _)): (usize, &(Target, Adapter))| {
            let mut before = targets.iter().take(at);
            before.any(|(other, _)| other.name() == target.name())
        };
        if targets.iter().enumerate().any(is_repeated) {
            return Err(ConfigError::new("two targets have the same name"));
        }
        Ok(Self(targets))
    }

    fn find(&self, asked: Option<&Target>) -> Option<&(Target, Adapter)> {
        // A handful of targets: a scan is quicker than a hash.
        match asked {
            Some(asked) => self.0.iter().find(|(own, _)| own.name() == asked.name()),
            None => self.0.first(),
        }
    }
}

impl Service<Request<CallBody>> for Platforms {
    type Response = Response<AnswerBody>;
    type Error = TransportError;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<CallBody>) -> ResponseFuture {
        match self.find(request.extensions().get()) {
            Some((target, Adapter::Anthropic(adapter))) => adapter.send(request, Some(target)),
            None => ResponseFuture::failed(TransportError::not_sent("no such target")),
        }
    }
}

impl fmt::Debug for Platforms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let targets = self
            .0
            .iter()
            .map(|(target, adapter)| (target.name(), adapter));
        f.debug_map().entries(targets).finish()
    }
}
