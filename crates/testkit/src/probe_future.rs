use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::probe_handle::InFlight;

pin_project! {
    /// The future of [`ServiceProbe`](crate::ServiceProbe).
    #[derive(Debug)]
    pub struct ProbeFuture<F> {
        #[pin]
        inner: F,
        in_flight: Option<InFlight>,
    }
}

// === impl ProbeFuture ===

impl<F> ProbeFuture<F> {
    pub(crate) const fn new(inner: F, in_flight: InFlight) -> Self {
        Self {
            inner,
            in_flight: Some(in_flight),
        }
    }
}

impl<F> Future for ProbeFuture<F>
where
    F: Future,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let output = ready!(this.inner.poll(cx));
        if let Some(in_flight) = this.in_flight.take() {
            in_flight.finish();
        }
        Poll::Ready(output)
    }
}
