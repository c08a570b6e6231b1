use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::request;
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::Sleep;
use tower_claude_core::{BoxError, TransportError};

use crate::fake_claude::Shared;
use crate::receipt::Receipt;
use crate::{Answer, Asked, Ended, ScriptedBody};

pin_project! {
    /// The future of [`FakeClaude`](crate::FakeClaude).
    pub struct ResponseFuture<B> {
        #[pin]
        state: State<B>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<B> {
        Collect {
            #[pin]
            body: B,
            buffer: Buffer,
            call: Option<Call>,
        },
        Delay {
            #[pin]
            sleep: Sleep,
            answer: Answer,
            receipt: Option<Receipt>,
        },
        Done,
    }
}

/// What is known of the call before its body.
struct Call {
    number: u64,
    parts: request::Parts,
    receipt: Option<Receipt>,
    shared: Arc<Shared>,
}

/// A body so far; one frame is kept as it came.
enum Buffer {
    One(Bytes),
    Many(BytesMut),
}

// === impl ResponseFuture ===

impl<B> ResponseFuture<B> {
    pub(crate) fn new(
        shared: Arc<Shared>,
        number: u64,
        receipt: Option<Receipt>,
        request: http::Request<B>,
    ) -> Self {
        let (parts, body) = request.into_parts();
        Self {
            state: State::Collect {
                body,
                buffer: Buffer::One(Bytes::new()),
                call: Some(Call {
                    number,
                    parts,
                    receipt,
                    shared,
                }),
            },
        }
    }
}

impl<B> Future for ResponseFuture<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Output = Result<http::Response<ScriptedBody>, TransportError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                StateProjection::Collect { body, buffer, call } => {
                    let collected = ready!(poll_collect(body, buffer, cx));
                    let call = call.take().expect("a call is answered once");
                    let body = match collected {
                        Ok(body) => body,
                        Err(error) => {
                            state.set(State::Done);
                            call.abandon();
                            return Poll::Ready(Err(TransportError::no_reply(error)));
                        }
                    };
                    let (answer, receipt) = call.answer(body);
                    let delay = answer.script().head_delay;
                    if delay.is_zero() {
                        state.set(State::Done);
                        return Poll::Ready(answer.play(receipt));
                    }
                    state.set(State::Delay {
                        sleep: tokio::time::sleep(delay),
                        answer,
                        receipt,
                    });
                }
                StateProjection::Delay {
                    sleep,
                    answer,
                    receipt,
                } => {
                    ready!(sleep.poll(cx));
                    let response = answer.play(receipt.take());
                    state.set(State::Done);
                    return Poll::Ready(response);
                }
                StateProjection::Done => panic!("FakeClaude future polled after it was ready"),
            }
        }
    }
}

fn poll_collect<B>(
    mut body: Pin<&mut B>,
    buffer: &mut Buffer,
    cx: &mut Context<'_>,
) -> Poll<Result<Bytes, BoxError>>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    while let Some(frame) = ready!(body.as_mut().poll_frame(cx)) {
        match frame {
            Ok(frame) => {
                if let Ok(data) = frame.into_data() {
                    buffer.push(data);
                }
            }
            Err(error) => return Poll::Ready(Err(error.into())),
        }
    }
    Poll::Ready(Ok(buffer.take()))
}

impl<B> fmt::Debug for ResponseFuture<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

// === impl Call ===

impl Call {
    fn answer(self, body: Bytes) -> (Answer, Option<Receipt>) {
        let asked = Asked::new(self.number, self.parts, body);
        if let Some(receipt) = &self.receipt {
            receipt.asked(&asked);
        }
        (self.shared.answer(&asked), self.receipt)
    }

    /// The request body broke off.
    fn abandon(self) {
        if let Some(receipt) = self.receipt {
            receipt.settle(Some(Ended::NoAnswer), 0, 0);
        }
    }
}

// === impl Buffer ===

impl Buffer {
    fn push(&mut self, data: Bytes) {
        match self {
            Self::One(first) if first.is_empty() => *self = Self::One(data),
            Self::One(first) => {
                let mut all = BytesMut::from(&first[..]);
                all.extend_from_slice(&data);
                *self = Self::Many(all);
            }
            Self::Many(all) => all.extend_from_slice(&data),
        }
    }

    fn take(&mut self) -> Bytes {
        match self {
            Self::One(bytes) => std::mem::take(bytes),
            Self::Many(all) => all.split().freeze(),
        }
    }
}
