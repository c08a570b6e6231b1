use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::Sleep;
use tower_claude_core::{
    CallBody, Failure, Peek, Peeked, PeekedBody, Prepare, Prepared, ResponseBody, Unprepared,
};
use tower_service::Service;

use crate::Classify;
use crate::layer::Shared;
use crate::pass::{Again, Pass};

pin_project! {
    /// The future of [`Retry`](crate::Retry).
    ///
    /// Dropped while an attempt runs, it drops the attempt; dropped while it sleeps, there is
    /// none.
    pub struct ResponseFuture<S, ResB, C>
    where
        S: Service<Request<CallBody>>,
        ResB: Body,
    {
        #[pin]
        state: State<S::Future, ResB>,
        service: S,
        shared: Arc<Shared<C>>,
    }
}

pin_project! {
    #[project = StateProjection]
    #[project_replace = StateReplaced]
    enum State<F, ResB>
    where
        ResB: Body,
    {
        Prepare {
            prepare: Prepare,
        },
        Sleep {
            #[pin]
            sleep: Sleep,
            request: Request<CallBody>,
            pass: Pass,
        },
        Ready {
            request: Request<CallBody>,
            pass: Pass,
        },
        Call {
            #[pin]
            future: F,
            pass: Pass,
        },
        Peek {
            #[pin]
            peek: Peek<ResB>,
            // Armed when there is something to wait for: a plain answer needs no timer.
            #[pin]
            gate: Option<Sleep>,
            gate_time: Duration,
            pass: Pass,
        },
        Done,
    }
}

const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

// === impl ResponseFuture ===

impl<S, ResB, C> ResponseFuture<S, ResB, C>
where
    S: Service<Request<CallBody>>,
    ResB: Body,
{
    pub(crate) const fn new(prepare: Prepare, service: S, shared: Arc<Shared<C>>) -> Self {
        Self {
            state: State::Prepare { prepare },
            service,
            shared,
        }
    }
}

