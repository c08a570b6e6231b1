use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_claude_core::{End, ResponseBody, TapBody};

use crate::guard::Guard;

pin_project! {
    /// An answer on its way to the caller; when it ends, the call is recorded.
    ///
    /// Bytes, frames and errors pass untouched.
    #[derive(Debug)]
    pub struct MeterBody<B> {
        #[pin]
        inner: ResponseBody<TapBody<B>>,
        // After the body, so that what the body says in its drop is heard.
        guard: Guard,
    }
}

// === impl MeterBody ===

impl<B> MeterBody<B>
where
    B: Body<Data = Bytes>,
{
    pub(crate) fn new(inner: ResponseBody<TapBody<B>>, mut guard: Guard) -> Self {
        // Nobody polls a body that has nothing to give.
        if inner.is_end_stream() {
            guard.end(End::Complete);
        }
        Self { inner, guard }
    }
}

impl<B> Body for MeterBody<B>
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
        let inner = this.inner.as_mut();
        let frame = ready!(this.guard.watch(|| inner.poll_frame(cx)));
        match &frame {
            None => this.guard.end(End::Complete),
            Some(Err(_)) => this.guard.end(End::Truncated),
            Some(Ok(frame)) => {
                if frame.is_data() {
                    this.guard.data_passed();
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
