use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use http::{Response, StatusCode};
use http_body::{Body, Frame};
use pin_project_lite::pin_project;

use crate::begun::{Begun, Form};
use crate::peeked_body::{Held, PeekedBody};
use crate::{Call, End, Failure, FailureKind, TransportError, UsageCell, tap};

pin_project! {
    /// The commit gate: holds an answer back until it is known whether it is any good.
    ///
    /// Below the gate a call may be tried again, above it nothing: the caller has something
    /// that cannot be taken back. The gate opens
    ///
    /// - for a success at once that is plain, compressed, or no answer of
    ///   [`Endpoint::Messages`](crate::Endpoint::Messages), where nothing is known of events;
    /// - for a stream of messages at its first content, or at its end: until then there are only
    ///   `message_start`, pings and empty block starts, and an `error` event may still come;
    /// - for an error status when its body is read, as far as it says what failed;
    /// - when more than [`Peek::LARGEST`] bytes are held, a frame counting as 16 at least;
    /// - when [`Peek::open`] is called, as by a layer whose patience is at an end.
    ///
    /// What was held is in the body that comes out, byte for byte. An answer that has been
    /// through a gate goes through the next one at once. Dropping it drops the answer.
    #[must_use = "futures do nothing unless polled"]
    pub struct Peek<B>
    where
        B: Body,
    {
        begun: Option<Begun<B>>,
        form: Form,
        held: VecDeque<Frame<Bytes>>,
        bytes: usize,
        error: Option<B::Error>,
    }
}

/// What came through the gate.
#[non_exhaustive]
pub struct Peeked<B>
where
    B: Body,
{
    /// The answer, whole.
    pub response: Response<PeekedBody<B>>,
    /// What is wrong with it, if anything; also in the response's extensions.
    pub failure: Option<Failure>,
}

/// What a frame counts as at least, in bytes: without end, frames of nothing would be held
/// without end. Small enough for a beginning that comes byte by byte.
const LEAST: usize = 16;

// === impl Peek ===

impl<B> Peek<B>
where
    B: Body<Data = Bytes>,
{
    /// The most that is held back, in bytes.
    pub const LARGEST: usize = 64 * 1024;

    /// Puts an answer to `call` behind the gate.
    pub fn new(response: Response<B>, call: &Call) -> Self {
        let response = tap(response);
        let form = Form::of(&response, call);
        Self::begin(Begun::new(response, form, call))
    }

    /// Puts an answer to `call` behind the gate, unless it is open at once: then what came
    /// through it is the result.
    #[expect(
        clippy::result_large_err,
        reason = "the other half of the answer, not an error; a box would cost every stream"
    )]
    pub fn try_open(response: Response<B>, call: &Call) -> Result<Peeked<B>, Self>
    where
        B::Error: 'static,
    {
        let response = tap(response);
        let form = Form::of(&response, call);
        if form != Form::Open {
            return Err(Self::begin(Begun::new(response, form, call)));
        }
        Ok(Peeked {
            failure: response.extensions().get().cloned(),
            response: response.map(|body| PeekedBody::new(body, Held::default(), None)),
        })
    }

    /// The status of the answer.
    ///
    /// # Panics
    ///
    /// If the gate was opened already.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match &self.begun {
            Some(begun) => begun.head.status,
            None => panic!("Peek asked after it was open"),
        }
    }

    /// Waits for what comes through the gate, but no longer than `patience` does: when that is
    /// ready, the gate opens with whatever is held.
    pub fn poll_within(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        patience: impl FnOnce(&mut Context<'_>) -> Poll<()>,
    ) -> Poll<Peeked<B>>
    where
        B: Unpin,
        B::Error: 'static,
    {
        if let Poll::Ready(peeked) = self.as_mut().poll(cx) {
            return Poll::Ready(peeked);
        }
        patience(cx).map(|()| self.open())
    }

    fn begin(begun: Begun<B>) -> Self {
        Self {
            form: begun.form,
            begun: Some(begun),
            held: VecDeque::new(),
            bytes: 0,
            error: None,
        }
    }

    /// Opens the gate now, with whatever is held.
    ///
    /// # Panics
    ///
    /// If it was open already.
    pub fn open(self: Pin<&mut Self>) -> Peeked<B>
    where
        B: Unpin,
        B::Error: 'static,
    {
        let this = self.project();
        let Some(mut begun) = this.begun.take() else {
            panic!("Peek opened after it was open");
        };
        let held = Held {
            frames: std::mem::take(this.held),
            error: this.error.take(),
        };
        let failure = match begun.form {
            Form::Open => begun.head.extensions.get().cloned(),
            Form::Error => begun.noted(Failure::from_answer(
                begun.head.status,
                &begun.head.headers,
                &joined(&held.frames),
                SystemTime::now(),
            )),
            Form::Stream => begun.noted(stream_failure(&begun.cell, held.error.as_ref())),
        };
        begun.open(held, failure)
    }
}

