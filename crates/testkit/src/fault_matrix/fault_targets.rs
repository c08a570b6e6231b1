use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_claude_core::{BoxError, Target, TransportError};
use tower_service::Service;

use crate::{FakeClaude, ResponseFuture, ScriptedBody};

/// Two targets, as the innermost service of a stack.
///
/// It asks the one that the [`Target`] in the request's extensions names, and without any, or
/// with one of another name, the first.
#[derive(Clone, Debug)]
pub struct FaultTargets {
    first: FakeClaude,
    second: FakeClaude,
    asked: Arc<Mutex<Vec<&'static str>>>,
}

// === impl FaultTargets ===

impl FaultTargets {
    /// The name of the target that goes wrong first.
    pub const FIRST: &str = "first";
    /// The name of the other.
    pub const SECOND: &str = "second";

    pub(crate) fn new(first: FakeClaude, second: FakeClaude) -> Self {
        Self {
            first,
            second,
            asked: Arc::default(),
        }
    }

    /// The first target alone, for stacks that find their targets in another way; what is
    /// asked of it like that does not stand in [`asked`](Self::asked).
    #[must_use]
    pub const fn first(&self) -> &FakeClaude {
        &self.first
    }

    /// The second target alone.
    #[must_use]
    pub const fn second(&self) -> &FakeClaude {
        &self.second
    }

    /// The targets as they were asked, in order.
    #[must_use]
    pub fn asked(&self) -> Vec<&'static str> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.clone()
    }
}

impl<B> Service<Request<B>> for FaultTargets
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Response = Response<ScriptedBody>;
    type Error = TransportError;
    type Future = ResponseFuture<B>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture<B> {
        let target = request.extensions().get::<Target>();
        let is_second = target.is_some_and(|target| target.name() == Self::SECOND);
        let (name, fake) = if is_second {
            (Self::SECOND, &mut self.second)
        } else {
            (Self::FIRST, &mut self.first)
        };
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(name);
        fake.call(request)
    }
}
