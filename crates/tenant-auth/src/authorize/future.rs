use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_claude_core::{
    CallBody, Dialect, Prepare, Prepared, Refusal, RequestId, ResponseBody, Tenant,
};
use tower_service::Service;

use super::Check;
use crate::AuthFailure;

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
    #[project_replace = Replaced]
    enum State<S, Calling> {
        Prepare {
            #[pin]
            prepare: Prepare,
            inner: S,
            check: Arc<Check>,
        },
        Call {
            #[pin]
            call: Calling,
        },
        Refuse {
            refusal: Refusal,
            dialect: Dialect,
            id: RequestId,
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
                inner,
                check,
            },
        }
    }

    pub(super) const fn refused(refusal: Refusal, dialect: Dialect, id: RequestId) -> Self {
        Self {
            state: State::Refuse {
                refusal,
                dialect,
                id,
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
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                Projected::Prepare { prepare, .. } => {
                    let prepared = ready!(prepare.poll(cx));
                    let Replaced::Prepare {
                        mut inner, check, ..
                    } = state.as_mut().project_replace(State::Done)
                    else {
                        continue;
                    };
                    let (refusal, call) = match prepared {
                        Ok(prepared) => match permit(&check, &prepared) {
                            Ok(()) => {
                                let call = inner.call(prepared.request);
                                state.set(State::Call { call });
                                continue;
                            }
                            Err(refusal) => (refusal, prepared.call),
                        },
                        Err(unprepared) => (unprepared.refusal, unprepared.call),
                    };
                    return Poll::Ready(Ok(refusal.respond(call.dialect(), call.id())));
                }
                Projected::Call { call } => {
                    let response = ready!(call.poll(cx))?;
                    return Poll::Ready(Ok(response.map(ResponseBody::inner)));
                }
                Projected::Refuse { .. } => {
                    if let Replaced::Refuse {
                        refusal,
                        dialect,
                        id,
                    } = state.as_mut().project_replace(State::Done)
                    {
                        return Poll::Ready(Ok(refusal.respond(dialect, id)));
                    }
                }
                Projected::Done => panic!("Authorize's future polled after it was ready"),
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

fn permit(check: &Check, prepared: &Prepared) -> Result<(), Refusal> {
    let tenant: &Tenant = prepared
        .request
        .extensions()
        .get()
        .ok_or(AuthFailure::Missing)?;
    check.check(tenant, &prepared.call)
}
