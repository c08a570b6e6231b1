use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tower_claude_core::BoxError;

use crate::timed_body::TimedBody;

pin_project! {
    /// The body of an answer, as upstream sends it.
    ///
    /// Ends in a [`TransportError`](tower_claude_core::TransportError) that is a timeout when
    /// upstream falls silent. Dropped before its end it cancels the call: an HTTP/2 stream is
    /// reset, an HTTP/1.1 connection closed.
    pub struct AnswerBody {
        #[pin]
        inner: TimedBody<Incoming>,
    }
}

// === impl AnswerBody ===

impl AnswerBody {
    pub(crate) const fn new(inner: TimedBody<Incoming>) -> Self {
        Self { inner }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.project().inner.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerBody").finish_non_exhaustive()
    }
}
