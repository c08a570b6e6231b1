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
    Call, CallBody, Consent, Considering, FailureKind, Peek, Prepare, Prepared, Refusal,
};
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
        state: State<F, B>,
        // Every state needs it: in the variants it would be moved with each step.
        journey: Journey<S, R>,
    }
}

pin_project! {
    #[project = Projected]
    #[project_replace = Replaced]
    enum State<F, B>
    where
        B: Body,
    {
        Prepare {
            prepare: Prepare,
        },
        Ready {
            onward: Onward,
        },
        Consent {
            considering: Considering,
            approach: Approach,
        },
        Call {
            #[pin]
            future: F,
            trial: Trial,
        },
        Peek {
            #[pin]
            peek: Peek<B>,
            // Armed when there is something to wait for.
            #[pin]
            gate: Option<Sleep>,
            trial: Trial,
        },
        Refused {
            refusal: Refusal,
            call: Call,
        },
        Done,
    }
}

/// A request on its way to a target.
struct Approach {
    request: Request<CallBody>,
    call: Call,
    permit: Permit,
    /// Why it does not stay where it was; `None` at the first target.
    reason: Option<FailureKind>,
}

// === impl ResponseFuture ===

impl<S, F, B, R> ResponseFuture<S, F, B, R>
where
    B: Body,
{
    /// The service is ready; a request that has been read goes into it at once.
    pub(crate) fn new(request: Request<CallBody>, inner: S, shared: Arc<Shared<R>>) -> Self
    where
        S: Service<Request<CallBody>, Future = F>,
        R: Route,
    {
        let state = match Call::current(&request).cloned() {
            None => State::Prepare {
                prepare: Prepare::new(request, &shared.intake),
            },
            Some(call) => {
                let mut journey = Journey::new(inner, shared);
                let state = State::set_out(&mut journey, request, call);
                return Self { state, journey };
            }
        };
        Self {
            state,
            journey: Journey::new(inner, shared),
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
        let this = self.project();
        let (mut state, journey) = (this.state, this.journey);
        loop {
            // First wait for what the state awaits, then take it apart: nothing pinned moves.
            match state.as_mut().project() {
                Projected::Prepare { prepare } => match ready!(Pin::new(prepare).poll(cx)) {
                    Ok(Prepared { request, call, .. }) => {
                        let next = State::set_out(journey, request, call);
                        state.set(next);
                    }
                    Err(unprepared) => state.set(State::Refused {
                        refusal: unprepared.refusal,
                        call: unprepared.call,
                    }),
                },
                Projected::Ready { .. } => {
                    let ready = ready!(journey.inner.poll_ready(cx));
                    let Replaced::Ready { onward } = state.as_mut().project_replace(State::Done)
                    else {
                        continue;
                    };
                    if let Err(error) = ready {
                        return Poll::Ready(Err(error));
                    }
                    let Onward {
                        call,
                        permit,
                        request,
                        reason,
                    } = onward;
                    let approach = Approach {
                        request,
                        call,
                        permit,
                        reason: Some(reason),
                    };
                    let next = State::approach(journey, approach);
                    state.set(next);
                }
                Projected::Consent { considering, .. } => {
                    let consent = ready!(considering.as_mut().poll(cx));
                    let Replaced::Consent { approach, .. } =
                        state.as_mut().project_replace(State::Done)
                    else {
                        continue;
                    };
                    let next = match consent {
                        Ok(()) => State::call(&mut journey.inner, approach),
                        Err(refusal) => State::elsewhere(journey, approach, refusal),
                    };
                    state.set(next);
                }
                Projected::Call { future, .. } => {
                    let result = ready!(future.poll(cx));
                    let Replaced::Call { trial, .. } = state.as_mut().project_replace(State::Done)
                    else {
                        continue;
                    };
                    match result {
                        Ok(response) => {
                            let trial = trial.heard(response.status());
                            match Peek::try_open(response, trial.call()) {
                                Ok(peeked) => match answered(journey, trial, peeked) {
                                    Verdict::Return(answer) => return Poll::Ready(Ok(answer)),
                                    Verdict::MoveOn(onward) => state.set(State::Ready { onward }),
                                },
                                Err(peek) => state.set(State::Peek {
                                    peek,
                                    gate: None,
                                    trial,
                                }),
                            }
                        }
                        Err(error) => match unanswered(journey, trial, &error) {
                            Some(onward) => state.set(State::Ready { onward }),
                            None => return Poll::Ready(Err(error)),
                        },
                    }
                }
                Projected::Peek { peek, mut gate, .. } => {
                    let gate_time = journey.gate_time();
                    let peeked = ready!(peek.poll_within(cx, |cx| {
                        if gate.is_none() && !gate_time.is_zero() {
                            gate.set(Some(tokio::time::sleep(gate_time)));
                        }
                        let gate = gate.as_pin_mut();
                        gate.map_or(Poll::Ready(()), |gate| gate.poll(cx))
                    }));
                    let Replaced::Peek { trial, .. } = state.as_mut().project_replace(State::Done)
                    else {
                        continue;
                    };
                    match answered(journey, trial, peeked) {
                        Verdict::Return(answer) => return Poll::Ready(Ok(answer)),
                        Verdict::MoveOn(onward) => state.set(State::Ready { onward }),
                    }
                }
                Projected::Refused { .. } => {
                    let replaced = state.as_mut().project_replace(State::Done);
                    if let Replaced::Refused { refusal, call } = replaced {
                        let answer = refusal.respond(call.dialect(), call.id());
                        return Poll::Ready(Ok(answer));
                    }
                }
                Projected::Done => panic!("failover's ResponseFuture polled after it was ready"),
            }
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
            State::Consent { .. } => "ResponseFuture::Consent",
            State::Call { .. } => "ResponseFuture::Call",
            State::Peek { .. } => "ResponseFuture::Peek",
            State::Refused { .. } => "ResponseFuture::Refused",
            State::Done => "ResponseFuture::Done",
        })
    }
}