impl<S, ResB, C> Future for ResponseFuture<S, ResB, C>
where
    S: Service<Request<CallBody>, Response = Response<ResB>>,
    S::Error: 'static,
    ResB: Body<Data = Bytes> + Unpin,
    ResB::Error: 'static,
    C: Classify,
{
    type Output = Result<Response<ResponseBody<PeekedBody<ResB>>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (mut state, service, shared) = (this.state, this.service, &**this.shared);
        loop {
            let next = match state.as_mut().project() {
                StateProjection::Prepare { prepare } => match ready!(Pin::new(prepare).poll(cx)) {
                    Ok(Prepared { request, call, .. }) => {
                        let pass = Pass::new(&request, call, &shared.settings);
                        State::call(service, request, pass)
                    }
                    Err(unprepared) => {
                        let Unprepared { refusal, call, .. } = *unprepared;
                        state.set(State::Done);
                        return Poll::Ready(Ok(refusal.respond(call.dialect(), call.id())));
                    }
                },
                StateProjection::Sleep { sleep, .. } => {
                    ready!(sleep.poll(cx));
                    match state.as_mut().project_replace(State::Done) {
                        StateReplaced::Sleep { request, pass, .. } => {
                            State::Ready { request, pass }
                        }
                        _ => State::Done,
                    }
                }
                StateProjection::Ready { .. } => {
                    if let Err(error) = ready!(service.poll_ready(cx)) {
                        state.set(State::Done);
                        return Poll::Ready(Err(error));
                    }
                    match state.as_mut().project_replace(State::Done) {
                        StateReplaced::Ready { request, pass } => {
                            State::call(service, request, pass)
                        }
                        _ => State::Done,
                    }
                }
                StateProjection::Call { future, pass } => match ready!(future.poll(cx)) {
                    Ok(response) => {
                        let gate_time = if pass.is_gated(&response) {
                            shared.settings.gate_time
                        } else {
                            Duration::ZERO
                        };
                        let peek = Peek::new(response, pass.call());
                        match state.as_mut().project_replace(State::Done) {
                            StateReplaced::Call { pass, .. } => State::Peek {
                                peek,
                                gate: None,
                                gate_time,
                                pass,
                            },
                            _ => State::Done,
                        }
                    }
                    Err(error) => {
                        let failure = Failure::from_error(&error);
                        pass.unanswered(failure.kind);
                        let again = pass.again(shared, &failure);
                        let replaced = state.as_mut().project_replace(State::Done);
                        match (replaced, again) {
                            (StateReplaced::Call { pass, .. }, Some(again)) => {
                                State::sleep(again, pass)
                            }
                            _ => return Poll::Ready(Err(error)),
                        }
                    }
                },
                StateProjection::Peek {
                    peek,
                    gate,
                    gate_time,
                    pass,
                } => {
                    let Peeked {
                        mut response,
                        failure,
                        ..
                    } = ready!(poll_gate(peek, gate, *gate_time, cx));
                    let kind = failure.as_ref().map(|failure| failure.kind);
                    let again = failure.and_then(|failure| pass.again(shared, &failure));
                    pass.answered(&response, kind, again.is_none());
                    match (kind, again) {
                        (_, Some(again)) => {
                            // Before the sleep, so that its connection is free for others.
                            drop(response);
                            match state.as_mut().project_replace(State::Done) {
                                StateReplaced::Peek { pass, .. } => State::sleep(again, pass),
                                _ => State::Done,
                            }
                        }
                        (kind, None) => {
                            if kind.is_none() && pass.is_first_try() {
                                shared.settings.quota.deposit();
                            }
                            if kind.is_some() && pass.has_repeated() {
                                let no = HeaderValue::from_static("false");
                                response.headers_mut().insert(SHOULD_RETRY, no);
                            }
                            state.set(State::Done);
                            return Poll::Ready(Ok(response.map(ResponseBody::inner)));
                        }
                    }
                }
                StateProjection::Done => panic!("Retry future polled after it was ready"),
            };
            state.set(next);
        }
    }
}

/// Waits for what comes through the gate, and opens it when its time is over.
fn poll_gate<B>(
    mut peek: Pin<&mut Peek<B>>,
    mut gate: Pin<&mut Option<Sleep>>,
    gate_time: Duration,
    cx: &mut Context<'_>,
) -> Poll<Peeked<B>>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: 'static,
{
    if let Poll::Ready(peeked) = peek.as_mut().poll(cx) {
        return Poll::Ready(peeked);
    }
    if !gate_time.is_zero() {
        if gate.is_none() {
            gate.set(Some(tokio::time::sleep(gate_time)));
        }
        if let Some(gate) = gate.as_pin_mut() {
            ready!(gate.poll(cx));
        }
    }
    Poll::Ready(peek.open())
}

impl<S, ResB, C> fmt::Debug for ResponseFuture<S, ResB, C>
where
    S: Service<Request<CallBody>>,
    ResB: Body,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Prepare { .. } => "Retry::Prepare",
            State::Sleep { .. } => "Retry::Sleep",
            State::Ready { .. } => "Retry::Ready",
            State::Call { .. } => "Retry::Call",
            State::Peek { .. } => "Retry::Peek",
            State::Done => "Retry::Done",
        })
    }
}

// === impl State ===

impl<F, ResB> State<F, ResB>
where
    ResB: Body,
{
    /// Calls a service that is ready.
    fn call<S>(service: &mut S, request: Request<CallBody>, mut pass: Pass) -> Self
    where
        S: Service<Request<CallBody>, Future = F>,
    {
        pass.begin(&request);
        Self::Call {
            future: service.call(request),
            pass,
        }
    }

    fn sleep(again: Again, pass: Pass) -> Self {
        Self::Sleep {
            sleep: tokio::time::sleep(again.delay),
            request: again.request,
            pass,
        }
    }
}
