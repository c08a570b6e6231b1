use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_claude_core::{Call, CallBody, Prepare, Prepared};
use tower_service::Service;

use crate::granted::{Answer, Granted, Next, answered, decide, refused, untouched};
use crate::permit::Permit;
use crate::rate_headers::Headline;
use crate::service::Shared;
use crate::{BudgetStore, Estimate};

pin_project! {
    /// The answer of a [`TokenBudget`](crate::TokenBudget).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, St, E>
    where
        S: Service<Request<CallBody>>,
        St: BudgetStore,
    {
        #[pin]
        state: State<S, S::Future, St::Reserve>,
        shared: Arc<Shared<St, E>>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<S, F, R> {
        // A layer outside has read the request.
        Known {
            asking: Option<Asking<S>>,
            call: Call,
        },
        Prepare {
            prepare: Prepare,
            service: Option<S>,
        },
        Reserve {
            #[pin]
            reserve: R,
            // Moved here only if the store does not answer at once.
            held: Option<(Asking<S>, Permit)>,
            // Of the tenant, while the account is asked.
            headline: Option<Box<Headline>>,
        },
        Call {
            #[pin]
            call: F,
            // After the call, so that all is known when it is dropped.
            granted: Option<Granted>,
        },
        Ready,
    }
}

/// A request on its way to the service that is ready for it.
struct Asking<S> {
    request: Request<CallBody>,
    service: S,
}

// === impl ResponseFuture ===

impl<S, St, E> ResponseFuture<S, St, E>
where
    S: Service<Request<CallBody>>,
    St: BudgetStore,
{
    pub(crate) fn new(request: Request<CallBody>, service: S, shared: Arc<Shared<St, E>>) -> Self {
        let state = match Call::current(&request).cloned() {
            Some(call) => State::Known {
                asking: Some(Asking { request, service }),
                call,
            },
            None => State::Prepare {
                prepare: Prepare::new(request, &shared.intake),
                service: Some(service),
            },
        };
        Self { state, shared }
    }
}

impl<S, St, E, ResB> Future for ResponseFuture<S, St, E>
where
    S: Service<Request<CallBody>, Response = Response<ResB>>,
    S::Error: 'static,
    ResB: Body<Data = Bytes>,
    St: BudgetStore + Send + Sync + 'static,
    E: Estimate + Send + Sync + 'static,
{
    type Output = Result<Answer<ResB>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        const OVER: &str = "TokenBudget's ResponseFuture polled after ready";
        let mut this = self.project();
        // A request is large and is copied whenever it moves: it stays here while it can.
        let mut on_its_way: Option<Asking<S>> = None;
        let mut permitted: Option<Permit> = None;
        loop {
            let facts = match this.state.as_mut().project() {
                Projected::Known { asking, call } => {
                    on_its_way = asking.take();
                    call.clone()
                }
                Projected::Prepare { prepare, service } => {
                    let prepared = ready!(Pin::new(prepare).poll(cx));
                    match (prepared, service.take()) {
                        (Ok(Prepared { request, call, .. }), Some(service)) => {
                            on_its_way = Some(Asking { request, service });
                            call
                        }
                        (Err(not), _) => {
                            this.state.set(State::Ready);
                            return Poll::Ready(Ok(refused(not.refusal, &not.call)));
                        }
                        (Ok(_), None) => panic!("{OVER}"),
                    }
                }
                Projected::Reserve {
                    reserve,
                    held,
                    headline,
                } => {
                    let Poll::Ready(answer) = reserve.poll(cx) else {
                        if let (Some(asking), Some(permit)) = (on_its_way, permitted) {
                            *held = Some((asking, permit));
                        }
                        return Poll::Pending;
                    };
                    if let Some((asking, permit)) = held.take() {
                        on_its_way = Some(asking);
                        permitted = Some(permit);
                    }
                    let (Some(asking), Some(permit)) = (on_its_way.take(), permitted.take()) else {
                        panic!("{OVER}");
                    };
                    let headline = headline.take();
                    match decide(answer, permit, headline, &asking.request, this.shared) {
                        Next::Go(granted) => {
                            let Asking {
                                request,
                                mut service,
                            } = asking;
                            this.state.set(State::Call {
                                call: service.call(request),
                                granted: Some(granted),
                            });
                        }
                        Next::Account(reservation, permit, headline) => {
                            let reserve = this.shared.books.store.reserve(reservation);
                            this.state.set(State::Reserve {
                                reserve,
                                held: None,
                                headline,
                            });
                            permitted = Some(permit);
                            on_its_way = Some(asking);
                        }
                        Next::Refused(response) => {
                            this.state.set(State::Ready);
                            return Poll::Ready(Ok(response));
                        }
                    }
                    continue;
                }
                Projected::Call { call, granted } => {
                    let answer = ready!(call.poll(cx));
                    let granted = granted.take();
                    this.state.set(State::Ready);
                    return Poll::Ready(match (answer, granted) {
                        (Ok(response), Some(granted)) => {
                            Ok(answered(response, granted, this.shared))
                        }
                        (Ok(response), None) => Ok(untouched(response)),
                        (Err(error), granted) => {
                            if let Some(granted) = granted {
                                granted.permit.fail(&error);
                            }
                            Err(error)
                        }
                    });
                }
                Projected::Ready => panic!("{OVER}"),
            };
            let Some(mut asking) = on_its_way.take() else {
                panic!("{OVER}");
            };
            match this.shared.permit(&mut asking.request, &facts) {
                Ok(Some(permit)) => {
                    let reservation = permit.pledge.reservation();
                    let reserve = this.shared.books.store.reserve(reservation);
                    this.state.set(State::Reserve {
                        reserve,
                        held: None,
                        headline: None,
                    });
                    permitted = Some(permit);
                    on_its_way = Some(asking);
                }
                Ok(None) => {
                    let Asking {
                        request,
                        mut service,
                    } = asking;
                    this.state.set(State::Call {
                        call: service.call(request),
                        granted: None,
                    });
                }
                Err(refusal) => {
                    this.state.set(State::Ready);
                    return Poll::Ready(Ok(refused(refusal, &facts)));
                }
            }
        }
    }
}

impl<S, St, E> fmt::Debug for ResponseFuture<S, St, E>
where
    S: Service<Request<CallBody>>,
    St: BudgetStore,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Known { .. } => "ResponseFuture::Known",
            State::Prepare { .. } => "ResponseFuture::Prepare",
            State::Reserve { .. } => "ResponseFuture::Reserve",
            State::Call { .. } => "ResponseFuture::Call",
            State::Ready => "ResponseFuture::Ready",
        })
    }
}
