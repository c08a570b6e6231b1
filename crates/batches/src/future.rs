use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_claude_core::{BoxError, CallBody, ResponseBody};
use tower_service::Service;

use crate::batch_call::BatchCall;
use crate::{BatchBook, BatchesBody};

pin_project! {
    /// The future of [`Batches`](crate::Batches).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, ResB, K>
    where
        S: Service<Request<CallBody>>,
        K: BatchBook,
    {
        #[pin]
        state: State<S, S::Future, ResB, K>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<S, F, ResB, K>
    where
        K: BatchBook,
    {
        // A call of anything else.
        Pass { #[pin] call: F },
        // Apart, so that all others need not have room for it.
        Batches { call: Pin<Box<BatchCall<S, F, ResB, K>>> },
    }
}

// === impl ResponseFuture ===

impl<S, ResB, K> ResponseFuture<S, ResB, K>
where
    S: Service<Request<CallBody>>,
    K: BatchBook,
{
    pub(crate) const fn pass(call: S::Future) -> Self {
        Self {
            state: State::Pass { call },
        }
    }

    pub(crate) fn batches(call: BatchCall<S, S::Future, ResB, K>) -> Self {
        Self {
            state: State::Batches {
                call: Box::pin(call),
            },
        }
    }
}

impl<S, ResB, K> Future for ResponseFuture<S, ResB, K>
where
    S: Service<Request<CallBody>, Response = Response<ResB>>,
    ResB: Body<Data = Bytes>,
    ResB::Error: Into<BoxError>,
    K: BatchBook,
{
    type Output = Result<Response<BatchesBody<ResB>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            Projected::Pass { call } => {
                let untouched = |body| BatchesBody::new(ResponseBody::inner(body));
                call.poll(cx).map_ok(|response| response.map(untouched))
            }
            Projected::Batches { call } => call.as_mut().poll(cx),
        }
    }
}

impl<S, ResB, K> fmt::Debug for ResponseFuture<S, ResB, K>
where
    S: Service<Request<CallBody>>,
    K: BatchBook,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.state {
            State::Pass { .. } => "ResponseFuture::Pass",
            State::Batches { .. } => "ResponseFuture::Batches",
        })
    }
}
