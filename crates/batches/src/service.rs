use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_claude_core::{BoxError, CallBody};
use tower_service::Service;

use crate::batch_call::BatchCall;
use crate::route::Route;
use crate::shared::Shared;
use crate::{BatchBook, BatchesBody, MemoryBook, ResponseFuture};

/// Answers calls of the batches API, each tenant about its own. Made by
/// [`BatchesLayer`](crate::BatchesLayer).
pub struct Batches<S, K = MemoryBook> {
    inner: S,
    shared: Arc<Shared<K>>,
}

// === impl Batches ===

impl<S, K> Batches<S, K> {
    pub(crate) const fn new(inner: S, shared: Arc<Shared<K>>) -> Self {
        Self { inner, shared }
    }
}

impl<S, ReqB, ResB, K> Service<Request<ReqB>> for Batches<S, K>
where
    S: Service<Request<CallBody>, Response = Response<ResB>> + Clone,
    ReqB: Body<Data = Bytes> + Send + 'static,
    ReqB::Error: Into<BoxError>,
    ResB: Body<Data = Bytes>,
    ResB::Error: Into<BoxError>,
    K: BatchBook,
{
    type Response = Response<BatchesBody<ResB>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, ResB, K>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let request = request.map(CallBody::new);
        if !Route::is_likely(request.uri().path()) {
            return ResponseFuture::pass(self.inner.call(request));
        }
        let clone = self.inner.clone();
        let ready = mem::replace(&mut self.inner, clone);
        ResponseFuture::batches(BatchCall::new(request, ready, Arc::clone(&self.shared)))
    }
}

impl<S, K> Clone for Batches<S, K>
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

impl<S, K> fmt::Debug for Batches<S, K>
where
    S: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batches")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
