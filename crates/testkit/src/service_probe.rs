use std::task::{Context, Poll, ready};

use tower_service::Service;

use crate::{ProbeFuture, ProbeHandle};

/// Wraps a service and panics when its contract is broken: catches "called a fresh clone".
///
/// `call` needs a `poll_ready` that succeeded on that very clone and was not used up since.
///
/// ```
/// use tower::{ServiceExt as _, service_fn};
/// use tower_claude_testkit::ServiceProbe;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let service = ServiceProbe::new(service_fn(async |n: u32| Ok::<u32, ()>(n + 1)));
/// let probe = service.handle();
///
/// assert_eq!(service.oneshot(1).await, Ok(2));
/// assert_eq!(probe.calls(), 1);
/// assert_eq!(probe.dropped_unfinished(), 0);
/// # }
/// ```
#[derive(Debug)]
pub struct ServiceProbe<S> {
    inner: S,
    is_ready: bool,
    handle: ProbeHandle,
}

// === impl ServiceProbe ===

impl<S> ServiceProbe<S> {
    /// Wraps a service, which has not been asked whether it is ready.
    pub fn new(inner: S) -> Self {
        Self {
            inner,
            is_ready: false,
            handle: ProbeHandle::default(),
        }
    }

    /// Reads and steers this probe and all its clones, wherever they are moved.
    #[must_use]
    pub fn handle(&self) -> ProbeHandle {
        self.handle.clone()
    }
}

impl<S> Clone for ServiceProbe<S>
where
    S: Clone,
{
    /// A clone is not ready, whatever this one is.
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            is_ready: false,
            handle: self.handle.clone(),
        }
    }
}

impl<S, Request> Service<Request> for ServiceProbe<S>
where
    S: Service<Request>,
    S::Error: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ProbeFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.is_ready = false;
        ready!(self.handle.poll_ready(cx))?;
        ready!(self.inner.poll_ready(cx))?;
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        assert!(
            std::mem::take(&mut self.is_ready),
            "ServiceProbe: call without a successful poll_ready on this very clone; \
             was a fresh clone called, or one readiness used twice?",
        );
        let in_flight = self.handle.start();
        ProbeFuture::new(self.inner.call(request), in_flight)
    }
}
