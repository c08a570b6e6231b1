use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_claude_core::{Call, CallBody, Prepare};
use tower_service::Service;

use crate::Route;
use crate::journey::Journey;
use crate::layer::Shared;
use crate::rival::Rival;
use crate::state::State;
use crate::verdict::Answer;

pin_project! {
    /// The future of [`Failover`](crate::Failover).
    ///
    /// Dropped, it drops the attempt in flight; no other is made.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, F, B, R>
    where
        S: Service<Request<CallBody>>,
        B: Body,
    {
        #[pin]
        state: State<F, B>,
        inner: S,
        rival: Rival<S, F, B>,
        // Every state needs it: in the variants it would be moved with each step.
        journey: Journey<R>,
    }
}

// === impl ResponseFuture ===

impl<S, F, B, R> ResponseFuture<S, F, B, R>
where
    S: Service<Request<CallBody>, Future = F> + Clone,
    B: Body,
{
    /// The service is ready; a request that has been read goes into it at once.
    pub(crate) fn new(request: Request<CallBody>, mut inner: S, shared: Arc<Shared<R>>) -> Self
    where
        R: Route,
    {
        let Some(call) = Call::current(&request).cloned() else {
            let prepare = Prepare::new(request, &shared.intake);
            return Self {
                state: State::Prepare { prepare },
                inner,
                rival: Rival::Idle,
                journey: Journey::new(shared),
            };
        };
        let mut journey = Journey::new(shared);
        let state = State::set_out(&mut inner, &mut journey, request, call);
        Self {
            state,
            inner,
            rival: Rival::Idle,
            journey,
        }
    }
}

impl<S, F, B, R> Future for ResponseFuture<S, F, B, R>
where
    S: Service<Request<CallBody>, Response = Response<B>, Future = F> + Clone,
    S::Error: 'static,
    F: Future<Output = Result<Response<B>, S::Error>>,
    B: Body<Data = Bytes> + Unpin,
    B::Error: 'static,
    R: Route,
{
    type Output = Result<Answer<B>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if !this.rival.is_alone() {
            let answer = this.state.as_mut().drive(this.inner, this.journey, cx);
            let is_all = answer.is_ready() || !this.journey.may_hedge();
            if is_all && !this.rival.is_running() {
                return answer;
            }
            if let Poll::Ready(answer) = answer
                && let Some(answer) = this.rival.outdo(this.journey, answer)
            {
                return Poll::Ready(answer);
            }
        }
        let is_asking = this.state.is_asking();
        let rival = this.rival.poll(this.inner, this.journey, is_asking, cx);
        let answer = ready!(rival);
        // The other one is given up now, not when the caller lets go of this.
        this.state.set(State::Done);
        Poll::Ready(answer)
    }
}

impl<S, F, B, R> fmt::Debug for ResponseFuture<S, F, B, R>
where
    S: Service<Request<CallBody>>,
    B: Body,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("state", &self.state.name())
            .field("is_hedged", &self.rival.is_running())
            .finish_non_exhaustive()
    }
}
