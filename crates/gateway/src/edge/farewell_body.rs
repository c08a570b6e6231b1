use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tower_claude::core::{Refusal, RefusalKind, RequestId};

pin_project! {
    /// A stream that says good-bye: when the gateway stops, it ends with an `error` event.
    #[derive(Debug)]
    pub struct FarewellBody<B> {
        #[pin]
        inner: B,
        // `None` for bodies that are no streams, and once it has been said.
        farewell: Option<Farewell>,
        said: bool,
    }
}

/// What a stream waits for to end, and for which call.
pub struct Farewell {
    id: RequestId,
    token: CancellationToken,
    /// Made when the stream first has to wait for its upstream.
    stop: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

// === impl FarewellBody ===

impl<B> FarewellBody<B> {
    /// A stream that ends with this farewell; any other body has none and stays untouched.
    pub const fn new(inner: B, farewell: Option<Farewell>) -> Self {
        Self {
            inner,
            farewell,
            said: false,
        }
    }
}

impl<B> Body for FarewellBody<B>
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
        if *this.said {
            return Poll::Ready(None);
        }
        let frame = this.inner.poll_frame(cx);
        if frame.is_pending()
            && let Some(farewell) = this.farewell
            && farewell.poll_stop(cx).is_ready()
        {
            *this.said = true;
            let refusal = Refusal::new(RefusalKind::Unavailable, "the gateway is shutting down");
            return Poll::Ready(Some(Ok(Frame::data(refusal.to_event(farewell.id)))));
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.said || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.farewell {
            Some(_) => SizeHint::new(),
            None => self.inner.size_hint(),
        }
    }
}

// === impl Farewell ===

impl Farewell {
    /// The farewell of call `id`, to be said when `token` is cancelled.
    pub const fn new(id: RequestId, token: CancellationToken) -> Self {
        Self {
            id,
            token,
            stop: None,
        }
    }

    fn poll_stop(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.stop
            .get_or_insert_with(|| Box::pin(self.token.clone().cancelled_owned()))
            .as_mut()
            .poll(cx)
    }
}

impl fmt::Debug for Farewell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Farewell")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
