use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep};
use tower_claude_core::{Call, CallBody, Consent, Considering, Peek, Prepare, Prepared, Refusal};
use tower_service::Service;

use crate::Route;
use crate::journey::{Departure, Journey};
use crate::trial::Trial;
use crate::verdict::{Answer, Onward, Verdict, answered, unanswered};
use crate::wait::{Turn, Wait};

pin_project! {
    /// One call on its way: the same states again for each target.
    #[project = Projected]
    #[project_replace = Replaced]
    pub(crate) enum State<F, B>
    where
        B: Body,
    {
        Prepare {
            prepare: Prepare,
        },
        Wait {
            wait: Wait,
            request: Request<CallBody>,
            call: Call,
        },
        Ready {
            onward: Onward,
        },
        Consent {
            considering: Considering,
            onward: Onward,
        },
        Call {
            #[pin]
            future: F,
            // `None` once the future is over: taken alone, the future need not move.
            trial: Option<Trial>,
        },
        Peek {
            #[pin]
            peek: Peek<B>,
            // Armed when there is something to wait for; in a box, as Retry inside is who waits.
            gate: Option<Pin<Box<Sleep>>>,
            trial: Trial,
        },
        Refused {
            refusal: Refusal,
            call: Call,
        },
        Done,
    }
}

// === impl State ===

