use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Request, Response, StatusCode};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_claude_core::{
    Call, CallBody, Prepare, Prepared, ResponseBody, Unprepared, UsageCell, is_event_stream, tap,
};
use tower_service::Service;

use crate::follower::Follower;
use crate::layer::Shared;
use crate::plan::Plan;
use crate::{ContinuationBody, TakesPrefill};

pin_project! {
    /// The future of [`Continuation`](crate::Continuation).
    ///
    /// Dropped, it drops the attempt in flight.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, P>
    where
        S: Service<Request<CallBody>>,
    {
        #[pin]
        state: State<S::Future>,
        // Until the body takes it along.
        service: Option<S>,
        shared: Arc<Shared<P>>,
        plan: Option<Box<Plan>>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<F> {
        Prepare {
            prepare: Prepare,
        },
        Call {
            #[pin]
            future: F,
        },
        Done,
    }
}

// === impl ResponseFuture ===

impl<S, P> ResponseFuture<S, P>
where
    S: Service<Request<CallBody>>,
    P: TakesPrefill,
{
    /// The service is ready; a request that has been read goes into it at once.
    pub(crate) fn new(request: Request<CallBody>, mut service: S, shared: Arc<Shared<P>>) -> Self {
        let mut plan = None;
        let state = match Call::current(&request) {
            Some(call) => {
                plan = shared.plan(&request, call);
                let future = service.call(request);
                State::Call { future }
            }
            None => State::Prepare {
                prepare: Prepare::new(request, &shared.intake),
            },
        };
        Self {
            state,
            service: Some(service),
            shared,
            plan,
        }
    }
}

impl<S, P, ResB> Future for ResponseFuture<S, P>
where
    S: Service<Request<CallBody>, Response = Response<ResB>>,
    ResB: Body<Data = Bytes>,
    ResB::Error: 'static,
    P: TakesPrefill,
{
    type Output = Result<Response<ResponseBody<ContinuationBody<S, ResB>>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                Projected::Prepare { prepare } => match ready!(Pin::new(prepare).poll(cx)) {
                    Ok(Prepared { request, call, .. }) => {
                        *this.plan = this.shared.plan(&request, &call);
                        let Some(service) = this.service else {
                            panic!("Continuation future polled after it was ready")
                        };
                        let future = service.call(request);
                        this.state.set(State::Call { future });
                    }
                    Err(unprepared) => {
                        let Unprepared { refusal, call, .. } = *unprepared;
                        this.state.set(State::Done);
                        return Poll::Ready(Ok(refusal.respond(call.dialect(), call.id())));
                    }
                },
                Projected::Call { future } => {
                    let result = ready!(future.poll(cx));
                    this.state.set(State::Done);
                    let further = this.plan.take().zip(this.service.take());
                    return Poll::Ready(result.map(|response| answer(response, further)));
                }
                Projected::Done => panic!("Continuation future polled after it was ready"),
            }
        }
    }
}

impl<S, P> fmt::Debug for ResponseFuture<S, P>
where
    S: Service<Request<CallBody>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Prepare { .. } => "Continuation::Prepare",
            State::Call { .. } => "Continuation::Call",
            State::Done => "Continuation::Done",
        })
    }
}

/// Takes along what it takes to ask once more, if the answer is a stream.
fn answer<S, ResB>(
    response: Response<ResB>,
    further: Option<(Box<Plan>, S)>,
) -> Response<ResponseBody<ContinuationBody<S, ResB>>>
where
    S: Service<Request<CallBody>>,
    ResB: Body<Data = Bytes>,
    ResB::Error: 'static,
{
    let (mut head, inner) = tap(response).into_parts();
    let is_stream = head.status == StatusCode::OK && is_event_stream(&head.headers);
    let body = match further.filter(|_| is_stream) {
        None => ContinuationBody::untouched(inner),
        Some((plan, service)) => {
            // What may be added has no announced length.
            head.headers.remove(CONTENT_LENGTH);
            // `tap` has put it there.
            let source = head.extensions.remove::<UsageCell>().unwrap_or_default();
            let follower = Follower::new(source);
            head.extensions.insert(follower.cell().clone());
            ContinuationBody::watched(inner, follower, plan, service)
        }
    };
    Response::from_parts(head, ResponseBody::inner(body))
}
