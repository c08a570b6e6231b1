use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_claude_core::{
    AttemptLog, Call, Degraded, Dialect, Failure, Refusal, RefusalKind, RequestId, ResponseBody,
    TransportError,
};
use tower_layer::Layer;
use tower_service::Service;

use crate::strip_account_headers;

/// The boundary between your account and those who call through it.
///
/// What upstream says of the account is taken off every answer
/// ([`strip_account_headers`]). Where upstream gave no answer there is one of ours: 502, or 504
/// where time ran out, so the stack is infallible from here on, as hosts want it. What an
/// error says of itself stays inside, but for the text of a [`TransportError`]; what went wrong
/// travels as a [`Failure`] in the extensions.
///
/// It belongs outside of retry and failover, which read those headers and ask somebody else
/// after an error; and inside of the budget, which writes headers of the same names for its
/// tenants, and of the meter, which records what the caller gets.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct BoundaryLayer(());

/// The service of [`BoundaryLayer`].
#[derive(Debug)]
pub struct Boundary<S> {
    inner: S,
    /// Why the inner service is not ready: the answer to the next call.
    unready: Option<Ended>,
}

/// A call that ended without an answer: ours instead, and what went wrong.
#[derive(Debug)]
struct Ended {
    refusal: Refusal,
    failure: Failure,
}

pin_project! {
    /// The future of [`Boundary`].
    #[derive(Debug)]
    pub struct BoundaryFuture<F> {
        #[pin]
        state: State<F>,
        dialect: Dialect,
        id: RequestId,
        attempts: Option<Arc<AttemptLog>>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = Projected]
    enum State<F> {
        Call { #[pin] future: F },
        Refused { ended: Option<Ended> },
    }
}

// === impl BoundaryLayer ===

impl BoundaryLayer {
    /// The layer.
    pub const fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for BoundaryLayer {
    type Service = Boundary<S>;

    fn layer(&self, inner: S) -> Boundary<S> {
        Boundary {
            inner,
            unready: None,
        }
    }
}

// === impl Boundary ===

impl<S: Clone> Clone for Boundary<S> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            unready: None,
        }
    }
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for Boundary<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    S::Error: fmt::Display + 'static,
{
    type Response = Response<ResponseBody<ResB>>;
    type Error = Infallible;
    type Future = BoundaryFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.unready.is_none()
            && let Err(error) = ready!(self.inner.poll_ready(cx))
        {
            self.unready = Some(Ended::new(&error));
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let call = Call::of(&request);
        BoundaryFuture {
            dialect: call.map_or_else(|| Dialect::of(request.headers()), Call::dialect),
            id: RequestId::of(request.extensions()).unwrap_or_else(RequestId::generate),
            attempts: call.map(|call| Arc::clone(call.attempts())),
            state: match self.unready.take() {
                Some(ended) => State::Refused { ended: Some(ended) },
                None => State::Call {
                    future: self.inner.call(request),
                },
            },
        }
    }
}

// === impl BoundaryFuture ===

impl<F, B, E> Future for BoundaryFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: fmt::Display + 'static,
{
    type Output = Result<Response<ResponseBody<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ended { refusal, failure } = match this.state.project() {
            Projected::Call { future } => match future.poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(mut response)) => {
                    strip_account_headers(response.headers_mut());
                    // What a layer inside says with a header of ours is taken off with
                    // upstream's, and said again.
                    Degraded::tell_again(&mut response);
                    return Poll::Ready(Ok(response.map(ResponseBody::inner)));
                }
                Poll::Ready(Err(error)) => Ended::new(&error),
            },
            Projected::Refused { ended } => match ended.take() {
                Some(ended) => ended,
                None => panic!("BoundaryFuture polled after it was ready"),
            },
        };
        let attempts = this.attempts.as_ref().map_or(0, |log| log.len());
        let refusal = if attempts > 1 {
            // We have asked again already; the caller's library is not to do so once more.
            refusal.should_retry(false)
        } else {
            refusal
        };
        let mut answer = refusal.respond(*this.dialect, *this.id);
        // Budget and meter outside have to know whether it may be billed.
        answer.extensions_mut().insert(failure);
        Poll::Ready(Ok(answer))
    }
}

// === impl Ended ===

impl Ended {
    fn new<E: fmt::Display + 'static>(error: &E) -> Self {
        let (kind, message) = match TransportError::find(error) {
            Some(found) if found.is_timeout() => (RefusalKind::GatewayTimeout, found.to_string()),
            Some(found) => (RefusalKind::BadGateway, found.to_string()),
            None => (
                RefusalKind::BadGateway,
                "upstream gave no answer".to_owned(),
            ),
        };
        Self {
            refusal: Refusal::new(kind, message).cause(error.to_string()),
            failure: Failure::from_error(error),
        }
    }
}
