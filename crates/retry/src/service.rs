use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_claude_core::{BoxError, CallBody, PeekedBody, ResponseBody};
use tower_service::Service;

use crate::layer::Shared;
use crate::{Classify, DefaultClassify, ResponseFuture};

/// A service that repeats calls; made by [`RetryLayer`](crate::RetryLayer).
pub struct Retry<S, C = DefaultClassify> {
    inner: S,
    shared: Arc<Shared<C>>,
}

// === impl Retry ===

impl<S, C> Retry<S, C> {
    pub(crate) const fn new(inner: S, shared: Arc<Shared<C>>) -> Self {
        Self { inner, shared }
    }
}

impl<S, C> Clone for Retry<S, C>
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

impl<S, C, ReqB, ResB> Service<Request<ReqB>> for Retry<S, C>
where
    S: Service<Request<CallBody>, Response = Response<ResB>> + Clone,
    S::Error: 'static,
    ReqB: Body<Data = Bytes> + Send + 'static,
    ReqB::Error: Into<BoxError>,
    ResB: Body<Data = Bytes> + Unpin,
    ResB::Error: 'static,
    C: Classify,
{
    type Response = Response<ResponseBody<PeekedBody<ResB>>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, ResB, C>;

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

impl<S, C> fmt::Debug for Retry<S, C>
where
    S: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