// === impl State ===

impl<F, B> State<F, B>
where
    B: Body,
{
    /// Asks the first target, if there is one to ask; the service is ready.
    fn set_out<S, R>(journey: &mut Journey<S, R>, request: Request<CallBody>, call: Call) -> Self
    where
        S: Service<Request<CallBody>, Future = F>,
        R: Route,
    {
        match journey.set_out(&request, &call) {
            Ok(permit) => Self::approach(
                journey,
                Approach {
                    request,
                    call,
                    permit,
                    reason: None,
                },
            ),
            Err(refusal) => Self::Refused { refusal, call },
        }
    }

    /// Asks a target, if whoever pays for the call has nothing against it; the service is
    /// ready.
    fn approach<S, R>(journey: &mut Journey<S, R>, approach: Approach) -> Self
    where
        S: Service<Request<CallBody>, Future = F>,
    {
        let consent = Consent::of(&approach.request);
        match consent.and_then(|consent| consent.ask(approach.permit.target())) {
            None => Self::call(&mut journey.inner, approach),
            Some(considering) => Self::Consent {
                considering,
                approach,
            },
        }
    }

    /// Asks the next target instead of one that cannot be paid for; the service is ready.
    fn elsewhere<S, R>(
        journey: &mut Journey<S, R>,
        mut approach: Approach,
        refusal: Refusal,
    ) -> Self
    where
        S: Service<Request<CallBody>, Future = F>,
        R: Route,
    {
        match journey.another() {
            Some(permit) => {
                approach.permit = permit;
                Self::approach(journey, approach)
            }
            None => Self::Refused {
                refusal,
                call: approach.call,
            },
        }
    }

    /// Asks a target; the service is ready.
    fn call<S>(inner: &mut S, approach: Approach) -> Self
    where
        S: Service<Request<CallBody>, Future = F>,
    {
        let Approach {
            mut request,
            call,
            permit,
            reason,
        } = approach;
        request.extensions_mut().insert(permit.target().clone());
        let trial = Trial::begin(call, permit, reason);
        let future = inner.call(request);
        Self::Call { future, trial }
    }
}
