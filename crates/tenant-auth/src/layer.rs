use std::fmt;
use std::sync::Arc;

use tower_layer::Layer;

use crate::{StaticKeys, TenantAuth};

/// Lets nobody in whose credential `A` does not accept: the layer of [`TenantAuth`].
///
/// There is no optional mode. Before the inner service, a request loses every header by which
/// a caller could show a credential or pass for somebody inside:
///
/// | header | why |
/// |---|---|
/// | `authorization`, `x-api-key`, `api-key`, `x-goog-api-key`, `proxy-authorization`, `cookie` | a credential that is the tenant's, not upstream's |
/// | `x-tenant`, `x-tenant-*` | identity is the [`Tenant`](tower_claude_core::Tenant) in the extensions and nothing else |
/// | `forwarded`, `x-forwarded-*`, `x-real-ip` | where the caller is, in the caller's words |
#[must_use]
pub struct TenantAuthLayer<A = StaticKeys> {
    authenticate: Arc<A>,
}

// === impl TenantAuthLayer ===

impl<A> TenantAuthLayer<A> {
    /// Asks `authenticate` whose each credential is.
    pub fn new(authenticate: A) -> Self {
        Self {
            authenticate: Arc::new(authenticate),
        }
    }
}

impl<S, A> Layer<S> for TenantAuthLayer<A> {
    type Service = TenantAuth<S, A>;

    fn layer(&self, inner: S) -> TenantAuth<S, A> {
        TenantAuth::new(inner, Arc::clone(&self.authenticate))
    }
}

impl<A> Clone for TenantAuthLayer<A> {
    fn clone(&self) -> Self {
        Self {
            authenticate: Arc::clone(&self.authenticate),
        }
    }
}

impl<A> fmt::Debug for TenantAuthLayer<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantAuthLayer").finish_non_exhaustive()
    }
}
