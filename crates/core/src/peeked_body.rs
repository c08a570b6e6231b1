use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::tap::TapBody;
use crate::{End, Refusal, RefusalKind, RequestId, TransportError, UsageCell};

pin_project! {
    /// An answer that has been through the commit gate: what was held, then the rest.
    ///
    /// A stream of messages that ends without `message_stop`, or breaks before it, gets an SSE
    /// `error` event at its end, so that no caller takes it for a short answer: official SDKs do
    /// not notice. One that breaks after `message_stop` was whole, and just ends.
    pub struct PeekedBody<B>
    where
        B: Body,
    {
        #[pin]
        inner: TapBody<B>,
        held: Held<B::Error>,
        // `None` once the stream is sealed, and for all that is no stream of messages.
        seal: Option<Seal>,
        // Whether what went on last was not the end of a line.
        is_amid_line: bool,
        ended: bool,
    }
}

/// What was held back.
pub(crate) struct Held<E> {
    pub(crate) frames: VecDeque<Frame<Bytes>>,
    /// The error that came after the frames.
    pub(crate) error: Option<E>,
}

/// What it takes to end a stream well.
#[derive(Debug)]
pub(crate) struct Seal {
    cell: UsageCell,
    id: RequestId,
}

// === impl Held ===

impl<E> Default for Held<E> {
    fn default() -> Self {
        Self {
            frames: VecDeque::new(),
            error: None,
        }
    }
}

// === impl PeekedBody ===

impl<B> PeekedBody<B>
where
    B: Body<Data = Bytes>,
{
    pub(crate) const fn new(inner: TapBody<B>, held: Held<B::Error>, seal: Option<Seal>) -> Self {
        Self {
            inner,
            held,
            seal,
            is_amid_line: false,
            ended: false,
        }
    }
}

impl<B> Body for PeekedBody<B>
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
        let this = self.project();
        if let Some(frame) = this.held.frames.pop_front() {
            note_line(this.is_amid_line, &frame);
            return Poll::Ready(Some(Ok(frame)));
        }
        if *this.ended {
            return Poll::Ready(None);
        }
        let frame = match this.held.error.take() {
            Some(error) => Some(Err(error)),
            None => ready!(this.inner.poll_frame(cx)),
        };
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                note_line(this.is_amid_line, &frame);
                Some(Ok(frame))
            }
            end => {
                *this.ended = true;
                let error = end.and_then(Result::err);
                match this.seal.take() {
                    Some(seal) => {
                        let event = seal.event(error.as_ref(), *this.is_amid_line);
                        event.map(Frame::data).map(Ok)
                    }
                    None => error.map(Err),
                }
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.held.frames.is_empty()
            && self.held.error.is_none()
            && (self.ended || (self.seal.is_none() && self.inner.is_end_stream()))
    }

    fn size_hint(&self) -> SizeHint {
        if self.seal.is_some() {
            return SizeHint::default();
        }
        let held: usize = self
            .held
            .frames
            .iter()
            .filter_map(|frame| frame.data_ref().map(Bytes::len))
            .sum();
        let mut hint = self.inner.size_hint();
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + held as u64);
        }
        hint.set_lower(hint.lower() + held as u64);
        hint
    }
}

impl<B> fmt::Debug for PeekedBody<B>
where
    B: Body,
{
    /// Prints how much is held, never what.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeekedBody")
            .field("held", &self.held.frames.len())
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

/// Notes whether a frame leaves a line open.
fn note_line(is_amid_line: &mut bool, frame: &Frame<Bytes>) {
    if let Some(last) = frame.data_ref().and_then(|data| data.last()) {
        *is_amid_line = !matches!(last, b'\n' | b'\r');
    }
}

// === impl Seal ===

impl Seal {
    pub(crate) const fn new(cell: UsageCell, id: RequestId) -> Self {
        Self { cell, id }
    }

    /// The event that ends a stream that has not ended itself.
    ///
    /// An event that has begun cannot be taken back. It becomes this one: its last `event` field
    /// counts, so official SDKs raise an API error, if with the rest of its data in the message;
    /// set apart, it would be an event of its own whose data is no JSON.
    fn event<E: 'static>(&self, error: Option<&E>, is_amid_line: bool) -> Option<Bytes> {
        let is_cut = self
            .cell
            .read(|metered| metered.end == Some(End::Truncated));
        if !is_cut {
            return None;
        }
        let refusal = match error.and_then(TransportError::find) {
            Some(error) if error.is_timeout() => Refusal::new(
                RefusalKind::GatewayTimeout,
                "upstream fell silent before the end of the stream",
            ),
            _ => Refusal::new(
                RefusalKind::BadGateway,
                "upstream ended the stream before its end",
            ),
        };
        let event = refusal.to_event(self.id);
        Some(if is_amid_line {
            [&b"\n"[..], &event].concat().into()
        } else {
            event
        })
    }
}
