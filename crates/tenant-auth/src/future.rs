use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_claude_core::{Dialect, Refusal, RequestId, ResponseBody, Tenant};
use tower_service::Service;

use crate::AuthFailure;
use crate::refused::Refused;

pin_project! {
    /// The response of [`TenantAuth`](crate::TenantAuth).
    ///
    /// `Authenticating` is the authenticator's future, `Calling` the inner service's.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, ReqB, Authenticating, Calling> {
        #[pin]
        state: State<S, ReqB, Authenticating, Calling>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<S, ReqB, Authenticating, Calling> {
        Authenticate {
            #[pin]
            authenticate: Authenticating,
            inner: Option<S>,
            request: Option<Request<ReqB>>,
            id: RequestId,
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

impl<S, ReqB, Authenticating, Calling> ResponseFuture<S, ReqB, Authenticating, Calling> {
    /// `inner` must be ready.
    pub(crate) const fn new(
        authenticate: Authenticating,
        inner: S,
        request: Request<ReqB>,
        id: RequestId,
    ) -> Self {
        Self {
            state: State::Authenticate {
                authenticate,
                inner: Some(inner),
                request: Some(request),
                id,
            },
        }
    }

    pub(crate) const fn refused(refusal: Refusal, dialect: Dialect, id: RequestId) -> Self {
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

impl<S, ReqB, ResB, Authenticating> Future for ResponseFuture<S, ReqB, Authenticating, S::Future>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    Authenticating: Future<Output = Result<Tenant, Refusal>>,
{
    type Output = Result<Response<ResponseBody<ResB>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        const OVER: &str = "TenantAuth's future polled after it was ready";
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                Projected::Authenticate {
                    authenticate,
                    inner,
                    request,
                    id,
                } => {
                    let answer = ready!(authenticate.poll(cx));
                    match answer {
                        Ok(tenant) => {
                            // A request is large and is copied whenever it moves.
                            if let Some(request) = request {
                                request.extensions_mut().insert(tenant);
                            }
                            let (Some(request), Some(inner)) = (request.take(), inner) else {
                                panic!("{OVER}");
                            };
                            let call = inner.call(request);
                            state.set(State::Call { call });
                        }
                        Err(refusal) => {
                            let Some(request) = request else {
                                panic!("{OVER}");
                            };
                            let dialect = Dialect::of(request.headers());
                            let refusal = AuthFailure::in_one_text(refusal);
                            let response = refusal.respond(dialect, *id);
                            state.set(State::Done);
                            return Poll::Ready(Ok(response));
                        }
                    }
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

impl<S, ReqB, Authenticating, Calling> fmt::Debug
    for ResponseFuture<S, ReqB, Authenticating, Calling>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Authenticate { .. } => "ResponseFuture::Authenticate",
            State::Call { .. } => "ResponseFuture::Call",
            State::Refuse { .. } => "ResponseFuture::Refuse",
            State::Done => "ResponseFuture::Done",
        })
    }
}
