use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_claude_core::{BoxError, CallBody, Prepare};
use tower_service::Service;

use crate::batch_results::Fetch;
use crate::guard::Guard;
use crate::shared::Shared;
use crate::{MeterBody, ResponseFuture, UsageSink};

/// The service of [`UsageMeterLayer`](crate::UsageMeterLayer).
pub struct UsageMeter<S, K = ()> {
    inner: S,
    shared: Arc<Shared<K>>,
}

// === impl UsageMeter ===

impl<S, K> UsageMeter<S, K> {
    pub(crate) const fn new(inner: S, shared: Arc<Shared<K>>) -> Self {
        Self { inner, shared }
    }
}

impl<S, ReqB, ResB, K> Service<Request<ReqB>> for UsageMeter<S, K>
where
    S: Service<Request<CallBody>, Response = Response<ResB>> + Clone,
    S::Error: 'static,
    ReqB: Body<Data = Bytes> + Send + 'static,
    ReqB::Error: Into<BoxError>,
    ResB: Body<Data = Bytes>,
    K: UsageSink + Send + Sync + 'static,
{
    type Response = Response<MeterBody<ResB>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let ledger = Fetch::ledger_for(Arc::clone(&self.shared) as _, &request);
        let guard = Guard::new(ledger, &request);
        let prepare = Prepare::new(request.map(CallBody::new), &self.shared.settings.intake);
        let clone = self.inner.clone();
        let ready = mem::replace(&mut self.inner, clone);
        ResponseFuture::new(prepare, ready, guard)
    }
}

impl<S, K> Clone for UsageMeter<S, K>
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

impl<S, K> fmt::Debug for UsageMeter<S, K>
where
    S: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UsageMeter")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
