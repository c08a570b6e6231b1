use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_claude_core::{
    Call, CallBody, Dialect, Endpoint, Failure, FailureKind, Prepare, Prepared, RequestId,
    ResponseBody, Unprepared,
};
use tower_service::Service;

use crate::HeartbeatBody;
use crate::layer::Settings;
use crate::parting::late;
use crate::waiting::Waiting;

pin_project! {
    /// The future of [`Heartbeat`](crate::Heartbeat).
    ///
    /// Dropped before it is ready, it drops the call.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, F> {
        #[pin]
        state: State<S, F>,
        shared: Arc<Settings>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<S, F> {
        Prepare {
            prepare: Prepare,
            service: S,
        },
        // Of what is no stream of messages: it passes untouched.
        Pass {
            #[pin]
            future: F,
        },
        Wait {
            waiting: Option<Pin<Box<Waiting<F>>>>,
            id: RequestId,
        },
        Done,
    }
}

// === impl ResponseFuture ===

impl<S, F> ResponseFuture<S, F>
where
    S: Service<Request<CallBody>, Future = F>,
{
    pub(crate) const fn prepare(prepare: Prepare, service: S, shared: Arc<Settings>) -> Self {
        Self {
            state: State::Prepare { prepare, service },
            shared,
        }
    }

    pub(crate) fn call(
        service: &mut S,
        request: Request<CallBody>,
        call: &Call,
        shared: Arc<Settings>,
    ) -> Self {
        Self {
            state: State::call(service, request, call),
            shared,
        }
    }
}

impl<S, F, ResB, E> Future for ResponseFuture<S, F>
where
    S: Service<Request<CallBody>, Response = Response<ResB>, Error = E, Future = F>,
    F: Future<Output = Result<Response<ResB>, E>>,
    E: 'static,
    ResB: Body<Data = Bytes>,
{
    type Output = Result<Response<ResponseBody<HeartbeatBody<F, ResB>>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (mut state, settings) = (this.state, &**this.shared);
        let result = loop {
            match state.as_mut().project() {
                Projected::Prepare { prepare, service } => {
                    match ready!(Pin::new(prepare).poll(cx)) {
                        Ok(Prepared { request, call, .. }) => {
                            let next = State::call(service, request, &call);
                            state.set(next);
                        }
                        Err(unprepared) => {
                            let Unprepared { refusal, call, .. } = *unprepared;
                            break Ok(refusal.respond(call.dialect(), call.id()));
                        }
                    }
                }
                Projected::Pass { future } => break ready!(future.poll(cx)).map(passed),
                Projected::Wait { waiting, id } => {
                    let Some(asked) = waiting.as_mut() else {
                        panic!("Heartbeat future polled after it was ready")
                    };
                    if let Poll::Ready(answer) = asked.as_mut().poll_answer(cx) {
                        break answer.map(passed);
                    }
                    let is_late = settings
                        .deadline
                        .is_some_and(|deadline| asked.as_mut().poll_limit(deadline, cx).is_ready());
                    if is_late {
                        // There is still time for a real status.
                        let mut response = late().respond(Dialect::Anthropic, *id);
                        let failure = Failure::new(FailureKind::Timeout);
                        response.extensions_mut().insert(failure);
                        break Ok(response);
                    }
                    ready!(asked.as_mut().poll_beat(settings.after, cx));
                    if let Some(waiting) = waiting.take() {
                        let early = HeartbeatBody::early(waiting, *id, settings);
                        break Ok(early.map(ResponseBody::inner));
                    }
                }
                Projected::Done => panic!("Heartbeat future polled after it was ready"),
            }
        };
        state.set(State::Done);
        Poll::Ready(result)
    }
}

fn passed<F, ResB>(response: Response<ResB>) -> Response<ResponseBody<HeartbeatBody<F, ResB>>> {
    response.map(|body| ResponseBody::inner(HeartbeatBody::answer(body)))
}

impl<S, F> fmt::Debug for ResponseFuture<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Prepare { .. } => "Heartbeat::Prepare",
            State::Pass { .. } => "Heartbeat::Pass",
            State::Wait { .. } => "Heartbeat::Wait",
            State::Done => "Heartbeat::Done",
        })
    }
}

// === impl State ===

impl<S, F> State<S, F>
where
    S: Service<Request<CallBody>, Future = F>,
{
    /// Asks the inner service, which is ready.
    fn call(service: &mut S, request: Request<CallBody>, call: &Call) -> Self {
        let is_stream = call.endpoint() == Endpoint::Messages
            && call.is_stream()
            && call.dialect() == Dialect::Anthropic;
        let future = service.call(request);
        if is_stream {
            Self::Wait {
                waiting: Some(Waiting::new(future)),
                id: call.id(),
            }
        } else {
            Self::Pass { future }
        }
    }
}
