use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_claude_core::{BoxError, Call, CallBody, Prepare, ResponseBody};
use tower_service::Service;

use crate::layer::Settings;
use crate::{HeartbeatBody, ResponseFuture};

/// A service that shows life while a call runs; made by
/// [`HeartbeatLayer`](crate::HeartbeatLayer).
pub struct Heartbeat<S> {
    inner: S,
    shared: Arc<Settings>,
}

// === impl Heartbeat ===

impl<S> Heartbeat<S> {
    pub(crate) const fn new(inner: S, shared: Arc<Settings>) -> Self {
        Self { inner, shared }
    }
}

impl<S> Clone for Heartbeat<S>
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

impl<S, ReqB, ResB> Service<Request<ReqB>> for Heartbeat<S>
where
    S: Service<Request<CallBody>, Response = Response<ResB>> + Clone,
    S::Error: 'static,
    ReqB: Body<Data = Bytes> + Send + 'static,
    ReqB::Error: Into<BoxError>,
    ResB: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<HeartbeatBody<S::Future, ResB>>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let request = request.map(CallBody::new);
        let shared = Arc::clone(&self.shared);
        if let Some(call) = Call::current(&request).cloned() {
            // There is nothing to wait for: the ready service is used where it is.
            return ResponseFuture::call(&mut self.inner, request, &call, shared);
        }
        let prepare = Prepare::new(request, &self.shared.intake);
        let unready = self.inner.clone();
        let ready = mem::replace(&mut self.inner, unready);
        ResponseFuture::prepare(prepare, ready, shared)
    }
}

impl<S> fmt::Debug for Heartbeat<S>
where
    S: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heartbeat")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
