use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_claude_core::{End, Refusal, RefusalKind, RequestId, ResponseBody, TapBody};

use crate::Delivery;
use crate::guard::Guard;

pin_project! {
    /// An answer on its way to the caller; when it ends, the call is recorded.
    ///
    /// Bytes, frames and errors pass untouched. The end of the answer is held back until the
    /// sink says that the record is where it should be; if it says that it will not be, a
    /// stream ends with an `error` event instead, and any other body without its last data.
    #[derive(Debug)]
    pub struct MeterBody<B> {
        #[pin]
        inner: ResponseBody<TapBody<B>>,
        // After the body, so that what the body says in its drop is heard.
        guard: Guard,
        held: Option<Box<Held>>,
        is_cut: bool,
        // Of a stream, whose caller can be told that its end is missing.
        stream: Option<RequestId>,
    }
}

/// The end of an answer, while its record is on its way.
#[derive(Debug)]
struct Held {
    /// The last data; `None` is the end of the body itself.
    frame: Option<Frame<Bytes>>,
    delivery: Delivery,
}

// === impl MeterBody ===

impl<B> MeterBody<B>
where
    B: Body<Data = Bytes>,
{
    pub(crate) fn new(
        inner: ResponseBody<TapBody<B>>,
        mut guard: Guard,
        stream: Option<RequestId>,
    ) -> Self {
        let mut held = None;
        // Nobody polls a body that has nothing to give.
        if inner.is_end_stream() {
            let delivery = guard.end(End::Complete);
            if !delivery.is_delivered() {
                let frame = None;
                held = Some(Box::new(Held { frame, delivery }));
            }
        }
        Self {
            inner,
            guard,
            held,
            is_cut: false,
            stream,
        }
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
        if this.held.is_none() {
            if *this.is_cut {
                return Poll::Ready(None);
            }
            let inner = this.inner.as_mut();
            let frame = ready!(this.guard.watch(|| inner.poll_frame(cx)));
            let delivery = match &frame {
                None => this.guard.end(End::Complete),
                Some(Err(_)) => this.guard.end(End::Truncated),
                Some(Ok(frame)) => {
                    let is_last = frame.is_data() && this.guard.passes();
                    // A host that knows the length does not poll again for the end.
                    if is_last || frame.is_trailers() || this.inner.is_end_stream() {
                        this.guard.end(End::Complete)
                    } else {
                        Delivery::delivered()
                    }
                }
            };
            // A body that breaks has no end to hold back.
            if delivery.is_delivered() || matches!(frame, Some(Err(_))) {
                return Poll::Ready(frame);
            }
            let frame = frame.and_then(Result::ok);
            *this.held = Some(Box::new(Held { frame, delivery }));
        }
        let Some(held) = this.held else {
            return Poll::Ready(None);
        };
        let delivered = ready!(Pin::new(&mut held.delivery).poll(cx));
        let frame = this.held.take().and_then(|held| held.frame);
        if delivered.is_ok() {
            return Poll::Ready(frame.map(Ok));
        }
        *this.is_cut = true;
        Poll::Ready(
            this.stream
                .map(|id| Ok(Frame::data(unrecorded().to_event(id)))),
        )
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_none() && (self.is_cut || self.inner.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.inner.size_hint();
        let held = self.held.as_ref().and_then(|held| held.frame.as_ref());
        if let Some(data) = held.and_then(Frame::data_ref) {
            let length = data.len() as u64;
            // In this order: the lower bound is never over the upper one.
            if let Some(upper) = hint.upper() {
                hint.set_upper(upper.saturating_add(length));
            }
            hint.set_lower(hint.lower().saturating_add(length));
        }
        hint
    }
}

/// What is said where a call cannot be recorded as it should be.
pub(crate) fn unrecorded() -> Refusal {
    Refusal::new(
        RefusalKind::Unavailable,
        "usage cannot be recorded at the moment",
    )
}