impl<F, B> State<F, B>
where
    B: Body,
{
    /// The word for it, for whoever debugs.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Prepare { .. } => "Prepare",
            Self::Wait { .. } => "Wait",
            Self::Ready { .. } => "Ready",
            Self::Consent { .. } => "Consent",
            Self::Call { .. } => "Call",
            Self::Peek { .. } => "Peek",
            Self::Refused { .. } => "Refused",
            Self::Done => "Done",
        }
    }

    /// Whether a target is being asked.
    pub(crate) const fn is_asking(&self) -> bool {
        matches!(self, Self::Call { .. } | Self::Peek { .. })
    }

    /// Goes from state to state until there is an answer.
    pub(crate) fn drive<S, R>(
        mut self: Pin<&mut Self>,
        inner: &mut S,
        journey: &mut Journey<R>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Answer<B>, S::Error>>
    where
        S: Service<Request<CallBody>, Response = Response<B>, Future = F> + Clone,
        S::Error: 'static,
        F: Future<Output = Result<Response<B>, S::Error>>,
        B: Body<Data = Bytes> + Unpin,
        B::Error: 'static,
        R: Route,
    {
        loop {
            // First wait for what the state awaits, then take it apart: nothing pinned moves.
            match self.as_mut().project() {
                Projected::Prepare { prepare } => match ready!(Pin::new(prepare).poll(cx)) {
                    Ok(Prepared { request, call, .. }) => {
                        let next = Self::set_out(inner, journey, request, call);
                        self.set(next);
                    }
                    Err(unprepared) => self.set(Self::Refused {
                        refusal: unprepared.refusal,
                        call: unprepared.call,
                    }),
                },
                Projected::Wait { wait, request, .. } => {
                    let departure = match ready!(wait.poll_turn(cx)) {
                        Turn::Look => journey.look(wait, request),
                        Turn::GiveUp => Some(journey.give_up(request)),
                        Turn::TurnedAway => Some(journey.turn_away(request)),
                    };
                    let Some(departure) = departure else {
                        continue;
                    };
                    if let Replaced::Wait { request, call, .. } =
                        self.as_mut().project_replace(Self::Done)
                    {
                        self.set(Self::depart(departure, request, call));
                    }
                }
                Projected::Ready { .. } => {
                    let ready = ready!(inner.poll_ready(cx));
                    let Replaced::Ready { mut onward } = self.as_mut().project_replace(Self::Done)
                    else {
                        continue;
                    };
                    if let Err(error) = ready {
                        return Poll::Ready(Err(error));
                    }
                    onward.permit = onward.permit.begun(Instant::now());
                    let next = Self::approach(inner, onward);
                    self.set(next);
                }
                Projected::Consent { considering, .. } => {
                    let consent = ready!(considering.as_mut().poll(cx));
                    let Replaced::Consent { mut onward, .. } =
                        self.as_mut().project_replace(Self::Done)
                    else {
                        continue;
                    };
                    onward.permit = onward.permit.begun(Instant::now());
                    let next = match consent {
                        Ok(()) => Self::call(inner, onward),
                        Err(refusal) => Self::elsewhere(inner, journey, onward, refusal),
                    };
                    self.set(next);
                }
                Projected::Call { future, trial } => {
                    let result = ready!(future.poll(cx));
                    let trial = trial.take();
                    self.set(Self::Done);
                    let Some(trial) = trial else {
                        continue;
                    };
                    match result {
                        Ok(response) => {
                            let trial = trial.heard(response.status());
                            match Peek::try_open(response, trial.call()) {
                                Ok(peeked) => match answered(journey, trial, peeked) {
                                    Verdict::Return(answer) => return Poll::Ready(Ok(answer)),
                                    Verdict::MoveOn(onward) => self.set(Self::Ready { onward }),
                                },
                                Err(peek) => self.set(Self::Peek {
                                    peek,
                                    gate: None,
                                    trial,
                                }),
                            }
                        }
                        Err(error) => match unanswered(journey, trial, &error) {
                            Some(onward) => self.set(Self::Ready { onward }),
                            None => return Poll::Ready(Err(error)),
                        },
                    }
                }
                Projected::Peek { peek, gate, .. } => {
                    let gate_time = journey.gate_time();
                    let peeked = ready!(peek.poll_within(cx, |cx| {
                        if gate_time.is_zero() {
                            return Poll::Ready(());
                        }
                        let arm = || Box::pin(tokio::time::sleep(gate_time));
                        gate.get_or_insert_with(arm).as_mut().poll(cx)
                    }));
                    let Replaced::Peek { trial, .. } = self.as_mut().project_replace(Self::Done)
                    else {
                        continue;
                    };
                    match answered(journey, trial, peeked) {
                        Verdict::Return(answer) => return Poll::Ready(Ok(answer)),
                        Verdict::MoveOn(onward) => self.set(Self::Ready { onward }),
                    }
                }
                Projected::Refused { .. } => {
                    let replaced = self.as_mut().project_replace(Self::Done);
                    if let Replaced::Refused { refusal, call } = replaced {
                        let answer = refusal.respond(call.dialect(), call.id());
                        return Poll::Ready(Ok(answer));
                    }
                }
                Projected::Done => panic!("failover's ResponseFuture polled after it was ready"),
            }
        }
    }

    /// Asks the first target, if there is one to ask; the service is ready.
    pub(crate) fn set_out<S, R>(
        inner: &mut S,
        journey: &mut Journey<R>,
        request: Request<CallBody>,
        call: Call,
    ) -> Self
    where
        S: Service<Request<CallBody>, Future = F> + Clone,
        R: Route,
    {
        match journey.set_out(&request, &call) {
            Departure::Go(permit) => Self::approach(
                inner,
                Onward {
                    request,
                    call,
                    permit,
                    reason: None,
                },
            ),
            departure => {
                // Others may need the readiness that this call has no use for yet.
                *inner = inner.clone();
                Self::depart(departure, request, call)
            }
        }
    }

    /// What follows for a call whose service is not ready.
    fn depart(departure: Departure, request: Request<CallBody>, call: Call) -> Self {
        match departure {
            Departure::Go(permit) => Self::Ready {
                onward: Onward {
                    call,
                    permit,
                    request,
                    reason: None,
                },
            },
            Departure::Wait(wait) => Self::Wait {
                wait,
                request,
                call,
            },
            Departure::Refused(refusal) => Self::Refused { refusal, call },
        }
    }

    /// Asks a target, if whoever pays for the call has nothing against it; the service is
    /// ready.
    fn approach<S>(inner: &mut S, onward: Onward) -> Self
    where
        S: Service<Request<CallBody>, Future = F>,
    {
        let consent = Consent::of(&onward.request);
        match consent.and_then(|consent| consent.ask(onward.permit.target())) {
            None => Self::call(inner, onward),
            Some(considering) => Self::Consent {
                considering,
                onward,
            },
        }
    }

    /// Asks the next target instead of one that cannot be paid for; the service is ready.
    fn elsewhere<S, R>(
        inner: &mut S,
        journey: &mut Journey<R>,
        mut onward: Onward,
        refusal: Refusal,
    ) -> Self
    where
        S: Service<Request<CallBody>, Future = F>,
        R: Route,
    {
        match journey.another() {
            Some(permit) => {
                onward.permit = permit;
                Self::approach(inner, onward)
            }
            None => Self::Refused {
                refusal,
                call: onward.call,
            },
        }
    }

    /// Asks a target; the service is ready.
    fn call<S>(inner: &mut S, onward: Onward) -> Self
    where
        S: Service<Request<CallBody>, Future = F>,
    {
        let Onward {
            mut request,
            call,
            permit,
            reason,
        } = onward;
        request.extensions_mut().insert(permit.target().clone());
        let trial = Trial::begin(call, permit, reason);
        Self::Call {
            future: inner.call(request),
            trial: Some(trial),
        }
    }
}
