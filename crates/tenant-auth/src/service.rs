use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_claude_core::{Dialect, Refusal, RequestId, ResponseBody, Tenant};
use tower_service::Service;

use crate::{Authenticate, ResponseFuture, StaticKeys, headers};

/// Answers who is calling. Made by [`TenantAuthLayer`](crate::TenantAuthLayer); see the
/// [crate] for what it reads and adds.
pub struct TenantAuth<S, A = StaticKeys> {
    inner: S,
    authenticate: Arc<A>,
}

// === impl TenantAuth ===

impl<S, A> TenantAuth<S, A> {
    pub(crate) const fn new(inner: S, authenticate: Arc<A>) -> Self {
        Self {
            inner,
            authenticate,
        }
    }
}

impl<S, A, ReqB, ResB> Service<Request<ReqB>> for TenantAuth<S, A>
where
    S: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
    A: Authenticate,
{
    type Response = Response<ResponseBody<ResB>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, ReqB, A::Future, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        let id = identify(&mut request);
        // Whoever put one there, it was not us.
        request.extensions_mut().remove::<Tenant>();
        let credential = headers::take_credential(request.headers_mut());
        headers::strip(request.headers_mut());
        match credential {
            Ok(credential) => {
                let clone = self.inner.clone();
                let inner = mem::replace(&mut self.inner, clone);
                let authenticate = self.authenticate.authenticate(credential);
                ResponseFuture::new(authenticate, inner, request, id)
            }
            Err(failure) => {
                let dialect = Dialect::of(request.headers());
                ResponseFuture::refused(Refusal::from(failure), dialect, id)
            }
        }
    }
}

impl<S, A> Clone for TenantAuth<S, A>
where
    S: Clone,
{
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), Arc::clone(&self.authenticate))
    }
}

impl<S, A> fmt::Debug for TenantAuth<S, A>
where
    S: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantAuth")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

/// The id of the call; a new one travels on, so that inner layers use the same.
pub(crate) fn identify<B>(request: &mut Request<B>) -> RequestId {
    RequestId::of(request.extensions()).unwrap_or_else(|| {
        let id = RequestId::generate();
        request.extensions_mut().insert(id);
        id
    })
}
