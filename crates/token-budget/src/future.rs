use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_claude_core::{
    Call, CallBody, Endpoint, Prepare, Prepared, Refusal, ResponseBody, UsageCell, tap,
};
use tower_service::Service;

use crate::charge::Outcome;
use crate::permit::Permit;
use crate::rate_headers::{self, Headline, Resets};
use crate::service::Shared;
use crate::{BudgetBody, BudgetStore, Estimate, Reserved, StoreError, WhenStoreIsDown, refuse};

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
    #[project_replace = Taken]
    enum State<S, F, R> {
        Prepare {
            prepare: Prepare,
            service: S,
        },
        Reserve {
            #[pin]
            reserve: R,
            request: Request<CallBody>,
            service: S,
            permit: Permit,
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

/// A call that may be spent.
struct Granted {
    permit: Permit,
    /// `None` where the store did not say.
    headline: Option<Headline>,
}

type Answer<B> = Response<ResponseBody<BudgetBody<B>>>;

// === impl ResponseFuture ===

impl<S, St, E> ResponseFuture<S, St, E>
where
    S: Service<Request<CallBody>>,
    St: BudgetStore,
{
    pub(crate) const fn new(prepare: Prepare, service: S, shared: Arc<Shared<St, E>>) -> Self {
        Self {
            state: State::Prepare { prepare, service },
            shared,
        }
    }
}

impl<S, St, E, ResB> Future for ResponseFuture<S, St, E>
where
    S: Service<Request<CallBody>, Response = Response<ResB>>,
    S::Error: 'static,
    ResB: Body<Data = Bytes>,
    St: BudgetStore + Send + Sync + 'static,
    E: Estimate,
{
    type Output = Result<Answer<ResB>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                Projected::Prepare { prepare, .. } => {
                    let prepared = ready!(Pin::new(prepare).poll(cx));
                    let Taken::Prepare { mut service, .. } = take(this.state.as_mut()) else {
                        continue;
                    };
                    let Prepared { request, call, .. } = match prepared {
                        Ok(prepared) => prepared,
                        Err(not) => return Poll::Ready(Ok(refused(not.refusal, &not.call))),
                    };
                    let next = match this.shared.permit(&request, &call) {
                        Err(refusal) => return Poll::Ready(Ok(refused(refusal, &call))),
                        Ok(None) => State::Call {
                            call: service.call(request),
                            granted: None,
                        },
                        Ok(Some(permit)) => {
                            let reservation = permit.reservation(this.shared.hold_for);
                            State::Reserve {
                                reserve: this.shared.books.store.reserve(reservation),
                                request,
                                service,
                                permit,
                            }
                        }
                    };
                    this.state.set(next);
                }
                Projected::Reserve { reserve, .. } => {
                    let answer = ready!(reserve.poll(cx));
                    let Taken::Reserve {
                        request,
                        mut service,
                        permit,
                        ..
                    } = take(this.state.as_mut())
                    else {
                        continue;
                    };
                    let granted = match decide(answer, permit, this.shared) {
                        Ok(granted) => granted,
                        Err(response) => return Poll::Ready(Ok(*response)),
                    };
                    this.state.set(State::Call {
                        call: service.call(request),
                        granted: Some(granted),
                    });
                }
                Projected::Call { call, .. } => {
                    let answer = ready!(call.poll(cx));
                    let Taken::Call { granted, .. } = take(this.state.as_mut()) else {
                        continue;
                    };
                    return Poll::Ready(match (answer, granted) {
                        (Ok(response), Some(granted)) => {
                            Ok(answered(response, granted, &this.shared.resets))
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
                Projected::Ready => panic!("TokenBudget's ResponseFuture polled after ready"),
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
            State::Prepare { .. } => "ResponseFuture::Prepare",
            State::Reserve { .. } => "ResponseFuture::Reserve",
            State::Call { .. } => "ResponseFuture::Call",
            State::Ready => "ResponseFuture::Ready",
        })
    }
}

fn take<S, F, R>(state: Pin<&mut State<S, F, R>>) -> Taken<S, F, R> {
    state.project_replace(State::Ready)
}

/// What the store's answer means for the call.
fn decide<B, St, E>(
    answer: Result<Reserved, StoreError>,
    mut permit: Permit,
    shared: &Shared<St, E>,
) -> Result<Granted, Box<Answer<B>>> {
    let (refusal, headline) = match answer {
        Ok(Reserved::Granted { standings }) => {
            permit.ask();
            let headline = Some(Headline::new(&permit.plan, &standings));
            return Ok(Granted { permit, headline });
        }
        Ok(Reserved::Denied {
            limit,
            retry_after,
            resets_in,
            standings,
        }) => {
            permit.forget();
            let refusal = refuse::exhausted(&permit.owner, &limit, retry_after, resets_in);
            (refusal, Some(Headline::new(&permit.plan, &standings)))
        }
        Ok(Reserved::Never { limit, requested }) => {
            permit.forget();
            (refuse::never(&limit, requested), None)
        }
        Err(_) if shared.when_store_is_down == WhenStoreIsDown::Allow => {
            permit.ask();
            return Ok(Granted {
                permit,
                headline: None,
            });
        }
        // It may have been set aside all the same: the permit releases it.
        Err(error) => (refuse::unavailable(error), None),
    };
    let mut response = refused(refusal, &permit.call);
    if let Some(headline) = headline {
        headline.write(&permit.plan, &shared.resets, response.headers_mut());
    }
    Err(Box::new(response))
}

fn refused<B>(refusal: Refusal, call: &Call) -> Answer<B> {
    refusal.respond(call.dialect(), call.id())
}

fn answered<B>(mut response: Response<B>, granted: Granted, resets: &Resets) -> Answer<B>
where
    B: Body<Data = Bytes>,
{
    let Granted { permit, headline } = granted;
    let status = response.status();
    let tells = status.is_success() || status == StatusCode::TOO_MANY_REQUESTS;
    match headline {
        Some(headline) if tells => {
            headline.write(&permit.plan, resets, response.headers_mut());
        }
        _ => rate_headers::strip(response.headers_mut()),
    }
    if response.extensions().get::<Refusal>().is_some() {
        permit.end(Outcome::Refused);
    } else if !status.is_success() || permit.call.endpoint() != Endpoint::Messages {
        permit.end(Outcome::Unbilled);
    } else {
        let response = tap(response);
        let cell = UsageCell::of(&response).cloned().unwrap_or_default();
        let permit = permit.read(cell);
        return response.map(|body| ResponseBody::inner(BudgetBody::metered(body, permit)));
    }
    untouched(response)
}

fn untouched<B>(response: Response<B>) -> Answer<B> {
    response.map(|body| ResponseBody::inner(BudgetBody::untouched(body)))
}
