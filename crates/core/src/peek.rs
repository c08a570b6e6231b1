use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http::{Response, response};
use http_body::{Body, Frame};
use pin_project_lite::pin_project;

use crate::answer_reader::is_event_stream;
use crate::peeked_body::{Held, PeekedBody, Seal};
use crate::tap::{TapBody, tap};
use crate::{Call, End, Endpoint, Failure, FailureKind, RequestId, TransportError, UsageCell};

pin_project! {
    /// The commit gate: holds an answer back until it is known whether it is any good.
    ///
    /// Below the gate a call may be tried again, above it nothing: the caller has something
    /// that cannot be taken back. The gate opens
    ///
    /// - for a plain success at once, and for all that is no answer of
    ///   [`Endpoint::Messages`](crate::Endpoint::Messages), where nothing is known of events;
    /// - for a stream of messages at its first content, or at its end: until then there are only
    ///   `message_start`, pings and empty block starts, and an `error` event may still come;
    /// - for an error status when its body is read, as far as it says what failed;
    /// - when more than [`Peek::LARGEST`] bytes are held;
    /// - when [`Peek::open`] is called, as by a layer whose patience is at an end.
    ///
    /// What was held is in the body that comes out, byte for byte. An answer that has been
    /// through a gate goes through the next one at once. Dropping it drops the answer.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Peek<B>
    where
        B: Body,
    {
        #[pin]
        body: Option<TapBody<B>>,
        head: Option<response::Parts>,
        cell: UsageCell,
        // Whose stream of messages it is, if it is one.
        seal: Option<RequestId>,
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

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Nothing: it is good, or somebody has looked already.
    Open,
    /// The first content of a stream.
    Stream,
    /// What an error says.
    Error,
}

/// The mark of an answer that has been through a gate.
#[derive(Clone, Copy, Debug)]
struct Gated;

// === impl Peek ===

impl<B> Peek<B>
where
    B: Body<Data = Bytes>,
{
    /// The most that is held back, in bytes.
    pub const LARGEST: usize = 64 * 1024;

    /// Puts an answer to `call` behind the gate.
    pub fn new(response: Response<B>, call: &Call) -> Self {
        let (mut head, body) = tap(response).into_parts();
        let is_stream = call.endpoint() == Endpoint::Messages && is_event_stream(&head.headers);
        let form = if head.extensions.insert(Gated).is_some() {
            Form::Open
        } else if !head.status.is_success() {
            Form::Error
        } else if is_stream {
            Form::Stream
        } else {
            Form::Open
        };
        // `tap` has put it there.
        let cell = head.extensions.get().cloned().unwrap_or_default();
        Self {
            body: Some(body),
            cell,
            // Nothing can follow a body whose length has been announced.
            seal: (is_stream
                && head.status.is_success()
                && !head.headers.contains_key(CONTENT_LENGTH))
            .then(|| call.id()),
            head: Some(head),
            form,
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
        let parts = (this.body.get_mut().take(), this.head.take());
        let (Some(body), Some(mut head)) = parts else {
            panic!("Peek opened after it was open");
        };
        let held = std::mem::take(this.held);
        let failure = match this.form {
            Form::Open => head.extensions.get().cloned(),
            Form::Error => Failure::from_answer(
                head.status,
                &head.headers,
                &joined(&held),
                SystemTime::now(),
            ),
            Form::Stream => stream_failure(this.cell, this.error.as_ref()),
        };
        if let Some(failure) = &failure
            && *this.form != Form::Open
        {
            this.cell.write(|metered| {
                metered.failure = Some(failure.kind);
                if metered.error_type.is_none() {
                    metered.error_type.clone_from(&failure.error_type);
                }
            });
            head.extensions.insert(failure.clone());
        }
        let held = Held {
            frames: held,
            error: this.error.take(),
        };
        let seal = this.seal.map(|id| Seal::new(this.cell.clone(), id));
        let body = PeekedBody::new(body, held, seal);
        Peeked {
            response: Response::from_parts(head, body),
            failure,
        }
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
            let Some(mut body) = this.body.as_pin_mut() else {
                panic!("Peek polled after it was open");
            };
            match body.as_mut().poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => break,
                Poll::Ready(Some(Err(error))) => {
                    *this.error = Some(error);
                    break;
                }
                Poll::Ready(Some(Ok(frame))) => {
                    *this.bytes += frame.data_ref().map_or(0, Bytes::len);
                    this.held.push_back(frame);
                    let is_over = *this.form == Form::Stream
                        && this.cell.read(|m| m.has_content || m.end.is_some());
                    if is_over || body.is_end_stream() {
                        break;
                    }
                }
            }
        }
        Poll::Ready(self.open())
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
