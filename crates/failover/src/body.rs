use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_claude_core::{End, Failure, FailureKind, PeekedBody, UsageCell};

use crate::permit::Permit;

pin_project! {
    /// The body of an answer; its end is what the target is judged by.
    ///
    /// Bytes, frames and errors pass untouched.
    pub struct FailoverBody<B>
    where
        B: Body,
    {
        #[pin]
        inner: PeekedBody<B>,
        // After the body: dropped with it, it is to learn of the body's end first.
        judge: Option<Judge>,
    }
}

/// Judges a target by how an answer of it ends. Dropped, it judges.
struct Judge {
    permit: Option<Permit>,
    cell: UsageCell,
}

// === impl FailoverBody ===

impl<B> FailoverBody<B>
where
    B: Body,
{
    /// A body that is judged at its end, unless there is no permit.
    pub(crate) fn new(
        inner: PeekedBody<B>,
        permit: Option<Permit>,
        cell: Option<UsageCell>,
    ) -> Self {
        let judge = permit.zip(cell).map(|(permit, cell)| Judge {
            permit: Some(permit),
            cell,
        });
        Self { inner, judge }
    }
}

impl<B> Body for FailoverBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: 'static,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let frame = ready!(this.inner.as_mut().poll_frame(cx));
        if this.judge.is_some() {
            let is_over = match &frame {
                None | Some(Err(_)) => true,
                Some(Ok(frame)) => frame.is_trailers() || this.inner.is_end_stream(),
            };
            if is_over {
                *this.judge = None;
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

impl<B> fmt::Debug for FailoverBody<B>
where
    B: Body,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailoverBody")
            .field("is_judged", &self.judge.is_none())
            .finish_non_exhaustive()
    }
}

// === impl Judge ===

impl Drop for Judge {
    fn drop(&mut self) {
        let Some(mut permit) = self.permit.take() else {
            return;
        };
        let end = self.cell.read(|metered| {
            permit.took(&metered.usage);
            (metered.end, metered.failure)
        });
        match end {
            (Some(End::Complete), _) => permit.succeed(),
            (Some(End::Errored | End::Truncated), kind) => {
                permit.fail(&Failure::new(kind.unwrap_or(FailureKind::Truncated)));
            }
            // The caller left: nothing is known of what would have come.
            _ => drop(permit),
        }
    }
}
