use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::Sleep;
use tower_claude_core::{
    Call, CallBody, Failure, Peek, PeekedBody, Prepare, Prepared, ResponseBody, Unprepared,
};
use tower_service::Service;

use crate::Classify;
use crate::layer::Shared;
use crate::pass::{Again, Next, Pass};

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
        // `None` until the request is read. Every later state needs it: in the variants it
        // would be moved with each step.
        pass: Option<Pass>,
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
        },
        Ready {
            request: Request<CallBody>,
        },
        Call {
            #[pin]
            future: F,
        },
        Peek {
            #[pin]
            peek: Peek<ResB>,
            // Armed when there is something to wait for.
            #[pin]
            gate: Option<Sleep>,
        },
        Done,
    }
}

// === impl ResponseFuture ===

impl<S, ResB, C> ResponseFuture<S, ResB, C>
where
    S: Service<Request<CallBody>>,
    ResB: Body,
{
    /// The service is ready; a request that has been read goes into it at once.
    pub(crate) fn new(request: Request<CallBody>, mut service: S, shared: Arc<Shared<C>>) -> Self {
        let call = Call::current(&request).cloned();
        let mut pass = call.map(|call| Pass::new(&request, call, &shared.settings));
        let state = match &mut pass {
            Some(pass) => {
                pass.begin(&request);
                State::Call {
                    future: service.call(request),
                }
            }
            None => State::Prepare {
                prepare: Prepare::new(request, &shared.settings.intake),
            },
        };
        Self {
            state,
            service,
            shared,
            pass,
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
            if let StateProjection::Prepare { prepare } = state.as_mut().project() {
                match ready!(Pin::new(prepare).poll(cx)) {
                    Ok(Prepared { request, call, .. }) => {
                        let pass = this
                            .pass
                            .insert(Pass::new(&request, call, &shared.settings));
                        pass.begin(&request);
                        let future = service.call(request);
                        state.set(State::Call { future });
                    }
                    Err(unprepared) => {
                        let Unprepared { refusal, call, .. } = *unprepared;
                        state.set(State::Done);
                        return Poll::Ready(Ok(refusal.respond(call.dialect(), call.id())));
                    }
                }
            }
            let Some(pass) = this.pass.as_mut() else {
                panic!("Retry future polled after it was ready")
            };
            let next = match state.as_mut().project() {
                StateProjection::Call { future } => match ready!(future.poll(cx)) {
                    Ok(response) => match Peek::try_open(response, pass.call()) {
                        Ok(peeked) => pass.opened(shared, peeked),
                        Err(peek) => {
                            state.set(State::Peek { peek, gate: None });
                            continue;
                        }
                    },
                    Err(error) => {
                        let failure = Failure::from_error(&error);
                        pass.unanswered(failure.kind);
                        match pass.again(shared, &failure) {
                            Some(again) => Next::Again(Box::new(again)),
                            None => {
                                state.set(State::Done);
                                return Poll::Ready(Err(error));
                            }
                        }
                    }
                },
                StateProjection::Peek { peek, mut gate } => {
                    let gate_time = shared.settings.gate_time;
                    let peeked = ready!(peek.poll_within(cx, |cx| {
                        if gate.is_none() && !gate_time.is_zero() {
                            gate.set(Some(tokio::time::sleep(gate_time)));
                        }
                        let gate = gate.as_pin_mut();
                        gate.map_or(Poll::Ready(()), |gate| gate.poll(cx))
                    }));
                    pass.opened(shared, peeked)
                }
                StateProjection::Sleep { sleep, .. } => {
                    ready!(sleep.poll(cx));
                    if let StateReplaced::Sleep { request, .. } =
                        state.as_mut().project_replace(State::Done)
                    {
                        state.set(State::Ready { request });
                    }
                    continue;
                }
                StateProjection::Ready { .. } => {
                    let ready = ready!(service.poll_ready(cx));
                    let replaced = state.as_mut().project_replace(State::Done);
                    if let Err(error) = ready {
                        return Poll::Ready(Err(error));
                    }
                    if let StateReplaced::Ready { request } = replaced {
                        pass.begin(&request);
                        let future = service.call(request);
                        state.set(State::Call { future });
                    }
                    continue;
                }
                StateProjection::Prepare { .. } | StateProjection::Done => {
                    panic!("Retry future polled after it was ready")
                }
            };
            match next {
                Next::Return(response) => {
                    state.set(State::Done);
                    return Poll::Ready(Ok(response.map(ResponseBody::inner)));
                }
                Next::Again(again) => {
                    let Again { delay, request } = *again;
                    let sleep = tokio::time::sleep(delay);
                    state.set(State::Sleep { sleep, request });
                }
            }
        }
    }
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
