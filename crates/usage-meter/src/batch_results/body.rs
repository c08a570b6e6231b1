use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_claude_core::UsageCell;

use super::Reading;
use crate::guard::Guard;

pin_project! {
    /// A body that is read along if it holds the results of a batch.
    ///
    /// Bytes, frames and errors pass untouched. A frame passes when all its lines have been
    /// asked about, and the last one when all have been answered and recorded.
    pub struct ResultsBody<B>
    where
        B: Body,
    {
        #[pin]
        inner: B,
        // After the body: a drop settles what has come.
        passing: Option<Box<Passing<B::Error>>>,
    }
}

/// Results on their way.
struct Passing<E> {
    reading: Reading,
    /// What came and has not passed.
    frames: VecDeque<Polled<E>>,
    /// Whether no more will come.
    is_over: bool,
}

/// What a body gives: data or trailers, an error, or its end.
type Polled<E> = Option<Result<Frame<Bytes>, E>>;

/// Reads the answer along if it holds the results of a batch that are to be metered.
pub(crate) fn read_along<B>(response: Response<B>, guard: &mut Guard) -> Response<ResultsBody<B>>
where
    B: Body,
{
    let (mut head, inner) = response.into_parts();
    let reading = guard.reads_results(&head);
    if reading.is_some() {
        // What reads along inside of here knows of the end before it passes.
        head.extensions.remove::<UsageCell>();
    }
    let passing = reading.map(|reading| {
        Box::new(Passing {
            reading,
            frames: VecDeque::new(),
            is_over: false,
        })
    });
    Response::from_parts(head, ResultsBody { inner, passing })
}

// === impl ResultsBody ===

impl<B> Body for ResultsBody<B>
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
        let Some(passing) = this.passing else {
            return this.inner.poll_frame(cx);
        };
        loop {
            ready!(passing.reading.poll_asked(cx));
            if passing.has_next() {
                return Poll::Ready(passing.frames.pop_front().flatten());
            }
            if passing.is_over {
                ready!(passing.reading.poll_settled(cx));
                return Poll::Ready(passing.frames.pop_front().flatten());
            }
            let polled = ready!(this.inner.as_mut().poll_frame(cx));
            passing.take(polled, this.inner.is_end_stream());
        }
    }

    fn is_end_stream(&self) -> bool {
        let is_over = || self.inner.is_end_stream();
        match &self.passing {
            None => is_over(),
            Some(passing) if passing.is_over => {
                passing.reading.is_settled() && passing.frames.iter().all(Option::is_none)
            }
            Some(passing) => passing.frames.is_empty() && passing.reading.is_settled() && is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.inner.size_hint();
        let held = self.passing.as_ref().map_or(0, |passing| passing.held());
        if held > 0 {
            // In this order: the lower bound is never over the upper one.
            if let Some(upper) = hint.upper() {
                hint.set_upper(upper.saturating_add(held));
            }
            hint.set_lower(hint.lower().saturating_add(held));
        }
        hint
    }
}

impl<B> fmt::Debug for ResultsBody<B>
where
    B: Body + fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reading = self.passing.as_ref().map(|passing| &passing.reading);
        f.debug_struct("ResultsBody")
            .field("inner", &self.inner)
            .field("reading", &reading)
            .finish()
    }
}

// === impl Passing ===

impl<E> Passing<E> {
    fn take(&mut self, polled: Polled<E>, is_last: bool) {
        let data = match &polled {
            Some(Ok(frame)) => frame.data_ref(),
            _ => None,
        };
        if let Some(data) = data {
            self.reading.push(data.clone());
        }
        let has_broken = matches!(polled, Some(Err(_)));
        let is_trailers = matches!(&polled, Some(Ok(frame)) if frame.is_trailers());
        if has_broken || is_trailers || polled.is_none() || is_last {
            self.is_over = true;
            self.reading.end(!has_broken);
        }
        self.frames.push_back(polled);
    }

    /// Whether a frame may pass now, although more may come.
    fn has_next(&self) -> bool {
        if !self.is_over {
            // Of the last frame it is known that it is only when the next one does not come.
            return self.frames.len() > usize::from(self.reading.holds());
        }
        let is_data = |polled: &Polled<E>| matches!(polled, Some(Ok(frame)) if frame.is_data());
        self.frames
            .iter()
            .rposition(is_data)
            .is_some_and(|last| last > 0)
    }

    /// Bytes of data that have come and not passed.
    fn held(&self) -> u64 {
        let frames = self.frames.iter();
        let data = frames.filter_map(|polled| polled.as_ref()?.as_ref().ok()?.data_ref());
        data.map(|data| data.len() as u64).sum()
    }
}
