use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_claude_core::{
    Call, CallBody, Failure, Prepare, Prepared, Refusal, ResponseBody, Unprepared, is_event_stream,
    tap,
};
use tower_service::Service;

use crate::MeterBody;
use crate::batch_results::read_along;
use crate::body::unrecorded;
use crate::guard::Guard;

pin_project! {
    /// The future of [`UsageMeter`](crate::UsageMeter).
    ///
    /// Dropped before the head, it records that the caller left.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, F> {
        #[pin]
        state: State<S, F>,
    }
}

pin_project! {
    // In each state what can still say something goes before the guard that writes it down.
    #[project = Projected]
    #[project_replace = Taken]
    enum State<S, F> {
        Prepare { prepare: Prepare, service: S, guard: Guard },
        Call { #[pin] future: F, guard: Guard },
        Ready,
    }
}

// === impl ResponseFuture ===

impl<S, F> ResponseFuture<S, F> {
    pub(crate) const fn new(prepare: Prepare, service: S, guard: Guard) -> Self {
        Self {
            state: State::Prepare {
                prepare,
                service,
                guard,
            },
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
    type Output = Result<Response<MeterBody<ResB>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                Projected::Prepare { prepare, guard, .. } => {
                    let prepared = ready!(guard.watch(|| Pin::new(prepare).poll(cx)));
                    let Taken::Prepare {
                        mut service,
                        mut guard,
                        ..
                    } = state.as_mut().project_replace(State::Ready)
                    else {
                        unreachable!("it was in this state just now")
                    };
                    let Prepared { request, call, .. } = match prepared {
                        Ok(prepared) => prepared,
                        Err(unprepared) => {
                            let Unprepared { refusal, call, .. } = *unprepared;
                            return Poll::Ready(Ok(refuse(refusal, call, guard)));
                        }
                    };
                    if !guard.is_ready() {
                        return Poll::Ready(Ok(refuse(unrecorded(), call, guard)));
                    }
                    guard.asks(call);
                    let future = guard.watch(|| service.call(request));
                    state.set(State::Call { future, guard });
                }
                Projected::Call { future, guard } => {
                    let Poll::Ready(answer) = guard.watch(|| future.poll(cx)) else {
                        guard.waits();
                        return Poll::Pending;
                    };
                    let Taken::Call { guard, .. } = state.as_mut().project_replace(State::Ready)
                    else {
                        unreachable!("it was in this state just now")
                    };
                    return Poll::Ready(finish(answer, guard));
                }
                Projected::Ready => panic!("UsageMeter's ResponseFuture polled after it was ready"),
            }
        }
    }
}

fn refuse<ResB>(refusal: Refusal, call: Call, mut guard: Guard) -> Response<MeterBody<ResB>>
where
    ResB: Body<Data = Bytes>,
{
    let (mut head, body) = refusal.respond(call.dialect(), call.id()).into_parts();
    guard.refused(call, &mut head);
    Response::from_parts(head, MeterBody::new(body, guard, None))
}

fn finish<ResB, E>(
    answer: Result<Response<ResB>, E>,
    mut guard: Guard,
) -> Result<Response<MeterBody<ResB>>, E>
where
    ResB: Body<Data = Bytes>,
    E: 'static,
{
    match answer {
        Ok(response) => {
            let (mut head, body) = tap(read_along(response, &mut guard)).into_parts();
            guard.answered(&mut head);
            let id = is_event_stream(&head.headers).then(|| guard.id()).flatten();
            let body = MeterBody::new(ResponseBody::inner(body), guard, id);
            Ok(Response::from_parts(head, body))
        }
        Err(error) => {
            // There is no answer whose end could be held back.
            drop(guard.failed(&Failure::from_error(&error)));
            Err(error)
        }
    }
}

impl<S, F> fmt::Debug for ResponseFuture<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.state {
            State::Prepare { .. } => "ResponseFuture::Prepare",
            State::Call { .. } => "ResponseFuture::Call",
            State::Ready => "ResponseFuture::Ready",
        })
    }
}
