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
use crate::{ByPriority, FailoverBody, ResponseFuture, Route};

/// The service of [`FailoverLayer`](crate::FailoverLayer). See the [crate] for the whole.
pub struct Failover<S, R = ByPriority> {
    inner: S,
    shared: Arc<Shared<R>>,
}

// === impl Failover ===

impl<S, R> Failover<S, R> {
    pub(crate) const fn new(inner: S, shared: Arc<Shared<R>>) -> Self {
        Self { inner, shared }
    }
}

impl<S, R> Clone for Failover<S, R>
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

impl<S, ReqB, ResB, R> Service<Request<ReqB>> for Failover<S, R>
where
    S: Service<Request<CallBody>, Response = Response<ResB>> + Clone,
    S::Error: 'static,
    ReqB: Body<Data = Bytes> + Send + 'static,
    ReqB::Error: Into<BoxError>,
    ResB: Body<Data = Bytes> + Unpin,
    ResB::Error: 'static,
    R: Route,
{
    type Response = Response<ResponseBody<FailoverBody<ResB>>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, S::Future, ResB, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let next = self.inner.clone();
        let ready = mem::replace(&mut self.inner, next);
        ResponseFuture::new(request.map(CallBody::new), ready, Arc::clone(&self.shared))
    }
}

impl<S, R> fmt::Debug for Failover<S, R>
where
    S: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failover")
            .field("inner", &self.inner)
            .field("pool", &self.shared.pool)
            .finish_non_exhaustive()
    }
}
