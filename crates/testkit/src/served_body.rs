use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;
use tower_claude_core::BoxError;

use crate::ScriptedBody;

/// Holds an error back until what came before it has left the socket's buffers.
///
/// hyper drops a connection the moment its body fails, unsent frames included; a client that
/// was to see three frames and a broken connection would see the broken connection only.
pub(crate) struct ServedBody {
    inner: ScriptedBody,
    failure: Option<(BoxError, Pin<Box<Sleep>>)>,
}

const LINGER: Duration = Duration::from_millis(20);

// === impl ServedBody ===

impl ServedBody {
    pub(crate) const fn new(inner: ScriptedBody) -> Self {
        Self {
            inner,
            failure: None,
        }
    }
}

impl Body for ServedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.failure.is_none() {
            match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
                Some(Err(error)) => {
                    self.failure = Some((error, Box::pin(tokio::time::sleep(LINGER))));
                }
                frame => return Poll::Ready(frame),
            }
        }
        if let Some((_, linger)) = &mut self.failure {
            ready!(linger.as_mut().poll(cx));
        }
        Poll::Ready(self.failure.take().map(|(error, _)| Err(error)))
    }

    fn is_end_stream(&self) -> bool {
        self.failure.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
