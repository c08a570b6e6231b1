use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_claude_core::{BoxError, CallBody, ResponseBody};
use tower_service::Service;

use crate::layer::Shared;
use crate::{ContinuationBody, DefaultTakesPrefill, ResponseFuture, TakesPrefill};

/// A service that has broken texts finished; made by
/// [`ContinuationLayer`](crate::ContinuationLayer).
pub struct Continuation<S, P = DefaultTakesPrefill> {
    inner: S,
    shared: Arc<Shared<P>>,
}

// === impl Continuation ===

impl<S, P> Continuation<S, P> {
    pub(crate) const fn new(inner: S, shared: Arc<Shared<P>>) -> Self {
        Self { inner, shared }
    }
}

impl<S, P> Clone for Continuation<S, P>
where
    S: Clone,
{
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<S, P, ReqB, ResB> Service<Request<ReqB>> for Continuation<S, P>
where
    S: Service<Request<CallBody>, Response = Response<ResB>> + Clone,
    S::Error: 'static,
    ReqB: Body<Data = Bytes> + Send + 'static,
    ReqB::Error: Into<BoxError>,
    ResB: Body<Data = Bytes>,
    ResB::Error: 'static,
    P: TakesPrefill,
{
    type Response = Response<ResponseBody<ContinuationBody<S, ResB>>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, P>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        // The future takes the service that is ready, and leaves one that is not.
        let unready = self.inner.clone();
        let ready = mem::replace(&mut self.inner, unready);
        ResponseFuture::new(request.map(CallBody::new), ready, Arc::clone(&self.shared))
    }
}

impl<S, P> fmt::Debug for Continuation<S, P>
where
    S: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Continuation")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
