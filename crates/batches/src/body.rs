use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_claude_core::ResponseBody;

pin_project! {
    /// The answer of [`Batches`](crate::Batches): upstream's as it comes, or as it was rewritten.
    #[derive(Debug)]
    pub struct BatchesBody<B> {
        #[pin]
        inner: ResponseBody<B>,
        // Of an answer that was rewritten; another brings its own.
        trailers: Option<HeaderMap>,
    }
}

// === impl BatchesBody ===

impl<B> BatchesBody<B> {
    pub(crate) const fn new(inner: ResponseBody<B>) -> Self {
        Self {
            inner,
            trailers: None,
        }
    }

    pub(crate) const fn rewritten(bytes: Bytes, trailers: Option<HeaderMap>) -> Self {
        Self {
            inner: ResponseBody::local(bytes),
            trailers,
        }
    }
}

impl<B> Body for BatchesBody<B>
where
    B: Body<Data = Bytes>,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let frame = ready!(this.inner.poll_frame(cx));
        Poll::Ready(frame.or_else(|| Some(Ok(Frame::trailers(this.trailers.take()?)))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
