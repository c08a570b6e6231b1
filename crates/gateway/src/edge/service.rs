use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Method, Request, Response};
use http_body::Body;
use tokio_util::sync::CancellationToken;
use tower_claude::core::{BoxError, Dialect, RequestId};
use tower_service::Service;

use super::future::{EdgeBody, ResponseFuture};
use super::request_body::RequestBody;

/// Gives each call its id, watches its body arrive, and dresses its answer.
///
/// Outermost of all. Its answers carry `x-claude-request-id`, `request-id`, and where a target
/// was asked `x-claude-target` and `x-claude-attempts`.
#[derive(Clone, Debug)]
pub struct Edge<S> {
    inner: S,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    body_timeout: Duration,
    stop: CancellationToken,
}

// === impl Edge ===

impl<S> Edge<S> {
    /// Wraps the whole stack; streams end when `stop` is cancelled.
    pub fn new(inner: S, body_timeout: Duration, stop: CancellationToken) -> Self {
        Self {
            inner,
            shared: Arc::new(Shared { body_timeout, stop }),
        }
    }
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for Edge<S>
where
    S: Service<Request<RequestBody<ReqB>>, Response = Response<ResB>>,
    ReqB: Body<Data = Bytes>,
    ReqB::Error: Into<BoxError>,
    ResB: Body<Data = Bytes>,
{
    type Response = Response<EdgeBody<ResB>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        let id = RequestId::generate();
        // Clients ask so whether anybody is there, before they have a credential to show.
        if request.method() == Method::HEAD && request.uri().path() == "/api/hello" {
            return ResponseFuture::hello(id);
        }
        request.extensions_mut().insert(id);
        // No gRPC is served here; named so, a call would have its refusals as gRPC: status 200.
        if Dialect::of(request.headers()) == Dialect::Grpc {
            request.headers_mut().remove(CONTENT_TYPE);
        }
        let patience = self.shared.body_timeout;
        let request = request.map(|body| RequestBody::new(body, patience));
        ResponseFuture::new(self.inner.call(request), id, self.shared.stop.clone())
    }
}
