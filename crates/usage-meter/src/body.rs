use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_claude_core::{End, Refusal, RefusalKind, RequestId, ResponseBody, TapBody};

use crate::Delivery;
use crate::answer::Progress;
use crate::batch_results::ResultsBody;
use crate::guard::Guard;

pin_project! {
    /// An answer on its way to the caller; when it ends, the call is recorded.
    ///
    /// Bytes, frames and errors pass untouched. The end of the answer is held back until the
    /// sink says that the record is where it should be; if it says that it will not be, a
    /// stream ends with an `error` event instead, and any other body without its last data.
    #[derive(Debug)]
    pub struct MeterBody<B>
    where
        B: Body,
    {
        #[pin]
        inner: ResponseBody<TapBody<ResultsBody<B>>>,
        // After the body, so that what the body says in its drop is heard.
        guard: Guard,
        held: Option<Box<Held<B::Error>>>,
        is_over: bool,
        // Of a stream, whose caller can be told that its end is missing.
        stream: Option<RequestId>,
    }
}

/// What a body gives: data or trailers, an error, or its end.
type Polled<E> = Option<Result<Frame<Bytes>, E>>;

/// The end of an answer that is held back.
#[derive(Debug)]
struct Held<E> {
    polled: VecDeque<Polled<E>>,
    /// `None` while it is not known whether the body ends with it.
    delivery: Option<Delivery>,
}

/// How many frames that follow a whole answer are held back with it.
const MOST_HELD: usize = 16;

// === impl MeterBody ===

impl<B> MeterBody<B>
where
    B: Body<Data = Bytes>,
{
    pub(crate) fn new(
        inner: ResponseBody<TapBody<ResultsBody<B>>>,
        mut guard: Guard,
        stream: Option<RequestId>,
    ) -> Self {
        // Nobody polls a body that has nothing to give.
        let held = inner
            .is_end_stream()
            .then(|| guard.end(End::Complete))
            .filter(|delivery| !delivery.is_delivered())
            .map(|delivery| Held::boxed(None, Some(delivery)));
        Self {
            inner,
            guard,
            held,
            is_over: false,
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
        loop {
            if let Some(held) = this.held
                && let Some(delivery) = &mut held.delivery
            {
                if ready!(Pin::new(delivery).poll(cx)).is_err() {
                    *this.held = None;
                    *this.is_over = true;
                    let event = this.stream.map(|id| unrecorded().to_event(id));
                    return Poll::Ready(event.map(|event| Ok(Frame::data(event))));
                }
                if let Some(polled) = held.polled.pop_front() {
                    *this.is_over = polled.is_none();
                    return Poll::Ready(polled);
                }
                *this.held = None;
            }
            if *this.is_over {
                return Poll::Ready(None);
            }
            let inner = this.inner.as_mut();
            let polled = ready!(this.guard.watch(|| inner.poll_frame(cx)));
            let held_so_far = this.held.as_ref().map_or(0, |held| held.polled.len());
            let delivery = match &polled {
                None => Some(this.guard.end(End::Complete)),
                Some(Err(_)) => {
                    // A body that breaks has no end to hold back.
                    drop(this.guard.end(End::Truncated));
                    Some(Delivery::delivered())
                }
                Some(Ok(frame)) => {
                    let progress = match frame.is_data() {
                        true => this.guard.passes(),
                        false => Progress::Running,
                    };
                    // A host that knows the length does not poll again for the end.
                    let is_last = frame.is_trailers() || this.inner.is_end_stream();
                    if is_last || progress == Progress::Ended {
                        Some(this.guard.end(End::Complete))
                    } else if progress == Progress::Whole
                        && this.guard.holds()
                        && held_so_far < MOST_HELD
                    {
                        // Its end may have come: white space may follow, and the end of the body.
                        None
                    } else {
                        Some(Delivery::delivered())
                    }
                }
            };
            match this.held {
                Some(held) => {
                    held.polled.push_back(polled);
                    held.delivery = delivery;
                }
                None if delivery.as_ref().is_some_and(Delivery::is_delivered) => {
                    return Poll::Ready(polled);
                }
                None => *this.held = Some(Held::boxed(polled, delivery)),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_none() && (self.is_over || self.inner.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.inner.size_hint();
        let held = self.held.iter().flat_map(|held| &held.polled);
        let data = held.filter_map(|polled| polled.as_ref()?.as_ref().ok()?.data_ref());
        let length = data.map(|data| data.len() as u64).sum::<u64>();
        if length > 0 {
            // In this order: the lower bound is never over the upper one.
            if let Some(upper) = hint.upper() {
                hint.set_upper(upper.saturating_add(length));
            }
            hint.set_lower(hint.lower().saturating_add(length));
        }
        hint
    }
}

// === impl Held ===

impl<E> Held<E> {
    fn boxed(polled: Polled<E>, delivery: Option<Delivery>) -> Box<Self> {
        Box::new(Self {
            polled: VecDeque::from([polled]),
            delivery,
        })
    }
}

/// What is said where a call cannot be recorded as it should be.
pub(crate) fn unrecorded() -> Refusal {
    Refusal::new(
        RefusalKind::Unavailable,
        "usage cannot be recorded at the moment",
    )
}
