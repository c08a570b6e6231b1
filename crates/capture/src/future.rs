use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_claude_core::{CallBody, End, Prepare, Prepared, ResponseBody, Unprepared};
use tower_service::Service;

use crate::CaptureBody;
use crate::guard::Guard;

pin_project! {
    /// The future of [`Capture`](crate::Capture).
    ///
    /// Dropped before the head, it hands over what was asked.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, F> {
        #[pin]
        state: State<S, F>,
    }
}

pin_project! {
    // In each state what does the work goes before the guard that writes it down.
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
    ResB: Body<Data = Bytes>,
{
    type Output = Result<Response<CaptureBody<ResB>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                Projected::Prepare { prepare, .. } => {
                    let prepared = ready!(Pin::new(prepare).poll(cx));
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
                        Err(unprepared) => return Poll::Ready(Ok(refuse(*unprepared, guard))),
                    };
                    guard.asks(call);
                    let future = service.call(request);
                    state.set(State::Call { future, guard });
                }
                Projected::Call { future, guard } => {
                    let Poll::Ready(answer) = future.poll(cx) else {
                        // Upstream has the request: nobody waits for this.
                        guard.read_request();
                        return Poll::Pending;
                    };
                    let Taken::Call { guard, .. } = state.as_mut().project_replace(State::Ready)
                    else {
                        unreachable!("it was in this state just now")
                    };
                    return Poll::Ready(finish(answer, guard));
                }
                Projected::Ready => panic!("Capture's ResponseFuture polled after it was ready"),
            }
        }
    }
}

fn refuse<ResB>(unprepared: Unprepared, mut guard: Guard) -> Response<CaptureBody<ResB>>
where
    ResB: Body<Data = Bytes>,
{
    let Unprepared { refusal, call, .. } = unprepared;
    let (head, body) = refusal.respond(call.dialect(), call.id()).into_parts();
    guard.asks(call);
    guard.answered(&head);
    Response::from_parts(head, CaptureBody::new(body, guard))
}

fn finish<ResB, E>(
    answer: Result<Response<ResB>, E>,
    mut guard: Guard,
) -> Result<Response<CaptureBody<ResB>>, E>
where
    ResB: Body<Data = Bytes>,
{
    match answer {
        Ok(response) => {
            let (head, body) = response.into_parts();
            guard.answered(&head);
            let body = CaptureBody::new(ResponseBody::inner(body), guard);
            Ok(Response::from_parts(head, body))
        }
        Err(error) => {
            guard.end(End::Errored);
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
