use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use tower_claude_core::{Call, Endpoint, Metered, UsageCell};

use super::left_over::{LeftOver, LeftOvers};
use crate::Departure;

/// An answer that is read on after its caller has left.
///
/// Bytes, frames and errors pass untouched.
pub struct DrainBody<B> {
    /// `None` once it has been handed over.
    inner: Option<B>,
    /// `None` for a body that nothing is missing of.
    kept: Option<Kept<B>>,
}

struct Kept<B> {
    cell: Option<UsageCell>,
    shared: Arc<LeftOvers>,
    departure: Departure,
    /// What a drop does with the body, unless it is at its end; known where its type is.
    read_on: fn(B, Option<UsageCell>, u64) -> Option<LeftOver>,
}

// === impl DrainBody ===

impl<B> DrainBody<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    pub(crate) const fn passed(inner: B) -> Self {
        Self {
            inner: Some(inner),
            kept: None,
        }
    }

    pub(crate) fn keep(
        response: Response<B>,
        shared: Arc<LeftOvers>,
        departure: Departure,
    ) -> Response<Self> {
        let is_messages = response
            .extensions()
            .get()
            .is_none_or(|call: &Call| call.endpoint() == Endpoint::Messages);
        let kept = (is_messages && response.status().is_success()).then(|| Kept {
            cell: UsageCell::of(&response).cloned(),
            shared,
            departure,
            read_on: |body: B, cell, tokens| {
                (!body.is_end_stream()).then(|| Box::pin(read_on(body, cell, tokens)) as LeftOver)
            },
        });
        response.map(|inner| Self {
            inner: Some(inner),
            kept,
        })
    }

    /// Reads an answer that nobody waits for: to its end, or for so many more tokens.
    pub(crate) async fn read_on(response: Response<B>, tokens: u64) {
        let cell = UsageCell::of(&response).cloned();
        read_on(response.into_body(), cell, tokens).await;
    }
}

impl<B> Body for DrainBody<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        let Some(inner) = &mut this.inner else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(inner).poll_frame(cx));
        if !matches!(&frame, Some(Ok(_))) {
            this.kept = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let nothing = || SizeHint::with_exact(0);
        self.inner.as_ref().map_or_else(nothing, Body::size_hint)
    }
}

impl<B> Drop for DrainBody<B> {
    fn drop(&mut self) {
        let (Some(inner), Some(kept)) = (self.inner.take(), self.kept.take()) else {
            return;
        };
        let is_told = kept.cell.as_ref().is_some_and(UsageCell::has_ended);
        if is_told || std::thread::panicking() {
            return;
        }
        if let Some(left_over) = (kept.read_on)(inner, kept.cell, kept.shared.tokens) {
            kept.departure.leave(false);
            kept.shared.hand_over(left_over);
        }
    }
}

impl<B> fmt::Debug for DrainBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrainBody")
            .field("is_kept", &self.kept.is_some())
            .finish_non_exhaustive()
    }
}

async fn read_on<B>(mut body: B, cell: Option<UsageCell>, tokens: u64)
where
    B: Body<Data = Bytes> + Unpin,
{
    if let Some(cell) = &cell {
        cell.watch();
    }
    // What had passed before is told with the first frame that is watched.
    let mut already = None;
    while let Some(Ok(_)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let seen = cell
            .as_ref()
            .map_or(0, |cell| cell.read(Metered::output_seen));
        if seen.saturating_sub(*already.get_or_insert(seen)) > tokens {
            return;
        }
    }
}
