use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_claude_core::{
    BoxError, Call, CallBody, Dialect, Prepare, Refusal, ResponseBody, Tenant,
};
use tower_service::Service;

use super::{Check, ResponseFuture};
use crate::{AuthFailure, service};

/// Answers what the tenant may ask for. Made by [`AuthorizeLayer`](super::AuthorizeLayer).
///
/// A request without a [`Tenant`] in its extensions is nobody's and gets a 401, its body
/// unread. What the tenant may not do is a 403 that names the tenant and the endpoint, the
/// model or the residency, in this order.
#[derive(Clone, Debug)]
pub struct Authorize<S> {
    inner: S,
    check: Arc<Check>,
}

// === impl Authorize ===

impl<S> Authorize<S> {
    pub(super) const fn new(inner: S, check: Arc<Check>) -> Self {
        Self { inner, check }
    }
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for Authorize<S>
where
    S: Service<Request<CallBody>, Response = Response<ResB>> + Clone,
    ReqB: Body<Data = Bytes> + Send + 'static,
    ReqB::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody<ResB>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        if request.extensions().get::<Tenant>().is_none() {
            let id = service::identify(&mut request);
            let dialect = Dialect::of(request.headers());
            let refusal = Refusal::from(AuthFailure::Missing);
            return ResponseFuture::refused(refusal, dialect, id);
        }
        let request = request.map(CallBody::new);
        // A layer outside has read it: there is nothing to wait for.
        if let Some(call) = Call::current(&request) {
            return match self.check.permit(&request, call) {
                Ok(()) => ResponseFuture::call(self.inner.call(request)),
                Err(refusal) => ResponseFuture::refused(refusal, call.dialect(), call.id()),
            };
        }
        let clone = self.inner.clone();
        let inner = mem::replace(&mut self.inner, clone);
        let prepare = Prepare::new(request, &self.check.intake);
        ResponseFuture::new(prepare, inner, Arc::clone(&self.check))
    }
}
