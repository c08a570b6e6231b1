use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_claude_core::{CallBody, Dialect, Prepare, Refusal, RequestId, ResponseBody};
use tower_service::Service;

use super::Check;
use crate::refused::Refused;

pin_project! {
    /// The response of [`Authorize`](super::Authorize); `Calling` is the inner service's.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, Calling> {
        #[pin]
        state: State<S, Calling>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<S, Calling> {
        Prepare {
            #[pin]
            prepare: Prepare,
            inner: Option<S>,
            check: Arc<Check>,
        },
        Call {
            #[pin]
            call: Calling,
        },
        Refuse {
            refused: Option<Refused>,
        },
        Done,
    }
}

// === impl ResponseFuture ===

impl<S, Calling> ResponseFuture<S, Calling> {
    /// `inner` must be ready.
    pub(super) const fn new(prepare: Prepare, inner: S, check: Arc<Check>) -> Self {
        Self {
            state: State::Prepare {
                prepare,
                inner: Some(inner),
                check,
            },
        }
    }

    pub(super) const fn call(call: Calling) -> Self {
        Self {
            state: State::Call { call },
        }
    }

    pub(super) const fn refused(refusal: Refusal, dialect: Dialect, id: RequestId) -> Self {
        Self {
            state: State::Refuse {
                refused: Some(Refused {
                    refusal,
                    dialect,
                    id,
                }),
            },
        }
    }
}

impl<S, ResB> Future for ResponseFuture<S, S::Future>
where
    S: Service<Request<CallBody>, Response = Response<ResB>>,
{
    type Output = Result<Response<ResponseBody<ResB>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        const OVER: &str = "Authorize's future polled after it was ready";
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                Projected::Prepare {
                    prepare,
                    inner,
                    check,
                } => {
                    let prepared = ready!(prepare.poll(cx));
                    let (refusal, call) = match prepared {
                        Ok(prepared) => match check.permit(&prepared.request, &prepared.call) {
                            Ok(()) => {
                                let Some(mut inner) = inner.take() else {
                                    panic!("{OVER}");
                                };
                                let call = inner.call(prepared.request);
                                state.set(State::Call { call });
                                continue;
                            }
                            Err(refusal) => (refusal, prepared.call),
                        },
                        Err(unprepared) => (unprepared.refusal, unprepared.call),
                    };
                    state.set(State::Done);
                    return Poll::Ready(Ok(refusal.respond(call.dialect(), call.id())));
                }
                Projected::Call { call } => {
                    let answer = call.poll(cx);
                    return answer.map_ok(|response| response.map(ResponseBody::inner));
                }
                Projected::Refuse { refused } => {
                    let Some(refused) = refused.take() else {
                        panic!("{OVER}");
                    };
                    state.set(State::Done);
                    return Poll::Ready(Ok(refused.respond()));
                }
                Projected::Done => panic!("{OVER}"),
            }
        }
    }
}

impl<S, Calling> fmt::Debug for ResponseFuture<S, Calling> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Prepare { .. } => "ResponseFuture::Prepare",
            State::Call { .. } => "ResponseFuture::Call",
            State::Refuse { .. } => "ResponseFuture::Refuse",
            State::Done => "ResponseFuture::Done",
        })
    }
}
