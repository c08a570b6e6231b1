use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_claude_core::TapBody;

use crate::permit::Permit;
use crate::top_up::TopUp;

pin_project! {
    /// The body of an answer whose end settles the call.
    ///
    /// Bytes, frames and errors pass untouched. A stream that can have no more output set aside
    /// for it ends with an error event.
    #[derive(Debug)]
    pub struct BudgetBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = Projected]
    enum Kind<B> {
        Metered {
            #[pin]
            inner: TapBody<B>,
            // After the body, so that all is known when it is dropped.
            permit: Permit,
            top_up: Option<Box<TopUp>>,
        },
        Untouched {
            #[pin]
            inner: B,
        },
        // Ended by us.
        Ended,
    }
}

// === impl BudgetBody ===

impl<B> BudgetBody<B> {
    pub(crate) fn metered(inner: TapBody<B>, permit: Permit, top_up: Option<TopUp>) -> Self {
        Self {
            kind: Kind::Metered {
                inner,
                permit,
                top_up: top_up.map(Box::new),
            },
        }
    }

    pub(crate) const fn untouched(inner: B) -> Self {
        Self {
            kind: Kind::Untouched { inner },
        }
    }
}

impl<B> Body for BudgetBody<B>
where
    B: Body<Data = Bytes>,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut kind = self.project().kind;
        match kind.as_mut().project() {
            Projected::Untouched { inner } => inner.poll_frame(cx),
            Projected::Ended => Poll::Ready(None),
            Projected::Metered {
                mut inner,
                permit,
                top_up,
            } => {
                let event = top_up.as_mut().and_then(|top_up| top_up.poll(permit, cx));
                if let Some(event) = event {
                    kind.set(Kind::Ended);
                    return Poll::Ready(Some(Ok(Frame::data(event))));
                }
                let frame = ready!(inner.as_mut().poll_frame(cx));
                let is_over = match &frame {
                    None | Some(Err(_)) => true,
                    // A host that knows the length does not poll again for the end.
                    Some(Ok(frame)) => frame.is_trailers() || inner.is_end_stream(),
                };
                if is_over {
                    *top_up = None;
                    permit.finish();
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Metered { inner, .. } => inner.is_end_stream(),
            Kind::Untouched { inner } => inner.is_end_stream(),
            Kind::Ended => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Metered { inner, .. } => inner.size_hint(),
            Kind::Untouched { inner } => inner.size_hint(),
            Kind::Ended => SizeHint::with_exact(0),
        }
    }
}
