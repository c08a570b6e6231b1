use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_claude_core::{End, ResponseBody};

use crate::guard::Guard;

pin_project! {
    /// An answer on its way to the caller, read along.
    ///
    /// Bytes, frames and errors pass untouched.
    #[derive(Debug)]
    pub struct CaptureBody<B> {
        #[pin]
        inner: ResponseBody<B>,
        guard: Guard,
    }
}

// === impl CaptureBody ===

impl<B> CaptureBody<B>
where
    B: Body<Data = Bytes>,
{
    pub(crate) fn new(inner: ResponseBody<B>, mut guard: Guard) -> Self {
        // Nobody polls a body that has nothing to give.
        if inner.is_end_stream() {
            guard.end(End::Complete);
        }
        Self { inner, guard }
    }
}

impl<B> Body for CaptureBody<B>
where
    B: Body<Data = Bytes>,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let frame = ready!(this.inner.as_mut().poll_frame(cx));
        match &frame {
            None => this.guard.end(End::Complete),
            Some(Err(_)) => this.guard.end(End::Truncated),
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    this.guard.read(data);
                }
                // A host that knows the length does not poll again for the end.
                if frame.is_trailers() || this.inner.is_end_stream() {
                    this.guard.end(End::Complete);
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
