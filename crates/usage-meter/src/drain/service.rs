use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Body;
use tower_service::Service;

use super::left_over::LeftOvers;
use super::{DrainBody, DrainFuture};
use crate::Departure;

/// The service of [`DrainLayer`](crate::DrainLayer).
#[derive(Clone, Debug)]
pub struct Drain<S> {
    inner: S,
    shared: Option<Arc<LeftOvers>>,
}

// === impl Drain ===

impl<S> Drain<S> {
    pub(crate) const fn new(inner: S, shared: Option<Arc<LeftOvers>>) -> Self {
        Self { inner, shared }
    }
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for Drain<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    S::Error: 'static,
    S::Future: Send + 'static,
    ResB: Body<Data = Bytes> + Send + Unpin + 'static,
{
    type Response = Response<DrainBody<ResB>>;
    type Error = S::Error;
    type Future = DrainFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        match &self.shared {
            Some(shared) if costs_money(&request) => {
                let departure = Departure::new();
                request.extensions_mut().insert(departure.clone());
                let future = self.inner.call(request);
                DrainFuture::kept(future, Arc::clone(shared), departure)
            }
            _ => DrainFuture::passed(self.inner.call(request)),
        }
    }
}

/// Whether something would be missing if the answer were not read. Of other calls nothing is.
fn costs_money<B>(request: &Request<B>) -> bool {
    let path = request.uri().path();
    let is_asked = path.ends_with("/v1/messages") || path.ends_with("/v1/messages/batches");
    is_asked && request.method() == Method::POST
}