impl<B> Future for Peek<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: 'static,
{
    type Output = Peeked<B>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Peeked<B>> {
        while self.form != Form::Open && self.bytes <= Self::LARGEST {
            let this = self.as_mut().project();
            let Some(Begun { body, cell, .. }) = this.begun else {
                panic!("Peek polled after it was open");
            };
            match Pin::new(&mut *body).poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => break,
                Poll::Ready(Some(Err(error))) => {
                    *this.error = Some(error);
                    break;
                }
                Poll::Ready(Some(Ok(frame))) => {
                    let length = frame.data_ref().map_or(0, Bytes::len);
                    *this.bytes = this.bytes.saturating_add(length.max(LEAST));
                    this.held.push_back(frame);
                    let is_over = *this.form == Form::Stream
                        && cell.read(|metered| metered.has_content || metered.end.is_some());
                    if is_over || body.is_end_stream() {
                        break;
                    }
                }
            }
        }
        Poll::Ready(self.open())
    }
}

impl<B> fmt::Debug for Peek<B>
where
    B: Body,
{
    /// Prints how much is held, never what.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peek")
            .field("form", &self.form)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

// === impl Peeked ===

impl<B> fmt::Debug for Peeked<B>
where
    B: Body,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peeked")
            .field("status", &self.response.status())
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}

/// What is wrong with a stream of which no content has come.
fn stream_failure<E: 'static>(cell: &UsageCell, error: Option<&E>) -> Option<Failure> {
    cell.read(|metered| {
        if metered.has_content {
            return None;
        }
        match (metered.end, metered.failure) {
            (Some(End::Errored), kind) => Some(Failure {
                in_band: true,
                status: Some(200),
                error_type: metered.error_type.clone(),
                ..Failure::new(kind.unwrap_or(FailureKind::ServerError))
            }),
            (Some(End::Truncated), _) => {
                let stalled = error
                    .and_then(TransportError::find)
                    .is_some_and(TransportError::is_timeout);
                Some(Failure {
                    status: Some(200),
                    ..Failure::new(if stalled {
                        FailureKind::Stalled
                    } else {
                        FailureKind::Truncated
                    })
                })
            }
            _ => None,
        }
    })
}

/// The data of the frames as one buffer; the usual single frame is not copied.
fn joined(frames: &VecDeque<Frame<Bytes>>) -> Bytes {
    let mut data = frames.iter().filter_map(Frame::data_ref);
    match (data.next(), data.next()) {
        (None, _) => Bytes::new(),
        (Some(only), None) => only.clone(),
        (Some(first), Some(second)) => {
            let mut joined = BytesMut::from(&first[..]);
            joined.extend_from_slice(second);
            data.for_each(|more| joined.extend_from_slice(more));
            joined.freeze()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering::Relaxed;
    use std::task::Waker;

    use http::Request;

    use super::*;
    use crate::{CallBody, Intake, Prepare};

    /// A body of so many frames without data.
    struct Empties(Arc<AtomicUsize>);

    impl Body for Empties {
        type Data = Bytes;
        type Error = TransportError;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, TransportError>>> {
            let left = self.0.load(Relaxed);
            self.0.store(left.saturating_sub(1), Relaxed);
            Poll::Ready((left > 0).then(|| Ok(Frame::data(Bytes::new()))))
        }
    }

    #[tokio::test]
    async fn frames_of_nothing_open_the_gate_too() {
        const ALL: usize = 1_000_000;
        let body = r#"{"model":"m","max_tokens":9,"stream":true,"messages":[]}"#;
        let request = Request::post("/v1/messages").body(CallBody::from(body.to_owned()));
        let prepared = Prepare::new(request.unwrap(), &Intake::new()).await;
        let call = prepared.map_err(|_| "no good request").unwrap().call;
        for status in [200, 500] {
            let left = Arc::new(AtomicUsize::new(ALL));
            let response = Response::builder()
                .status(status)
                .header("content-type", "text/event-stream")
                .body(Empties(Arc::clone(&left)))
                .unwrap();
            let peek = std::pin::pin!(Peek::new(response, &call));
            let peeked = peek.poll(&mut Context::from_waker(Waker::noop()));
            assert!(peeked.is_ready());
            let held = ALL - left.load(Relaxed);
            assert!((1..=10_000).contains(&held), "{status}: {held} frames");
        }
    }
}
