use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use super::DrainBody;
use super::left_over::{LeftOver, LeftOvers};
use crate::Departure;

pin_project! {
    /// The future of [`Drain`](crate::Drain).
    ///
    /// Dropped before the head, what is left of the call is read on.
    #[must_use = "futures do nothing unless polled"]
    pub struct DrainFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<F> {
        Pass { #[pin] future: F },
        Keep { kept: Kept<F> },
    }
}

/// A future that can be handed over. It is boxed, since it has to move when it is dropped.
struct Kept<F> {
    /// `None` once it is ready.
    future: Option<Pin<Box<F>>>,
    shared: Arc<LeftOvers>,
    departure: Departure,
    /// What a drop does with the future; known where its type is.
    read_on: fn(Pin<Box<F>>, u64) -> LeftOver,
}

// === impl DrainFuture ===

impl<F> DrainFuture<F> {
    pub(crate) const fn passed(future: F) -> Self {
        Self {
            state: State::Pass { future },
        }
    }

    pub(crate) fn kept<B, E>(future: F, shared: Arc<LeftOvers>, departure: Departure) -> Self
    where
        F: Future<Output = Result<Response<B>, E>> + Send + 'static,
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        E: 'static,
    {
        let kept = Kept {
            future: Some(Box::pin(future)),
            shared,
            departure,
            read_on: |future, tokens| Box::pin(read_on(future, tokens)),
        };
        Self {
            state: State::Keep { kept },
        }
    }
}

impl<F, B, E> Future for DrainFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    type Output = Result<Response<DrainBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let kept = match self.project().state.project() {
            Projected::Pass { future } => {
                let answer = ready!(future.poll(cx));
                return Poll::Ready(answer.map(|response| response.map(DrainBody::passed)));
            }
            Projected::Keep { kept } => kept,
        };
        let Some(future) = &mut kept.future else {
            panic!("DrainFuture polled after it was ready");
        };
        let answer = ready!(future.as_mut().poll(cx));
        kept.future = None;
        Poll::Ready(answer.map(|response| {
            DrainBody::keep(response, Arc::clone(&kept.shared), kept.departure.clone())
        }))
    }
}

impl<F> fmt::Debug for DrainFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.state {
            State::Pass { .. } => "DrainFuture::Pass",
            State::Keep { .. } => "DrainFuture::Keep",
        })
    }
}

// === impl Kept ===

impl<F> Drop for Kept<F> {
    fn drop(&mut self) {
        // A panic in there is no reason to ask again.
        if let Some(future) = self.future.take()
            && !std::thread::panicking()
        {
            self.departure.leave(true);
            let left_over = (self.read_on)(future, self.shared.tokens);
            self.shared.hand_over(left_over);
        }
    }
}

async fn read_on<F, B, E>(future: Pin<Box<F>>, tokens: u64)
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    let response = future.await.ok();
    if let Some(response) = response {
        DrainBody::read_on(response, tokens).await;
    }
}
