use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_claude_core::{BoxError, CallBody, Prepare};
use tower_service::Service;

use crate::asked::Asked;
use crate::gather::{Gather, Gathered};
use crate::items::Items;
use crate::object::Object;
use crate::owned::Owned;
use crate::shared::Shared;
use crate::steps::{Next, answered, begin, cut, gathered_up, rewrite};
use crate::{BatchBook, BatchesBody};

pin_project! {
    /// A call of the batches API, from its request to its answer.
    pub(crate) struct BatchCall<S, F, ResB, K>
    where
        K: BatchBook,
    {
        #[pin]
        state: State<F, ResB, K, K::Owner, K::Claim>,
        service: Option<S>,
        shared: Arc<Shared<K>>,
        // None until the request is read, and if it is for something else.
        asked: Option<Asked>,
    }
}

pin_project! {
    #[project = Projected]
    pub(crate) enum State<F, ResB, K, Owner, Claim>
    where
        K: BatchBook,
    {
        Prepare {
            prepare: Prepare,
        },
        // Whether the tenant may ask for all that is in the batch.
        Check {
            items: Items,
            request: Option<Request<CallBody>>,
        },
        // Whose the batch is that is asked about.
        Own {
            #[pin]
            owner: Owner,
            request: Option<Request<CallBody>>,
        },
        Call {
            #[pin]
            call: F,
        },
        // Another page of a list.
        Again {
            request: Option<Request<CallBody>>,
        },
        Gather {
            #[pin]
            gather: Gather<ResB>,
        },
        Claim {
            #[pin]
            claim: Claim,
            answer: Option<Gathered>,
            // How often it is tried again: the batch is made, and costs.
            tries_left: u32,
        },
        // Which batches of a list are the tenant's.
        Sort {
            owned: Owned<K>,
            answer: Option<Gathered>,
        },
        Ready,
    }
}

/// How much of a body is read at a time: no longer than others may well wait.
const STEP: usize = 1024 * 1024;
const OVER: &str = "Batches' ResponseFuture polled after it was ready";

// === impl BatchCall ===

impl<S, F, ResB, K> BatchCall<S, F, ResB, K>
where
    K: BatchBook,
{
    /// `service` must be ready.
    pub(crate) fn new(request: Request<CallBody>, service: S, shared: Arc<Shared<K>>) -> Self {
        Self {
            state: State::Prepare {
                prepare: Prepare::new(request, &shared.settings.intake),
            },
            service: Some(service),
            shared,
            asked: None,
        }
    }
}

impl<S, ResB, K> Future for BatchCall<S, S::Future, ResB, K>
where
    S: Service<Request<CallBody>, Response = Response<ResB>>,
    ResB: Body<Data = Bytes>,
    ResB::Error: Into<BoxError>,
    K: BatchBook,
{
    type Output = Result<Response<BatchesBody<ResB>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let shared = this.shared;
        loop {
            let next = match this.state.as_mut().project() {
                Projected::Prepare { prepare } => match ready!(Pin::new(prepare).poll(cx)) {
                    Ok(prepared) => begin(prepared, shared, this.asked),
                    Err(unprepared) => {
                        let (refusal, call) = (unprepared.refusal, unprepared.call);
                        let answer = refusal.respond(call.dialect(), call.id());
                        Next::Answer(answer.map(BatchesBody::new))
                    }
                },
                Projected::Check { items, request } => {
                    match items.read(&shared.settings.rules, STEP) {
                        Ok(true) => Next::Call(taken(request)),
                        Ok(false) => {
                            // Others first.
                            cx.waker().wake_by_ref();
                            return Poll::Pending;
                        }
                        Err(refusal) => Next::Refuse(refusal),
                    }
                }
                Projected::Own { owner, request } => {
                    let owner = ready!(owner.poll(cx));
                    let asked = known(this.asked);
                    match owner {
                        Ok(Some(owner)) if owner == asked.tenant => Next::Call(taken(request)),
                        Ok(_) => Next::Refuse(asked.not_found()),
                        Err(error) => Next::Refuse(asked.unsure(error)),
                    }
                }
                Projected::Call { call } => match ready!(call.poll(cx)) {
                    Ok(answer) => answered(answer, shared, this.asked.as_ref()),
                    Err(error) => {
                        this.state.set(State::Ready);
                        return Poll::Ready(Err(error));
                    }
                },
                Projected::Again { request } => {
                    let readiness = this.service.as_mut().map(|service| service.poll_ready(cx));
                    match ready!(readiness.unwrap_or(Poll::Ready(Ok(())))) {
                        Ok(()) => Next::Call(taken(request)),
                        Err(error) => {
                            this.state.set(State::Ready);
                            return Poll::Ready(Err(error));
                        }
                    }
                }
                Projected::Gather { gather } => {
                    let gathered = ready!(gather.poll(cx));
                    let asked = known(this.asked);
                    match gathered {
                        Ok(answer) => gathered_up(answer, shared, asked),
                        Err(why) => Next::Refuse(asked.not_gathered(&why)),
                    }
                }
                Projected::Claim {
                    claim,
                    answer,
                    tries_left,
                } => {
                    let claimed = ready!(claim.poll(cx));
                    let (asked, answer) = (known(this.asked), taken(answer));
                    let object = Object::read(&answer.bytes);
                    let batch = object.as_ref().map_or("", |object| &*object.id);
                    match claimed {
                        Ok(true) => rewrite(answer, asked),
                        Ok(false) => Next::Refuse(asked.taken(batch)),
                        Err(_) if *tries_left > 0 => Next::State(State::Claim {
                            claim: shared.book.claim(&asked.tenant, batch),
                            tries_left: *tries_left - 1,
                            answer: Some(answer),
                        }),
                        Err(error) => Next::Refuse(asked.unclaimed(batch, error)),
                    }
                }
                Projected::Sort { owned, answer } => {
                    let owned = ready!(owned.poll(cx));
                    let (Some(asked), answer) = (this.asked.as_mut(), taken(answer)) else {
                        panic!("{OVER}");
                    };
                    match owned {
                        Ok(is_owned) => cut(answer, &is_owned, asked),
                        Err(error) => Next::Refuse(asked.unsure(error)),
                    }
                }
                Projected::Ready => panic!("{OVER}"),
            };
            let next = match next {
                Next::Call(request) => {
                    let Some(service) = this.service.as_mut() else {
                        panic!("{OVER}");
                    };
                    let call = service.call(request);
                    // Only a list may need it once more.
                    if this
                        .asked
                        .as_ref()
                        .is_none_or(|asked| asked.listing.is_none())
                    {
                        *this.service = None;
                    }
                    State::Call { call }
                }
                Next::State(state) => state,
                Next::Answer(answer) => {
                    this.state.set(State::Ready);
                    return Poll::Ready(Ok(answer));
                }
                Next::Refuse(refusal) => {
                    this.state.set(State::Ready);
                    return Poll::Ready(Ok(known(this.asked).refuse(refusal)));
                }
            };
            this.state.set(next);
        }
    }
}

/// What a state has until it is left.
fn taken<T>(slot: &mut Option<T>) -> T {
    let Some(value) = slot.take() else {
        panic!("{OVER}");
    };
    value
}

/// What is known from `Prepare` on.
fn known(asked: &Option<Asked>) -> &Asked {
    let Some(asked) = asked else {
        panic!("{OVER}");
    };
    asked
}
