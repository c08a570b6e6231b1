use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_claude_core::{CallBody, FailureKind, Peek, Prepare};
use tower_service::Service;

use crate::Route;
use crate::journey::Journey;
use crate::layer::Shared;
use crate::permit::Permit;
use crate::trial::Trial;
use crate::verdict::{Answer, Onward, Verdict, answered, unanswered};

pin_project! {
    /// The future of [`Failover`](crate::Failover).
    ///
    /// Dropped, it drops the attempt in flight; no other is made.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, F, B, R>
    where
        B: Body,
    {
        #[pin]
        state: State<S, F, B, R>,
    }
}

pin_project! {
    #[project = Projected]
    #[project_replace = Replaced]
    enum State<S, F, B, R>
    where
        B: Body,
    {
        Prepare {
            prepare: Prepare,
            inner: S,
            shared: Arc<Shared<R>>,
        },
        Ready {
            onward: Onward<S>,
        },
        Call {
            #[pin]
            future: F,
            journey: Journey<S>,
            trial: Trial,
        },
        Peek {
            #[pin]
            peek: Peek<B>,
            journey: Journey<S>,
            trial: Trial,
        },
        Done,
    }
}

// === impl ResponseFuture ===

impl<S, F, B, R> ResponseFuture<S, F, B, R>
where
    B: Body,
{
    pub(crate) const fn new(prepare: Prepare, inner: S, shared: Arc<Shared<R>>) -> Self {
        Self {
            state: State::Prepare {
                prepare,
                inner,
                shared,
            },
        }
    }
}

impl<S, F, B, R> Future for ResponseFuture<S, F, B, R>
where
    S: Service<Request<CallBody>, Response = Response<B>, Future = F>,
    S::Error: 'static,
    F: Future<Output = Result<Response<B>, S::Error>>,
    B: Body<Data = Bytes> + Unpin,
    B::Error: 'static,
    R: Route,
{
    type Output = Result<Answer<B>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            // First wait for what the state awaits, then take it apart: nothing pinned moves.
            let next = match state.as_mut().project() {
                Projected::Prepare { prepare, .. } => {
                    let prepared = ready!(Pin::new(prepare).poll(cx));
                    let Replaced::Prepare { inner, shared, .. } =
                        state.as_mut().project_replace(State::Done)
                    else {
                        continue;
                    };
                    let prepared = match prepared {
                        Ok(prepared) => prepared,
                        Err(unprepared) => {
                            let (dialect, id) = (unprepared.call.dialect(), unprepared.call.id());
                            return Poll::Ready(Ok(unprepared.refusal.respond(dialect, id)));
                        }
                    };
                    let (dialect, id) = (prepared.call.dialect(), prepared.call.id());
                    match Journey::begin(inner, prepared, &shared) {
                        Ok((journey, permit, request)) => {
                            State::call(journey, permit, None, request)
                        }
                        Err(refusal) => return Poll::Ready(Ok(refusal.respond(dialect, id))),
                    }
                }
                Projected::Ready { onward } => {
                    let ready = ready!(onward.journey.inner.poll_ready(cx));
                    let Replaced::Ready { onward } = state.as_mut().project_replace(State::Done)
                    else {
                        continue;
                    };
                    if let Err(error) = ready {
                        return Poll::Ready(Err(error));
                    }
                    State::call(
                        onward.journey,
                        onward.permit,
                        Some(onward.reason),
                        onward.request,
                    )
                }
                Projected::Call { future, .. } => {
                    let result = ready!(future.poll(cx));
                    let Replaced::Call { journey, trial, .. } =
                        state.as_mut().project_replace(State::Done)
                    else {
                        continue;
                    };
                    match result {
                        Ok(response) => State::Peek {
                            trial: trial.heard(response.status()),
                            peek: Peek::new(response, journey.call.id()),
                            journey,
                        },
                        Err(error) => match unanswered(journey, trial, &error) {
                            Some(onward) => State::Ready { onward },
                            None => return Poll::Ready(Err(error)),
                        },
                    }
                }
                Projected::Peek { peek, .. } => {
                    let peeked = ready!(peek.poll(cx));
                    let Replaced::Peek { journey, trial, .. } =
                        state.as_mut().project_replace(State::Done)
                    else {
                        continue;
                    };
                    match answered(journey, trial, peeked) {
                        Verdict::Return(answer) => return Poll::Ready(Ok(answer)),
                        Verdict::MoveOn(onward) => State::Ready { onward },
                    }
                }
                Projected::Done => panic!("failover's ResponseFuture polled after it was ready"),
            };
            state.set(next);
        }
    }
}

impl<S, F, B, R> fmt::Debug for ResponseFuture<S, F, B, R>
where
    B: Body,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Prepare { .. } => "ResponseFuture::Prepare",
            State::Ready { .. } => "ResponseFuture::Ready",
            State::Call { .. } => "ResponseFuture::Call",
            State::Peek { .. } => "ResponseFuture::Peek",
            State::Done => "ResponseFuture::Done",
        })
    }
}

// === impl State ===

impl<S, F, B, R> State<S, F, B, R>
where
    S: Service<Request<CallBody>, Response = Response<B>, Future = F>,
    B: Body,
{
    /// Asks a target; the service is ready.
    fn call(
        mut journey: Journey<S>,
        permit: Permit,
        reason: Option<FailureKind>,
        mut request: Request<CallBody>,
    ) -> Self {
        request.extensions_mut().insert(permit.target().clone());
        let trial = Trial::begin(&journey.call, permit, reason);
        Self::Call {
            future: journey.inner.call(request),
            journey,
            trial,
        }
    }
}
